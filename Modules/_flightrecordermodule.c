/* flightrecorder: the last instructions of each thread, to find out what went
   wrong.  See Doc/library/flightrecorder.rst.

   A trace function in C writes them to a ring buffer per thread.  All state
   is global to the process, like signal handlers, and is protected by the
   GIL; only the handler of fatal signals reads it without holding the
   GIL. */

#ifndef Py_BUILD_CORE_BUILTIN
#  define Py_BUILD_CORE_MODULE 1
#endif

#define PY_SSIZE_T_CLEAN
#include "Python.h"
#include "frameobject.h"          // PyFrame_GetLasti()
#include "opcode.h"               // RESUME
#include "pycore_code.h"          // _PyCode_CODE()
#include "pycore_codeprobes.h"    // _PyCode_BaseOpcode()
#include "pycore_fileutils.h"     // _Py_write_noraise()
#include "pycore_frame.h"         // _PyInterpreterFrame
#include "pycore_pystate.h"       // _PyThreadState_GET()
#include "pycore_traceback.h"     // _Py_DumpASCII()
#include "pycore_tracestate.h"    // _PyTraceState_InstallAllThreads()
#include <signal.h>
#include <stddef.h>               // offsetof()

#define MAX_SIZE (1024 * 1024)
/* The number of rings to keep of threads that have ended. */
#define MAX_ENDED 8
/* The number of exceptions per thread for which the origin is kept. */
#define MAX_RAISES 64

#define THREAD_KEY "_flightrecorder"

/* Volatile, because a signal handler may read it between any two stores. */
typedef struct {
    PyCodeObject *volatile code;        // NULL: empty or incomplete
    volatile int offset;
} entry;

/* Where an exception was raised.  The pointers can only be compared. */
typedef struct {
    const void *exception;      // NULL: it was freed
    const void *code;
    int lasti;
    uint64_t total;             // number of instructions recorded until then
} raised;

typedef struct _ring {
    struct _ring *next;         // the next older ring
    uint64_t id;                // of the thread state
    unsigned long ident;
    uint64_t ended;             // 0, or the serial number of the thread's end
    int owned;                  // in recorder.rings, or about to be freed
    int in_thread;              // a capsule in the thread's dict refers to it
    Py_ssize_t size;
    Py_ssize_t next_entry;
    volatile uint64_t total;
    unsigned int nraises;
    raised raises[MAX_RAISES];
    entry entries[1];
} ring;

static struct {
    int instances;              // of the module
    PyObject *hook;             // see record(); NULL: not recording
    int all_threads;
    Py_ssize_t size;
    ring *rings;
    uint64_t nended;
    ring *current;              // the most recently used ring
} recorder;

static PyMethodDef hook_method;

static int
is_hook(PyObject *obj)
{
    return obj != NULL && PyCFunction_CheckExact(obj)
           && ((PyCFunctionObject *)obj)->m_ml == &hook_method;
}


/* --- Rings --------------------------------------------------------------- */

static void
unlink_ring(ring *r)
{
    for (ring **p = &recorder.rings; *p != NULL; p = &(*p)->next) {
        if (*p == r) {
            *p = r->next;
            break;
        }
    }
    if (recorder.current == r) {
        recorder.current = NULL;
    }
}

/* Free a ring that is no longer in a list.  This may run any code, because it
   frees code objects. */
static void
free_ring(ring *r)
{
    for (Py_ssize_t i = 0; i < r->size; i++) {
        PyCodeObject *code = r->entries[i].code;
        r->entries[i].code = NULL;
        Py_XDECREF(code);
    }
    r->owned = 0;
    if (!r->in_thread) {
        PyMem_RawFree(r);
    }
}

static void
free_rings(ring *r)
{
    while (r != NULL) {
        ring *next = r->next;
        free_ring(r);
        r = next;
    }
}

/* The destructor of the capsule in a thread's dict, called when the thread
   ends. */
static void
thread_ended(PyObject *capsule)
{
    ring *r = PyCapsule_GetPointer(capsule, THREAD_KEY);
    r->in_thread = 0;
    if (!r->owned) {
        PyMem_RawFree(r);
        return;
    }
    r->ended = ++recorder.nended;
    int n = 0;
    ring *oldest = NULL;
    for (ring *other = recorder.rings; other != NULL; other = other->next) {
        if (other->ended) {
            n++;
            if (oldest == NULL || other->ended < oldest->ended) {
                oldest = other;
            }
        }
    }
    if (n > MAX_ENDED) {
        unlink_ring(oldest);
        free_ring(oldest);
    }
}

