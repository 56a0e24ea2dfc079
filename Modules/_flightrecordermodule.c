/* flightrecorder: the last instructions of each thread, to find out what went
   wrong.  See Doc/library/flightrecorder.rst.

   It reads what the interpreter records (Python/recording.c).  All state is
   global to the process, like signal handlers, and is protected by the GIL;
   only the handler of fatal signals reads it without holding the GIL. */

#ifndef Py_BUILD_CORE_BUILTIN
#  define Py_BUILD_CORE_MODULE 1
#endif

#define PY_SSIZE_T_CLEAN
#include "Python.h"
#include "opcode.h"               // EXTENDED_ARG
#include "pycore_code.h"          // _PyCode_CODE()
#include "pycore_codeprobes.h"    // _PyCode_BaseOpcode()
#include "pycore_fileutils.h"     // _Py_write_noraise()
#include "pycore_pystate.h"       // _PyThreadState_GET()
#include "pycore_recording.h"     // _PyRecorder
#include "pycore_traceback.h"     // _Py_DumpASCII()
#include <signal.h>

#define MAX_SIZE (1024 * 1024)
/* The number of rings to keep of threads that have ended. */
#define MAX_ENDED 8
/* At this number of code objects, those that are gone are swept for the first
   time. */
#define MIN_SWEEP 1024

typedef _PyRecordRing ring;

static _PyRecorder recorder;    // .size is the number of instructions to keep

static struct {
    int instances;              // of the module
    ring *rings;                // that are detached, the newest first
    uint64_t nended;
    _PyRecordedCode codes;      // that the rings lead into
    Py_ssize_t sweep_at;        // this number of code objects
} recorded;


/* --- Rings --------------------------------------------------------------- */

/* Call it with NULL for the first ring. */
static ring *
next_live_ring(ring *r)
{
    do {
        r = r == NULL ? PyInterpreterState_Main()->recording.rings : r->next;
    } while (r != NULL && recorder.thread != 0 && r->id != recorder.thread);
    return r;
}

/* The newest ring, or the next older one.  Threads that are recorded come
   first, then those whose rings are detached. */
static ring *
next_ring(ring *r)
{
    if (r == NULL || r->tstate != NULL) {
        r = recorder.running ? next_live_ring(r) : NULL;
        return r != NULL ? r : recorded.rings;
    }
    return r->next;
}

static void
free_rings(void)
{
    _PyRecording_BeginChange();
    while (recorded.rings != NULL) {
        ring *next = recorded.rings->next;
        PyMem_RawFree(recorded.rings);
        recorded.rings = next;
    }
    _PyRecording_EndChange();
}

/* A thread is no longer recorded.  Called during a change. */
static int
detached(_PyRecorder *Py_UNUSED(recorder), ring *r, int ended)
{
    r->next = recorded.rings;
    recorded.rings = r;
    if (!ended) {
        return 1;
    }
    r->ended = ++recorded.nended;
    int n = 0;
    ring **oldest = NULL;
    for (ring **p = &recorded.rings; *p != NULL; p = &(*p)->next) {
        if ((*p)->ended) {
            n++;
            if (oldest == NULL || (*p)->ended < (*oldest)->ended) {
                oldest = p;
            }
        }
    }
    if (n > MAX_ENDED) {
        ring *old = *oldest;
        *oldest = old->next;
        PyMem_RawFree(old);
    }
    return 1;
}

/* Return the ring of the current thread, or NULL if it has none. */
static ring *
own_ring(void)
{
    uint64_t id = _PyThreadState_GET()->id;
    ring *r = NULL;
    while ((r = next_ring(r)) != NULL && r->id != id) {
    }
    return r;
}

/* Return the ring of the thread with this ident.  Idents may be reused; a
   thread that is recorded comes first, then the newest. */
static ring *
find_ring(unsigned long ident)
{
    ring *r = NULL;
    while ((r = next_ring(r)) != NULL && r->ident != ident) {
    }
    return r;
}


/* --- Code objects -------------------------------------------------------- */

/* The code object that contains an instruction; perhaps that of the one
   before. */
