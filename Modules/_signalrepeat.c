/* _signalrepeat: send a signal again until its handler in Python has run.

   A signal that arrives just before a blocking system call does not interrupt
   that call.  The handler in Python runs only when the call returns, which may
   be never, so that a process whose handler exits does not end.  arm() makes a
   timer send the signal repeatedly once it has arrived; the handler calls
   disarm().

   Python alone cannot do it without disturbing the program.  A thread could
   wait for the signal on the descriptor of signal.set_wakeup_fd() and repeat
   it; but there is one such descriptor in a process, which asyncio takes and
   gives up, and a process with a second thread forks with less safety, and
   with a warning from CPython 3.12 on. */

#include "Python.h"
#include <signal.h>
#include <time.h>
#include <unistd.h>

static int armed_for;           // 0: no signal
static struct sigaction python_handler;
static timer_t timer;
static pid_t timer_of;          // the process that has the timer; 0: none
static struct itimerspec interval;

static void
handler(int signum)
{
    int saved_errno = errno;
    python_handler.sa_handler(signum);
    if (timer_of == getpid()) {
        timer_settime(timer, 0, &interval, NULL);
    }
    errno = saved_errno;
}

static int
make_timer(int signum)
{
    if (timer_of == getpid()) {
        return 0;
    }
    // A forked child does not inherit timers.
    struct sigevent event = {
        .sigev_notify = SIGEV_SIGNAL,
        .sigev_signo = signum,
    };
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    timer_of = getpid();
    return 0;
}

/* The next one may be for another signal. */
static int
delete_timer(void)
{
    int exists = timer_of == getpid();
    timer_of = 0;
    if (exists && timer_delete(timer) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    return 0;
}

PyDoc_STRVAR(arm_doc,
"arm($module, signum, seconds, /)\n--\n\n"
"When the signal arrives, send it again at this interval, in seconds, until\n"
"disarm() is called.\n\n"
"Its handler must be in Python; it is called again, too.  In a forked child,\n"
"nothing is sent until arm() is called there.  Only one signal can be armed at a\n"
"time.  Raise ValueError if the handler is not in Python or another signal is\n"
"armed, and OSError if the timer cannot be created.");

static PyObject *
arm(PyObject *module, PyObject *args)
{
    int signum;
    double seconds;
    if (!PyArg_ParseTuple(args, "id:arm", &signum, &seconds)) {
        return NULL;
    }
    if (!(seconds > 0 && seconds < 1e6)) {
        PyErr_SetString(PyExc_ValueError,
                        "seconds must be positive and below a million");
        return NULL;
    }
    if (armed_for != 0 && armed_for != signum) {
        return PyErr_Format(PyExc_ValueError, "signal %d is armed", armed_for);
    }
    struct sigaction action;
    if (sigaction(signum, NULL, &action) < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    int ours = action.sa_handler == handler;
    if (!ours && (action.sa_flags & SA_SIGINFO || action.sa_handler == SIG_DFL
                  || action.sa_handler == SIG_IGN))
    {
        return PyErr_Format(PyExc_ValueError,
                            "signal %d has no handler in Python", signum);
    }
    if (make_timer(signum) < 0) {
        return NULL;
    }
    interval.it_value.tv_sec = (time_t)seconds;
    interval.it_value.tv_nsec = (long)((seconds - (time_t)seconds) * 1e9);
    interval.it_interval = interval.it_value;
    armed_for = signum;
    if (!ours) {
        python_handler = action;
        action.sa_handler = handler;
        if (sigaction(signum, &action, NULL) < 0) {
            return PyErr_SetFromErrno(PyExc_OSError);
        }
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(disarm_doc,
"disarm($module, /)\n--\n\n"
"Stop sending the signal, and restore the handler.");

static PyObject *
disarm(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    struct sigaction action;
    if (armed_for != 0) {
        if (sigaction(armed_for, NULL, &action) < 0
            || (action.sa_handler == handler
                && sigaction(armed_for, &python_handler, NULL) < 0))
        {
            return PyErr_SetFromErrno(PyExc_OSError);
        }
        armed_for = 0;
    }
    if (delete_timer() < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"arm", arm, METH_VARARGS, arm_doc},
    {"disarm", disarm, METH_NOARGS, disarm_doc},
    {NULL}
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_signalrepeat",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC
PyInit__signalrepeat(void)
{
    return PyModule_Create(&module_def);
}