static ring *
make_ring(PyThreadState *tstate)
{
    PyObject *hook = recorder.hook;
    PyObject *dict = PyThreadState_GetDict();
    ring *r = PyMem_RawCalloc(1, offsetof(ring, entries)
                                 + recorder.size * sizeof(entry));
    if (r == NULL || dict == NULL) {
        PyMem_RawFree(r);
        return NULL;
    }
    r->id = tstate->id;
    r->ident = tstate->thread_id;
    r->size = recorder.size;
    PyObject *capsule = PyCapsule_New(r, THREAD_KEY, thread_ended);
    if (capsule == NULL) {
        PyMem_RawFree(r);
        return NULL;
    }
    r->in_thread = 1;
    // This may free the ring of an earlier recording, and so run any code.
    Py_INCREF(hook);
    int err = PyDict_SetItemString(dict, THREAD_KEY, capsule);
    if (err < 0 || recorder.hook != hook) {
        r = NULL;               // the capsule frees it
    }
    else {
        r->owned = 1;
        r->next = recorder.rings;
        recorder.rings = r;
    }
    Py_DECREF(hook);
    Py_DECREF(capsule);
    return r;
}

/* Return the ring of the current thread, or NULL if it has none. */
static ring *
own_ring(PyThreadState *tstate)
{
    ring *r = recorder.current;
    if (r != NULL && r->id == tstate->id) {
        return r;
    }
    for (r = recorder.rings; r != NULL; r = r->next) {
        if (r->id == tstate->id) {
            recorder.current = r;
            return r;
        }
    }
    return NULL;
}

/* Return the ring of the thread with this ident.  Idents may be reused; the
   newest thread comes first. */
static ring *
find_ring(unsigned long ident)
{
    ring *r = recorder.rings;
    while (r != NULL && r->ident != ident) {
        r = r->next;
    }
    return r;
}


/* --- Recording ----------------------------------------------------------- */

static inline void
append(ring *r, PyCodeObject *code, int offset)
{
    entry *e = &r->entries[r->next_entry];
    PyCodeObject *old = e->code;
    if (old == code) {
        old = NULL;
        e->offset = offset;
    }
    else {
        Py_INCREF(code);
        e->code = NULL;
        e->offset = offset;
        e->code = code;
    }
    if (++r->next_entry == r->size) {
        r->next_entry = 0;
    }
    r->total++;
    // Last, because this may run any code, and another thread may free the
    // ring.
    Py_XDECREF(old);
}

/* Remember where a new exception was raised.  Its traceback has only the frame
   that raised it; the traceback grows when the exception passes through the
   callers or is raised again. */
static void
note_raise(ring *r, PyObject *arg)
{
    PyObject *exception = PyTuple_GET_ITEM(arg, 1);
    PyObject *tb = PyTuple_GET_ITEM(arg, 2);
    if (!PyTraceBack_Check(tb) || ((PyTracebackObject *)tb)->tb_next != NULL) {
        return;
    }
    PyFrameObject *f = ((PyTracebackObject *)tb)->tb_frame;
    r->raises[r->nraises++ % MAX_RAISES] = (raised){
        exception, f->f_frame->f_code, ((PyTracebackObject *)tb)->tb_lasti,
        r->total
    };
}

/* Another exception may get its address. */
static void
forget_exception(PyObject *exception)
{
    for (ring *r = recorder.rings; r != NULL; r = r->next) {
        unsigned int n = Py_MIN(r->nraises, MAX_RAISES);
        for (unsigned int i = 0; i < n; i++) {
            if (r->raises[i].exception == exception) {
                r->raises[i].exception = NULL;
            }
        }
    }
}

/* The trace function.  'obj' is the hook of the recording that installed it.
   It shows whether that recording is still active, because stop() does not
   change the other threads.  The hook is callable, so that a saved trace
   state can be restored with sys.settracestate(), and for threads that
   start later. */
static int
record(PyObject *obj, PyFrameObject *f, int what, PyObject *arg)
{
    PyThreadState *tstate = _PyThreadState_GET();
    if (obj != recorder.hook) {
        _PyTraceState_TryRemove();
        return 0;
    }
    if (what != PyTrace_INSTRUCTION && what != PyTrace_CALL
        && what != PyTrace_EXCEPTION)
    {
        return 0;
    }
    ring *r = own_ring(tstate);
    if (r == NULL) {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        r = make_ring(tstate);
        PyErr_Restore(type, value, traceback);
        if (r == NULL) {
            return 0;           // without memory; the next event tries again
        }
    }
    if (what == PyTrace_EXCEPTION) {
        note_raise(r, arg);
        return 0;
    }
    _PyInterpreterFrame *frame = f->f_frame;
    int unit = _PyInterpreterFrame_LASTI(frame);
    // generator.throw() is a call too, but does not execute a RESUME.
    if (what == PyTrace_INSTRUCTION
        || _PyCode_BaseOpcode(frame->f_code, unit) == RESUME)
    {
        append(r, frame->f_code, unit * (int)sizeof(_Py_CODEUNIT));
    }
    return 0;
}