static PyCodeObject *
code_at(_Py_CODEUNIT *instr, PyCodeObject *guess)
{
    if (guess != NULL && _PyRecordedCode_Contains(guess, instr)) {
        return guess;
    }
    Py_ssize_t i = _PyRecordedCode_Find(&recorded.codes, instr);
    return i < 0 ? NULL : recorded.codes.codes[i];
}

/* Release the code objects that nobody else refers to and no ring leads into.
   This may run any code. */
static void
sweep(void)
{
    Py_ssize_t n = recorded.codes.count;
    PyCodeObject **gone = PyMem_RawCalloc(n + 1, sizeof(gone[0]));
    char *used = PyMem_RawCalloc(n + 1, 1);
    Py_ssize_t ngone = 0, kept = 0, nsorted = 0;
    if (gone == NULL || used == NULL) {
        PyMem_RawFree(gone);
        PyMem_RawFree(used);
        return;
    }
    for (ring *r = next_ring(NULL); r != NULL; r = next_ring(r)) {
        uint64_t total = _PyRecordRing_Total(r);
        uint64_t i = total - Py_MIN(total, (uint64_t)recorder.size);
        PyCodeObject *code = NULL;
        for (; i < total; i++) {
            _Py_CODEUNIT *instr = _PyRecordEntry_TO(&r->entries[i % r->size]);
            if (code == NULL || code_at(instr, code) != code) {
                Py_ssize_t index = _PyRecordedCode_Find(&recorded.codes,
                                                        instr);
                code = recorded.codes.codes[index];
                used[index] = 1;
            }
        }
    }
    _PyRecording_BeginChange();
    for (Py_ssize_t i = 0; i < n; i++) {
        PyCodeObject *code = recorded.codes.codes[i];
        if (used[i] || Py_REFCNT(code) > 1) {
            recorded.codes.codes[kept++] = code;
            nsorted += i < recorded.codes.nsorted;
        }
        else {
            // What runs below may execute it: then it is shown again.
            ((_PyCodeBlocks *)_PyCodeBlocks_Peek(code))->recording = 0;
            gone[ngone++] = code;
        }
    }
    recorded.codes.count = kept;
    recorded.codes.nsorted = nsorted;
    _PyRecording_EndChange();
    recorded.sweep_at = Py_MAX(MIN_SWEEP, 2 * kept);
    PyMem_RawFree(used);
    for (Py_ssize_t i = 0; i < ngone; i++) {
        Py_DECREF(gone[i]);
    }
    PyMem_RawFree(gone);
}

static int
select_code(_PyRecorder *self, PyCodeObject *code)
{
    if (recorded.codes.count >= recorded.sweep_at) {
        sweep();
    }
    if (!self->running) {
        return 0;
    }
    if (!_PyRecordedCode_Has(&recorded.codes, code)) {
        _PyRecording_BeginChange();
        int err = _PyRecordedCode_Add(&recorded.codes, code);
        _PyRecording_EndChange();
        if (err < 0) {
            return _PyRecording_NO_MEMORY;
        }
    }
    return 1;
}

/* Release all rings and code objects.  This may run any code. */
static void
clear_recorded(void)
{
    free_rings();
    _PyRecording_BeginChange();
    _PyRecordedCode old = recorded.codes;
    memset(&recorded.codes, 0, sizeof(recorded.codes));
    _PyRecording_EndChange();
    _PyRecordedCode_Clear(&old);
}

/* Where the exception with this innermost traceback was raised, in a ring, or
   NULL. */
static _PyRecordRaise *
raise_of(const void *tb, ring **found)
{
    for (ring *r = next_ring(NULL); r != NULL; r = next_ring(r)) {
        unsigned int n = Py_MIN(r->nraises, _PyRecording_MAX_RAISES);
        for (unsigned int i = 0; i < n; i++) {
            if (r->raises[i].traceback == tb) {
                *found = r;
                return &r->raises[i];
            }
        }
    }
    return NULL;
}

/* Another traceback may get its address. */
static void
forget_traceback(PyObject *tb)
{
    ring *r;
    _PyRecordRaise *raise = raise_of(tb, &r);
    if (raise != NULL) {
        raise->traceback = NULL;
    }
}

static destructor dealloc_traceback;