static const PyTraceState record_state = {
    .struct_size = sizeof(PyTraceState),
    .trace_instructions = 1,
};

/* The hook, called as a trace function in Python: install the one in C. */
static PyObject *
call_hook(PyObject *self, PyObject *args)
{
    PyFrameObject *frame;
    const char *event;
    PyObject *arg;
    if (!PyArg_ParseTuple(args, "O!sO:hook", &PyFrame_Type, &frame, &event,
                          &arg))
    {
        return NULL;
    }
    PyObject *hook = recorder.hook;
    if (hook == NULL || PyCFunction_GET_SELF(hook) != self) {
        // Its recording has ended.
        if (is_hook(_PyThreadState_GET()->c_traceobj)) {
            _PyTraceState_TryRemove();
        }
        Py_RETURN_NONE;
    }
    Py_INCREF(hook);
    int err = PyEval_SetTraceState(record, hook, &record_state);
    if (err == 0 && strcmp(event, "call") == 0) {
        err = record(hook, frame, PyTrace_CALL, NULL);
    }
    Py_DECREF(hook);
    if (err < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef hook_method = {"hook", call_hook, METH_VARARGS, NULL};

/* Does a thread that would be recorded have another trace function?  'later'
   is the one for threads that start later. */
static int
has_others(PyObject *later, int all_threads)
{
    PyThreadState *tstate = _PyThreadState_GET();
    PyThreadState *ts = tstate;
    if (all_threads) {
        ts = PyInterpreterState_ThreadHead(tstate->interp);
    }
    while (ts != NULL) {
        if (ts->c_tracefunc != NULL && !is_hook(ts->c_traceobj)) {
            return 1;
        }
        ts = all_threads ? PyThreadState_Next(ts) : NULL;
    }
    return later != Py_None && !is_hook(later);
}

static PyObject *
make_hook(void)
{
    // The self object distinguishes the hooks of two recordings.
    PyObject *self = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
    if (self == NULL) {
        return NULL;
    }
    PyObject *hook = NULL, *module = PyUnicode_FromString("flightrecorder");
    if (module != NULL) {
        hook = PyCFunction_NewEx(&hook_method, self, module);
        Py_DECREF(module);
    }
    Py_DECREF(self);
    return hook;
}

/* Start a recording with this hook. */
static int
install(PyObject *hook, Py_ssize_t size, int all_threads)
{
    // First, because importing threading may run any code.
    PyObject *later = all_threads ? _PyTraceState_GetThreadingFunc()
                                  : Py_NewRef(Py_None);
    if (later == NULL) {
        return -1;
    }
    int others = has_others(later, all_threads);
    Py_DECREF(later);
    if (recorder.hook != NULL) {
        PyErr_SetString(PyExc_RuntimeError,
                        "flightrecorder is already running");
        return -1;
    }
    if (others) {
        PyErr_SetString(PyExc_RuntimeError, "a trace function is already set; "
                        "remove it first");
        return -1;
    }
    ring *old = recorder.rings;
    recorder.rings = recorder.current = NULL;
    recorder.hook = Py_NewRef(hook);
    recorder.size = size;
    recorder.all_threads = all_threads;
    int err = all_threads
              ? _PyTraceState_InstallAllThreads(record, hook, &record_state)
              : PyEval_SetTraceState(record, hook, &record_state);
    if (err < 0) {
        if (recorder.hook == hook) {
            Py_CLEAR(recorder.hook);
        }
        if (recorder.rings == NULL) {
            recorder.rings = old;
            return -1;
        }
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    free_rings(old);
    PyErr_Restore(type, value, traceback);
    return err;
}

PyDoc_STRVAR(start_doc,
"start($module, /, size=256, *, all_threads=True)\n--\n\n"
"Start recording the last 'size' instructions of each thread.\n\n"
"If all_threads is true, record all running threads and those that the\n"
"threading module starts later; otherwise only the current thread.  Discard the\n"
"previous recording.  Raise RuntimeError if another trace function is set.");

static PyObject *
flightrecorder_start(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"size", "all_threads", NULL};
    PyObject *size_object = NULL;
    Py_ssize_t size = 256;
    int all_threads = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O$p:start", keywords,
                                     &size_object, &all_threads))
    {
        return NULL;
    }
    if (size_object != NULL) {
        size = PyNumber_AsSsize_t(size_object, NULL);
        if (size == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (size < 1 || size > MAX_SIZE) {
        PyErr_Format(PyExc_ValueError, "size must be from 1 to %d", MAX_SIZE);
        return NULL;
    }
    PyObject *hook = make_hook();
    if (hook == NULL) {
        return NULL;
    }
    int err = install(hook, size, all_threads);
    Py_DECREF(hook);
    if (err < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(stop_doc,
"stop($module, /)\n--\n\n"
"Stop recording.  The recorded instructions can still be read.");

static PyObject *
flightrecorder_stop(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    PyThreadState *tstate = _PyThreadState_GET();
    PyObject *hook = recorder.hook;
    if (hook == NULL) {
        Py_RETURN_NONE;
    }
    Py_INCREF(hook);
    if (is_hook(tstate->c_traceobj)
        && PyEval_SetTraceState(NULL, NULL, NULL) < 0)
    {
        Py_DECREF(hook);
        return NULL;
    }
    if (recorder.hook == hook) {
        Py_CLEAR(recorder.hook);
    }
    int err = recorder.all_threads ? _PyTraceState_RemoveFromThreading(hook)
                                   : 0;
    Py_DECREF(hook);
    if (err < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(is_running_doc,
"is_running($module, /)\n--\n\n"
"Return whether a recording is active.");

static PyObject *
flightrecorder_is_running(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(recorder.hook != NULL);
}


/* --- Reading ------------------------------------------------------------- */

/* Return a list of tuples (code, offset): of the first 'total' instructions
   that were recorded, the last n that the ring still has, or all of these
   if n < 0. */
static PyObject *
list_entries(ring *r, uint64_t total, Py_ssize_t n)
{
    Py_ssize_t count = 0;
    if (r != NULL) {
        uint64_t first = r->total > (uint64_t)r->size ? r->total - r->size : 0;
        count = total > first ? (Py_ssize_t)(total - first) : 0;
    }
    if (n >= 0 && count > n) {
        count = n;
    }
    // Copied first, because creating objects can run the garbage collector,
    // and so any code.
    entry *copy = PyMem_New(entry, count + 1);
    if (copy == NULL) {
        return PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        entry *e = &r->entries[(total - count + i) % r->size];
        copy[i].code = (PyCodeObject *)Py_NewRef(e->code);
        copy[i].offset = e->offset;
    }
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *pair = NULL;
        if (list != NULL) {
            pair = Py_BuildValue("Oi", copy[i].code, copy[i].offset);
            if (pair == NULL) {
                Py_CLEAR(list);
            }
            else {
                PyList_SET_ITEM(list, i, pair);
            }
        }
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_DECREF(copy[i].code);
    }
    PyMem_Free(copy);
    return list;
}

/* Convert the parameter n; None, for all, becomes -1. */
static int
read_n(PyObject *obj, Py_ssize_t *n)
{
    *n = -1;
    if (obj == Py_None) {
        return 0;
    }
    *n = PyNumber_AsSsize_t(obj, NULL);
    if (*n == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (*n < 0) {
        PyErr_SetString(PyExc_ValueError, "n must not be negative");
        return -1;
    }
    return 0;
}

/* Return the ring of the parameter thread_id, or NULL with an exception set.
   If it is None, return the ring of the current thread, or NULL without an
   exception. */
static ring *
read_thread_id(PyObject *obj)
{
    if (obj == Py_None) {
        return own_ring(_PyThreadState_GET());
    }
    if (!PyLong_Check(obj)) {
        PyErr_Format(PyExc_TypeError, "thread_id must be an integer or None, "
                     "not %.100s", Py_TYPE(obj)->tp_name);
        return NULL;
    }
    ring *r = find_ring(PyLong_AsUnsignedLongMask(obj));
    if (r == NULL) {
        PyErr_Format(PyExc_LookupError,
                     "no recorded instructions of thread %R", obj);
    }
    return r;
}

/* Return how many instructions this ring had recorded when the exception was
   raised by the code at lasti, or 0 if that is not known. */
static uint64_t
total_at_raise(ring *r, PyObject *exception, PyCodeObject *code, int lasti)
{
    if (r == NULL) {
        return 0;
    }
    unsigned int n = Py_MIN(r->nraises, MAX_RAISES);
    for (unsigned int i = 1; i <= n; i++) {
        raised *e = &r->raises[(r->nraises - i) % MAX_RAISES];
        if (e->exception == exception) {
            // Otherwise it was raised again elsewhere, unrecorded.
            return e->code == code && e->lasti == lasti ? e->total : 0;
        }
    }
    return 0;
}

/* Return the ring of the thread that raised the exception, or NULL with an
   exception set. */
static ring *
find_raise(PyObject *exception, uint64_t *total)
{
    if (!PyExceptionInstance_Check(exception)) {
        PyErr_Format(PyExc_TypeError,
                     "exception must be an exception, not %.100s",
                     Py_TYPE(exception)->tp_name);
        return NULL;
    }
    const char *why = "the exception has no traceback";
    PyTracebackObject *tb =
        (PyTracebackObject *)PyException_GetTraceback(exception);
    if (tb != NULL) {
        why = "the exception was raised while its thread was not recorded, "
              "or too long ago";
        PyTracebackObject *innermost = tb;
        while (innermost->tb_next != NULL) {
            innermost = innermost->tb_next;
        }
        PyCodeObject *code = PyFrame_GetCode(innermost->tb_frame);
        int lasti = innermost->tb_lasti;
        ring *r = own_ring(_PyThreadState_GET());
        *total = total_at_raise(r, exception, code, lasti);
        if (*total == 0) {
            for (r = recorder.rings; r != NULL; r = r->next) {
                *total = total_at_raise(r, exception, code, lasti);
                if (*total != 0) {
                    break;
                }
            }
        }
        Py_DECREF(code);
        Py_DECREF(tb);
        if (*total != 0) {
            return r;
        }
    }
    PyErr_SetString(PyExc_LookupError, why);
    return NULL;
}

PyDoc_STRVAR(last_doc,
"last($module, /, n=None, *, thread_id=None)\n--\n\n"
"Return the last n instructions, or all recorded ones, of the current thread or\n"
"of the thread with this ident: a list of tuples (code, offset), oldest first.");

static PyObject *
flightrecorder_last(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"n", "thread_id", NULL};
    PyObject *n_object = Py_None, *thread_id = Py_None;
    Py_ssize_t n;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O$O:last", keywords,
                                     &n_object, &thread_id)
        || read_n(n_object, &n) < 0)
    {
        return NULL;
    }
    ring *r = read_thread_id(thread_id);
    if (r == NULL && PyErr_Occurred()) {
        return NULL;
    }
    return list_entries(r, r ? r->total : 0, n);
}

PyDoc_STRVAR(before_doc,
"before($module, exception, /, n=None)\n--\n\n"
"Return the last instructions before the exception was first raised, in the\n"
"thread that raised it, as far as they are still recorded.  Raise LookupError if\n"
"it is not known where the exception was raised.");

static PyObject *
flightrecorder_before(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"", "n", NULL};
    PyObject *exception, *n_object = Py_None;
    Py_ssize_t n;
    uint64_t total;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:before", keywords,
                                     &exception, &n_object)
        || read_n(n_object, &n) < 0)
    {
        return NULL;
    }
    ring *r = find_raise(exception, &total);
    return r == NULL ? NULL : list_entries(r, total, n);
}

PyDoc_STRVAR(threads_doc,
"threads($module, /)\n--\n\n"
"Return a list of the idents of the threads with recorded instructions, in the\n"
"order in which their recording began.");

static PyObject *
flightrecorder_threads(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    Py_ssize_t n = 0;
    for (ring *r = recorder.rings; r != NULL; r = r->next) {
        n += find_ring(r->ident) == r;
    }
    unsigned long *idents = PyMem_New(unsigned long, n + 1);
    if (idents == NULL) {
        return PyErr_NoMemory();
    }
    Py_ssize_t i = n;
    for (ring *r = recorder.rings; r != NULL; r = r->next) {
        if (find_ring(r->ident) == r) {
            idents[--i] = r->ident;
        }
    }
    PyObject *list = PyList_New(n);
    for (i = 0; list != NULL && i < n; i++) {
        PyObject *ident = PyLong_FromUnsignedLong(idents[i]);
        if (ident == NULL) {
            Py_CLEAR(list);
        }
        else {
            PyList_SET_ITEM(list, i, ident);
        }
    }
    PyMem_Free(idents);
    return list;
}

PyDoc_STRVAR(dump_doc,
"dump($module, /, file=None, *, n=32, thread_id=None, exception=None)\n--\n\n"
"Write the last n instructions, or those before an exception, to a file or, with\n"
"None, to sys.stderr, the most recent last.");