/* The deallocator of tracebacks while this module is in use. */
static void
forget_and_dealloc_traceback(PyObject *tb)
{
    PyObject_GC_UnTrack(tb);
    // The trashcan of the other one would refuse, as it is not the type's.
    Py_TRASHCAN_BEGIN(tb, forget_and_dealloc_traceback)
    forget_traceback(tb);
    dealloc_traceback(tb);
    Py_TRASHCAN_END
}


/* --- Starting and stopping ----------------------------------------------- */

PyDoc_STRVAR(start_doc,
"start($module, /, size=256, *, all_threads=True)\n--\n\n"
"Start recording the last 'size' instructions of each thread.\n\n"
"If all_threads is true, record all threads of the interpreter; otherwise only\n"
"the current thread.  Discard the previous recording.");

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
    if (PySys_Audit("sys.settrace", NULL) < 0) {
        return NULL;
    }
    if (recorder.running) {
        PyErr_SetString(PyExc_RuntimeError,
                        "flightrecorder is already running");
        return NULL;
    }
    _PyRecorder old = recorder;
    recorder.size = size;
    recorder.thread = all_threads ? 0 : _PyThreadState_GET()->id;
    if (_PyRecording_Start(&recorder, 1) < 0) {
        recorder = old;
        return NULL;
    }
    free_rings();
    Py_RETURN_NONE;
}

PyDoc_STRVAR(stop_doc,
"stop($module, /)\n--\n\n"
"Stop recording.  The recorded instructions can still be read.");