static PyObject *
flightrecorder_dump(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"file", "n", "thread_id", "exception", NULL};
    PyObject *file = Py_None, *n_object = NULL;
    PyObject *thread_id = Py_None, *exception = Py_None;
    Py_ssize_t n = 32;
    uint64_t total = 0;
    int unknown = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O$OOO:dump", keywords,
                                     &file, &n_object, &thread_id, &exception)
        || (n_object != NULL && read_n(n_object, &n) < 0))
    {
        return NULL;
    }
    ring *r;
    if (exception != Py_None) {
        if (thread_id != Py_None) {
            PyErr_SetString(PyExc_TypeError,
                            "dump() takes a thread_id or an exception, "
                            "not both");
            return NULL;
        }
        r = find_raise(exception, &total);
        if (r == NULL && PyErr_ExceptionMatches(PyExc_LookupError)) {
            PyErr_Clear();      // the output says that it is not known
            unknown = 1;
        }
    }
    else {
        r = read_thread_id(thread_id);
        total = r ? r->total : 0;
    }
    if (r == NULL && PyErr_Occurred()) {
        return NULL;
    }
    unsigned long ident = r ? r->ident : PyThread_get_thread_ident();
    PyObject *entries = unknown ? Py_NewRef(Py_None)
                                : list_entries(r, total, n);
    if (entries == NULL) {
        return NULL;
    }
    // The code that writes the instructions must not be recorded.
    PyThreadState *tstate = _PyThreadState_GET();
    PyThreadState_EnterTracing(tstate);
    PyObject *result = NULL;
    PyObject *writer = PyImport_ImportModule("flightrecorder");
    if (writer != NULL) {
        result = PyObject_CallMethod(writer, "_write", "OOkO", file, entries,
                                     ident, exception);
        Py_DECREF(writer);
    }
    PyThreadState_LeaveTracing(tstate);
    Py_DECREF(entries);
    return result;
}


/* --- Fatal signals ------------------------------------------------------- */

typedef struct {
    int signum;
    int installed;              // as the handler, or as one that it calls
    struct sigaction previous;
} fatal_handler;

static fatal_handler fatal_handlers[] = {
#ifdef SIGBUS
    {SIGBUS},
#endif
#ifdef SIGILL
    {SIGILL},
#endif
    {SIGFPE},
    {SIGABRT},
    {SIGSEGV},
};

static struct {
    volatile int enabled;
    int fd;
    Py_ssize_t n;
    PyObject *file;             // keeps fd open
    PyObject *names;            // a tuple
    const char *opnames[256];   // from the tuple
    char kinds[256];            // of the arguments: see put_name()
} crash;

/* To handle stack overflows in the thread that enables the output. */
#define ALT_STACK_SIZE (64 * 1024)
static stack_t alt_stack;

static void
put(const char *text)
{
    (void)_Py_write_noraise(crash.fd, text, strlen(text));
}

/* Write the name that an argument refers to, if any. */
static void
put_name(PyCodeObject *code, int opcode, unsigned int arg)
{
    PyObject *names = NULL;
    switch (crash.kinds[opcode]) {
        case 'n': names = code->co_names; break;
        case 'l': names = code->co_localsplusnames; break;
    }
    if (opcode == LOAD_GLOBAL) {
        arg >>= 1;
    }
    if (names != NULL && (Py_ssize_t)arg < PyTuple_GET_SIZE(names)) {
        put(" (");
        _Py_DumpASCII(crash.fd, PyTuple_GET_ITEM(names, arg));
        put(")");
    }
}

/* Write the code object and the line only if they are others than those of the
   previous instruction.  Return the line, -1 if there is none. */
static int
put_instruction(PyCodeObject *code, int offset, PyCodeObject *last_code,
                int last_line)
{
    int unit = offset / (int)sizeof(_Py_CODEUNIT);
    int opcode = _PyCode_BaseOpcode(code, unit);
    unsigned int arg = 0;
    for (;;) {
        arg = (arg << 8) | _Py_OPARG(_PyCode_CODE(code)[unit]);
        if (opcode != EXTENDED_ARG || unit + 1 >= Py_SIZE(code)) {
            break;
        }
        opcode = _PyCode_BaseOpcode(code, ++unit);
    }
    if (code != last_code) {
        put("  ");
        if (last_code == NULL || code->co_filename != last_code->co_filename) {
            put("File \"");
            _Py_DumpASCII(crash.fd, code->co_filename);
            put("\", ");
        }
        put("in ");
        _Py_DumpASCII(crash.fd, code->co_qualname);
        put("\n");
    }
    int line = PyCode_Addr2Line(code, offset);
    if (code != last_code || line != last_line) {
        put("    line ");
        if (line >= 0) {
            _Py_DumpDecimal(crash.fd, (size_t)line);
        }
        else {
            put("?");
        }
        put("\n");
    }
    for (int limit = 1000000000; limit > Py_MAX(offset, 1); limit /= 10) {
        put(" ");
    }
    _Py_DumpDecimal(crash.fd, (size_t)offset);
    put(" ");
    put(crash.opnames[opcode]);
    if (HAS_ARG(opcode)) {
        put(" ");
        _Py_DumpDecimal(crash.fd, arg);
        put_name(code, opcode, arg);
    }
    put("\n");
    return line;
}