static PyObject *
flightrecorder_stop(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    if (recorder.running) {
        _PyRecording_Stop(&recorder, 1);
        sweep();
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(is_running_doc,
"is_running($module, /)\n--\n\n"
"Return whether a recording is active.");

static PyObject *
flightrecorder_is_running(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(recorder.running);
}


/* --- Reading ------------------------------------------------------------- */

/* Return a list of tuples (code, offset): of the first 'total' instructions
   that were recorded, the last n that are kept, or all of these if n < 0. */
static PyObject *
list_entries(ring *r, uint64_t total, Py_ssize_t n)
{
    Py_ssize_t count = 0;
    if (r != NULL) {
        uint64_t all = _PyRecordRing_Total(r);
        uint64_t size = (uint64_t)recorder.size;
        uint64_t first = all > size ? all - size : 0;
        count = total > first ? (Py_ssize_t)(total - first) : 0;
    }
    if (n >= 0 && count > n) {
        count = n;
    }
    // Copied first, because creating objects can run the garbage collector,
    // and so any code.
    typedef struct {
        PyCodeObject *code;
        int offset;
    } instruction;
    instruction *copy = PyMem_New(instruction, count + 1);
    if (copy == NULL) {
        return PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        _Py_CODEUNIT *instr = _PyRecordEntry_TO(
            &r->entries[(total - count + i) % r->size]);
        copy[i].code = code_at(instr, i > 0 ? copy[i - 1].code : NULL);
        assert(copy[i].code != NULL);
        copy[i].offset = (int)((char *)instr
                               - (char *)_PyCode_CODE(copy[i].code));
        Py_INCREF(copy[i].code);
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
        return own_ring();
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

/* Return the ring of the thread that raised the exception, or NULL with an
   exception set.  The innermost traceback tells where it was first raised:
   each frame that it passes through, and each that raises it again, adds an
   outer one. */
static ring *
find_raise(PyObject *exception, uint64_t *total)
{
    if (!PyExceptionInstance_Check(exception)) {
        PyErr_Format(PyExc_TypeError,
                     "exception must be an exception, not %.100s",
                     Py_TYPE(exception)->tp_name);
        return NULL;
    }
    PyObject *tb = PyException_GetTraceback(exception);
    if (tb == NULL) {
        PyErr_SetString(PyExc_LookupError, "the exception has no traceback");
        return NULL;
    }
    PyTracebackObject *innermost = (PyTracebackObject *)tb;
    while (innermost->tb_next != NULL) {
        innermost = innermost->tb_next;
    }
    Py_DECREF(tb);              // the exception has a reference
    ring *r;
    _PyRecordRaise *raise = raise_of(innermost, &r);
    if (raise != NULL) {
        *total = raise->total;
        return r;
    }
    PyErr_SetString(PyExc_LookupError,
                    "the exception was raised while its thread was not "
                    "recorded, or too long ago");
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
    return list_entries(r, r ? _PyRecordRing_Total(r) : 0, n);
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

static int
compare_rings(const void *a, const void *b)
{
    uint64_t x = (*(ring **)a)->number, y = (*(ring **)b)->number;
    return (x > y) - (x < y);
}

static PyObject *
flightrecorder_threads(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    Py_ssize_t n = 0;
    ring *r = NULL;
    while ((r = next_ring(r)) != NULL) {
        n++;
    }
    ring **rings = PyMem_New(ring *, n + 1);
    unsigned long *idents = PyMem_New(unsigned long, n + 1);
    if (rings == NULL || idents == NULL) {
        PyMem_Free(rings);
        PyMem_Free(idents);
        return PyErr_NoMemory();
    }
    n = 0;
    while ((r = next_ring(r)) != NULL) {
        if (_PyRecordRing_Total(r) != 0 && find_ring(r->ident) == r) {
            rings[n++] = r;
        }
    }
    qsort(rings, n, sizeof(rings[0]), compare_rings);
    for (Py_ssize_t i = 0; i < n; i++) {
        idents[i] = rings[i]->ident;
    }
    PyObject *list = PyList_New(n);
    for (Py_ssize_t i = 0; list != NULL && i < n; i++) {
        PyObject *ident = PyLong_FromUnsignedLong(idents[i]);
        if (ident == NULL) {
            Py_CLEAR(list);
        }
        else {
            PyList_SET_ITEM(list, i, ident);
        }
    }
    PyMem_Free(rings);
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
        total = r ? _PyRecordRing_Total(r) : 0;
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

/* This may run without the GIL. */
static void
put_last(void)
{
    unsigned long ident = PyThread_get_thread_ident();
    int readable = _PyRecording_BeginCrash();
    ring *r = readable ? find_ring(ident) : NULL;
    uint64_t n = 0, total = 0;
    if (r != NULL) {
        total = _PyRecordRing_Total(r);
        n = Py_MIN((uint64_t)Py_MIN(crash.n, recorder.size), total);
    }
    if (!readable) {
        put("The recording is being changed: no instructions of thread 0x");
    }
    else if (n == 0) {
        put("No recorded instructions of thread 0x");
    }
    else {
        put("Last ");
        _Py_DumpDecimal(crash.fd, (size_t)n);
        put(" recorded instructions of thread 0x");
    }
    _Py_DumpHexadecimal(crash.fd, ident, sizeof(unsigned long) * 2);
    put(n == 0 ? "\n\n" : " (most recent last):\n");
    PyCodeObject *code = NULL, *last_code = NULL;
    int last_line = -1;
    for (uint64_t i = total - n; i < total; i++) {
        _Py_CODEUNIT *instr = _PyRecordEntry_TO(&r->entries[i % r->size]);
        code = code_at(instr, code);
        if (code != NULL) {
            int offset = (int)((char *)instr - (char *)_PyCode_CODE(code));
            last_line = put_instruction(code, offset, last_code, last_line);
            last_code = code;
        }
    }
    if (n != 0) {
        put("\n");
    }
    _PyRecording_EndCrash();
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
    if (recorded.instances++ == 0) {
        dealloc_traceback = PyTraceBack_Type.tp_dealloc;
        PyTraceBack_Type.tp_dealloc = forget_and_dealloc_traceback;
    }
    recorded.sweep_at = Py_MAX(recorded.sweep_at, MIN_SWEEP);
    recorder.marks = _PyCodeBlocks_LEADER | _PyCodeBlocks_INSIDE;
    recorder.select = select_code;
    recorder.detached = detached;
    return 0;
}

static void
module_free(void *module)
{
    int *counted = PyModule_GetState((PyObject *)module);
    if (counted == NULL || !*counted || --recorded.instances > 0) {
        return;
    }
    if (recorder.running) {
        _PyRecording_Stop(&recorder, 1);
    }
    PyTraceBack_Type.tp_dealloc = dealloc_traceback;
    disable_crash_output();
    clear_recorded();
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