/* This may run without the GIL.  Then, as in faulthandler, it is not safe if
   another thread frees rings meanwhile. */
static void
put_last(void)
{
    unsigned long ident = PyThread_get_thread_ident();
    ring *r = find_ring(ident);
    uint64_t n = 0, total = 0;
    if (r != NULL) {
        total = r->total;
        n = Py_MIN(Py_MIN((uint64_t)crash.n, (uint64_t)r->size), total);
    }
    if (n == 0) {
        put("No recorded instructions of thread 0x");
    }
    else {
        put("Last ");
        _Py_DumpDecimal(crash.fd, (size_t)n);
        put(" recorded instructions of thread 0x");
    }
    _Py_DumpHexadecimal(crash.fd, ident, sizeof(unsigned long) * 2);
    put(n == 0 ? "\n\n" : " (most recent last):\n");
    PyCodeObject *last_code = NULL;
    int last_line = -1;
    for (uint64_t i = total - n; i < total; i++) {
        entry *e = &r->entries[i % r->size];
        PyCodeObject *code = e->code;
        int offset = e->offset;
        if (code != NULL
            && offset < Py_SIZE(code) * (Py_ssize_t)sizeof(_Py_CODEUNIT))
        {
            last_line = put_instruction(code, offset, last_code, last_line);
            last_code = code;
        }
    }
    if (n != 0) {
        put("\n");
    }
}

/* Must be async-signal-safe. */
static void
fatal_signal(int signum)
{
    int saved_errno = errno;
    for (size_t i = 0; i < Py_ARRAY_LENGTH(fatal_handlers); i++) {
        fatal_handler *handler = &fatal_handlers[i];
        if (handler->signum == signum) {
            // First, in case the output crashes as well.
            handler->installed = 0;
            (void)sigaction(signum, &handler->previous, NULL);
        }
    }
    if (crash.enabled) {
        put_last();
    }
    errno = saved_errno;
    // Takes effect immediately, because of SA_NODEFER.
    raise(signum);
}

/* Was this handler installed after ours?  It should then call ours. */
static int
is_above(const fatal_handler *handler, const struct sigaction *action)
{
    return handler->installed && action->sa_handler != SIG_DFL
           && action->sa_handler != SIG_IGN;
}

static void
disable_crash_output(void)
{
    crash.enabled = 0;
    for (size_t i = 0; i < Py_ARRAY_LENGTH(fatal_handlers); i++) {
        fatal_handler *handler = &fatal_handlers[i];
        struct sigaction action;
        if (!handler->installed
            || sigaction(handler->signum, NULL, &action) < 0)
        {
            continue;
        }
        if (action.sa_handler == fatal_signal) {
            (void)sigaction(handler->signum, &handler->previous, NULL);
            handler->installed = 0;
        }
        else {
            handler->installed = is_above(handler, &action);
        }
    }
    Py_CLEAR(crash.file);
    Py_CLEAR(crash.names);
}

static int
set_alt_stack(void)
{
    stack_t now;
    if (sigaltstack(NULL, &now) < 0 || !(now.ss_flags & SS_DISABLE)) {
        return 0;               // that of faulthandler, for example, will do
    }
    if (alt_stack.ss_sp == NULL) {
        // Never freed, because faulthandler may restore it.
        alt_stack.ss_sp = PyMem_RawMalloc(ALT_STACK_SIZE);
        alt_stack.ss_size = ALT_STACK_SIZE;
    }
    if (alt_stack.ss_sp == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (sigaltstack(&alt_stack, NULL) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    return 0;
}

static int
install_handlers(void)
{
    for (size_t i = 0; i < Py_ARRAY_LENGTH(fatal_handlers); i++) {
        fatal_handler *handler = &fatal_handlers[i];
        struct sigaction action, now;
        if (sigaction(handler->signum, NULL, &now) < 0) {
            goto error;
        }
        if (now.sa_handler == fatal_signal || is_above(handler, &now)) {
            continue;
        }
        handler->installed = 0;
        if (now.sa_handler == SIG_IGN) {
            continue;           // the signal does not end the process
        }
        memset(&action, 0, sizeof(action));
        action.sa_handler = fatal_signal;
        sigemptyset(&action.sa_mask);
        action.sa_flags = SA_NODEFER | SA_ONSTACK;
        handler->previous = now;
        if (sigaction(handler->signum, &action, NULL) < 0) {
            goto error;
        }
        handler->installed = 1;
    }
    return 0;

error:
    PyErr_SetFromErrno(PyExc_OSError);
    return -1;
}

/* enable_crash_output(file, fd, n, names, kinds), for Lib/flightrecorder.py */
static PyObject *
flightrecorder_enable_crash_output(PyObject *module, PyObject *args)
{
    PyObject *file, *n_object, *names;
    Py_ssize_t n;
    int fd;
    const char *kinds;
    Py_ssize_t nkinds;
    if (!PyArg_ParseTuple(args, "OiOO!y#:enable_crash_output", &file, &fd,
                          &n_object, &PyTuple_Type, &names, &kinds, &nkinds))
    {
        return NULL;
    }
    n = PyNumber_AsSsize_t(n_object, NULL);
    if (n == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (n < 1 || n > MAX_SIZE) {
        PyErr_Format(PyExc_ValueError, "n must be from 1 to %d", MAX_SIZE);
        return NULL;
    }
    if (PyTuple_GET_SIZE(names) != 256 || nkinds != sizeof(crash.kinds)) {
        PyErr_SetString(PyExc_ValueError,
                        "names and kinds must have 256 items");
        return NULL;
    }
    const char *opnames[256];
    for (int i = 0; i < 256; i++) {
        opnames[i] = PyUnicode_AsUTF8(PyTuple_GET_ITEM(names, i));
        if (opnames[i] == NULL) {
            return NULL;
        }
    }
    if (set_alt_stack() < 0) {
        return NULL;
    }
    crash.enabled = 0;
    crash.fd = fd;
    crash.n = n;
    memcpy(crash.opnames, opnames, sizeof(opnames));
    memcpy(crash.kinds, kinds, sizeof(crash.kinds));
    PyObject *old_file = crash.file, *old_names = crash.names;
    crash.file = Py_NewRef(file);
    crash.names = Py_NewRef(names);
    int err = install_handlers();
    if (err < 0) {
        disable_crash_output();
    }
    else {
        crash.enabled = 1;
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    Py_XDECREF(old_file);
    Py_XDECREF(old_names);
    PyErr_Restore(type, value, traceback);
    if (err < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(disable_crash_output_doc,
"disable_crash_output($module, /)\n--\n\n"
"Disable the crash output.  Return whether it was enabled.");

static PyObject *
flightrecorder_disable_crash_output(PyObject *module,
                                    PyObject *Py_UNUSED(ignored))
{
    int enabled = crash.enabled;
    disable_crash_output();
    return PyBool_FromLong(enabled);
}


/* --- The module ---------------------------------------------------------- */

static PyMethodDef module_methods[] = {
    {"start", _PyCFunction_CAST(flightrecorder_start),
     METH_VARARGS | METH_KEYWORDS, start_doc},
    {"stop", flightrecorder_stop, METH_NOARGS, stop_doc},
    {"is_running", flightrecorder_is_running, METH_NOARGS, is_running_doc},
    {"last", _PyCFunction_CAST(flightrecorder_last),
     METH_VARARGS | METH_KEYWORDS, last_doc},
    {"before", _PyCFunction_CAST(flightrecorder_before),
     METH_VARARGS | METH_KEYWORDS, before_doc},
    {"threads", flightrecorder_threads, METH_NOARGS, threads_doc},
    {"dump", _PyCFunction_CAST(flightrecorder_dump),
     METH_VARARGS | METH_KEYWORDS, dump_doc},
    {"enable_crash_output", flightrecorder_enable_crash_output, METH_VARARGS,
     NULL},
    {"disable_crash_output", flightrecorder_disable_crash_output,
     METH_NOARGS, disable_crash_output_doc},
    {NULL, NULL}
};

static int
module_exec(PyObject *module)
{
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError,
                        "flightrecorder supports only the main interpreter");
        return -1;
    }
    // Tells module_free() that this instance was counted.
    *(int *)PyModule_GetState(module) = 1;
    recorder.instances++;
    _PyTraceState_ExceptionFreed = forget_exception;
    return 0;
}

static void
module_free(void *module)
{
    int *counted = PyModule_GetState((PyObject *)module);
    if (counted == NULL || !*counted || --recorder.instances > 0) {
        return;
    }
    ring *rings = recorder.rings;
    recorder.rings = recorder.current = NULL;
    _PyTraceState_ExceptionFreed = NULL;
    Py_CLEAR(recorder.hook);
    disable_crash_output();
    free_rings(rings);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL}
};

PyDoc_STRVAR(module_doc,
"C implementation of the flightrecorder module.");

static struct PyModuleDef flightrecorder_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_flightrecorder",
    .m_doc = module_doc,
    .m_size = sizeof(int),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__flightrecorder(void)
{
    return PyModuleDef_Init(&flightrecorder_module);
}
