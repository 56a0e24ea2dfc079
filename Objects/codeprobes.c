/* Probes in bytecode: see Doc/c-api/codeprobes.rst.

   A probe is a special opcode in the executed copy of the bytecode.  When
   the eval loop reaches it (Python/evalprobes.h), it calls the function of
   the probe and continues with the opcode that the probe replaces, which is
   in co_code.  Code without probes, and code whose probes were removed, runs
   at full speed. */

#include "Python.h"
#include "pycore_codeblocks.h"    // _PyCodeBlocks_Operation()
#include "pycore_codeprobes.h"
#include "pycore_interp.h"        // PyInterpreterState.code_watch
#include "pycore_pystate.h"       // _PyThreadState_GET()
#include "opcode.h"
#include <stddef.h>               // offsetof()

#define EXTRA_INDEX 1

/* Kept in co_extra. */
typedef struct {
    PyCodeProbe_Func func;
    void *data;
    uintptr_t seen;             // number of a watch, or 0
    Py_ssize_t n;
    int units[1];               // of the n probes, including removed ones
} probes;

/* If there are no probes, co_extra has the number of the last watch that has
   seen the code object instead.  It is odd, unlike a pointer. */
static inline int
is_number(void *extra)
{
    return (uintptr_t)extra & 1;
}

static void
free_extra(void *extra)
{
    if (!is_number(extra)) {
        PyMem_Free(extra);
    }
}

static probes *
get_probes(PyCodeObject *code)
{
    void *extra = _PyCode_PeekExtra(code, EXTRA_INDEX);
    return is_number(extra) ? NULL : extra;
}

/* The number of the last watch that has seen the code object, or 0. */
static uintptr_t
last_watch(PyCodeObject *code)
{
    probes *p = get_probes(code);
    return p == NULL ? (uintptr_t)_PyCode_PeekExtra(code, EXTRA_INDEX)
                     : p->seen;
}

int
_PyCodeProbes_Init(void)
{
    if (_PyEval_RequestCodeExtraIndex(free_extra) != EXTRA_INDEX) {
        PyErr_SetString(PyExc_SystemError,
                        "the second co_extra index is already in use");
        return -1;
    }
    return 0;
}


/* --- The bytecode -------------------------------------------------------- */

int
PyCodeProbe_IsSupported(int opcode)
{
    // A probe at one of these would be skipped (a CALL whose PRECALL has
    // already executed it) or hide an instruction that the interpreter looks
    // for.
    switch (opcode) {
        case CACHE:
        case CALL:
        case EXTENDED_ARG:
        case JUMP_BACKWARD_NO_INTERRUPT:
        case PUSH_EXC_INFO:
        case RERAISE:
        case RESUME:
        case SEND:
        case YIELD_VALUE:
            return 0;
        default:
            return 1;
    }
}

int
PyCodeProbe_IsConditionalJump(int opcode)
{
    return _PyOpcode_PopsAndJumps(opcode) || opcode == END_ASYNC_FOR
           || opcode == FOR_ITER || opcode == JUMP_IF_FALSE_OR_POP
           || opcode == JUMP_IF_TRUE_OR_POP;
}

/* For each code unit, whether it starts an instruction that can have a probe.
   Return NULL with MemoryError set if there is no memory. */
static char *
find_places(PyCodeObject *code)
{
    char *places = PyMem_Calloc(Py_SIZE(code), 1);
    if (places == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (int start = 0; start < Py_SIZE(code); ) {
        int unit = _PyCodeBlocks_Operation(code, start);
        int opcode = _PyCode_BaseOpcode(code, unit);
        places[start] = unit > code->_co_firsttraceable
                        && PyCodeProbe_IsSupported(opcode);
        start = unit + 1 + _PyOpcode_Caches[opcode];
    }
    return places;
}

/* Undo specialization, because a specialized instruction can include the next
   one. */
static void
unspecialize(PyCodeObject *code)
{
    if (code->co_warmup == 0) {
        code->co_warmup = QUICKENING_INITIAL_WARMUP_VALUE;
        _Py_QuickenedCount--;
    }
    memcpy(_PyCode_CODE(code), PyBytes_AS_STRING(code->_co_code),
           _PyCode_NBYTES(code));
}

static void
put_probes(PyCodeObject *code, const probes *p)
{
    unspecialize(code);
    for (Py_ssize_t i = 0; i < p->n; i++) {
        _Py_SET_OPCODE(_PyCode_CODE(code)[p->units[i]], _PyOpcode_PROBE);
    }
}

/* Restore the opcode, in the form that _PyCode_Quicken() would have left if it
   has already run. */
static void
remove_probe(PyCodeObject *code, int unit)
{
    int opcode = _PyCodeProbes_Opcode(code, unit);
    if (code->co_warmup == 0) {
        if (_PyOpcode_Adaptive[opcode]) {
            opcode = _PyOpcode_Adaptive[opcode];
        }
        else if (opcode == JUMP_BACKWARD) {
            opcode = JUMP_BACKWARD_QUICK;
        }
    }
    _Py_SET_OPCODE(_PyCode_CODE(code)[unit], opcode);
}

static int
has_probe(PyCodeObject *code, int unit)
{
    return _Py_OPCODE(_PyCode_CODE(code)[unit]) == _PyOpcode_PROBE;
}

static void
remove_probes(PyCodeObject *code, const probes *p)
{
    for (Py_ssize_t i = 0; i < p->n; i++) {
        if (has_probe(code, p->units[i])) {
            remove_probe(code, p->units[i]);
        }
    }
}

static probes *
new_probes(PyCodeObject *code, PyCodeProbe_Func func, void *data,
           const int *offsets, Py_ssize_t n)
{
    char *places = find_places(code);
    if (places == NULL) {
        return NULL;
    }
    probes *p = PyMem_Malloc(offsetof(probes, units) + n * sizeof(int));
    if (p == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    p->func = func;
    p->data = data;
    p->seen = last_watch(code);
    p->n = n;
    for (Py_ssize_t i = 0; i < n; i++) {
        int offset = offsets[i];
        int unit = offset / (int)sizeof(_Py_CODEUNIT);
        if (offset < 0 || offset % (int)sizeof(_Py_CODEUNIT)
            || unit >= Py_SIZE(code) || !places[unit])
        {
            PyErr_Format(PyExc_ValueError,
                         "the instruction at offset %d of %R "
                         "cannot have a probe", offset, code);
            PyMem_Free(p);
            p = NULL;
            goto done;
        }
        p->units[i] = _PyCodeBlocks_Operation(code, unit);
    }
done:
    PyMem_Free(places);
    return p;
}

int
PyCode_SetProbes(PyCodeObject *code, PyCodeProbe_Func func, void *data,
                 const int *offsets, Py_ssize_t n)
{
    if (n == 0 && get_probes(code) == NULL) {
        return 0;
    }
    PyObject *co_code = _PyCode_GetCode(code);  // the code object caches it
    if (co_code == NULL) {
        return -1;
    }
    Py_DECREF(co_code);
    probes *p = NULL;
    if (n != 0 && (p = new_probes(code, func, data, offsets, n)) == NULL) {
        return -1;
    }
    probes *old = get_probes(code);
    if (old != NULL) {
        remove_probes(code, old);
    }
    void *extra = p != NULL ? (void *)p : (void *)last_watch(code);
    if (_PyCode_SetExtra((PyObject *)code, EXTRA_INDEX, extra) < 0) {
        PyMem_Free(p);
        if (!PyErr_Occurred()) {
            PyErr_NoMemory();
        }
        return -1;
    }
    if (p != NULL) {
        put_probes(code, p);
    }
    return 0;
}

void *
PyCode_GetProbes(PyCodeObject *code, PyCodeProbe_Func *func)
{
    probes *p = get_probes(code);
    if (func != NULL) {
        *func = p == NULL ? NULL : p->func;
    }
    return p == NULL ? NULL : p->data;
}

void
PyCode_RestoreProbes(PyCodeObject *code)
{
    probes *p = get_probes(code);
    if (p != NULL) {
        put_probes(code, p);
    }
}

void
_PyCodeProbes_Clear(PyCodeObject *code)
{
    probes *p = get_probes(code);
    if (p != NULL) {
        remove_probes(code, p);
        PyMem_Free(p);
    }
}

/* The offset of the first EXTENDED_ARG prefix of the instruction whose opcode
   is at a code unit.  The caches in co_code are zero, unlike any prefix. */
static int
offset_of(PyCodeObject *code, int unit)
{
    while (unit > 0 && _PyCodeProbes_Opcode(code, unit - 1) == EXTENDED_ARG) {
        unit--;
    }
    return unit * (int)sizeof(_Py_CODEUNIT);
}

void
_PyCodeProbes_Hit(PyCodeObject *code, int unit, int what,
                  const void *activation)
{
    probes *p = get_probes(code);
    // Code that evaluated the truth of a condition may have removed them.
    if (p == NULL || !has_probe(code, unit)) {
        return;
    }
    if (!p->func(p->data, offset_of(code, unit), what, activation)) {
        remove_probe(code, unit);
    }
}


/* --- The watches --------------------------------------------------------- */

/* The number of a watch is greater than those of earlier ones.  Its low bits
   are a 1 and the interpreter, because interpreters share code objects. */
#define LOW_BITS (sizeof(uintptr_t) * 2)
#define LOW_MASK (((uintptr_t)1 << LOW_BITS) - 1)

static uintptr_t last_number;

typedef struct _PyCodeWatch code_watch;

/* Is a code object seen by a watch if another was the last that has seen it?
   Both are given by their numbers. */
static int
is_seen(uintptr_t number, uintptr_t last)
{
    return last >= number && ((last ^ number) & LOW_MASK) == 0;
}

static void
set_seen(PyCodeObject *code, uintptr_t number)
{
    probes *p = get_probes(code);
    if (is_seen(number, last_watch(code))) {
        return;                 // in another thread
    }
    if (p != NULL) {
        p->seen = number;
    }
    // If there is no memory for the number, the code is offered again.
    else if (_PyCode_SetExtra((PyObject *)code, EXTRA_INDEX,
                              (void *)number) < 0)
    {
        PyErr_Clear();
    }
}

/* The first watch that has not seen a code object, or NULL. */
static code_watch *
next_watch(PyInterpreterState *interp, uintptr_t last)
{
    code_watch *watch = &interp->code_watch;
    if (watch->func == NULL) {
        return NULL;
    }
    while (watch != NULL && is_seen(watch->number, last)) {
        watch = watch->next;
    }
    return watch;
}

int
PyEval_AddCodeWatch(PyCodeWatch_Func func, PyObject *obj)
{
    PyInterpreterState *interp = _PyInterpreterState_GET();
    code_watch *watch = &interp->code_watch;
    if (watch->func != NULL) {
        while (watch->next != NULL) {
            watch = watch->next;
        }
        watch = watch->next = PyMem_Malloc(sizeof(code_watch));
        if (watch == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    last_number = ((last_number >> LOW_BITS) + 1) << LOW_BITS
                  | ((uintptr_t)interp->id << 1 & LOW_MASK) | 1;
    *watch = (code_watch){func, Py_XNewRef(obj), last_number, NULL};
    return 0;
}

static void
remove_watch(code_watch *watch, code_watch *before)
{
    PyObject *obj = watch->obj;
    code_watch *next = watch->next;
    if (before != NULL) {
        before->next = next;
        PyMem_Free(watch);
    }
    else if (next != NULL) {
        *watch = *next;             // the first is part of the interpreter
        PyMem_Free(next);
    }
    else {
        watch->func = NULL;
        watch->obj = NULL;
    }
    Py_XDECREF(obj);
}

void
PyEval_RemoveCodeWatch(PyCodeWatch_Func func, PyObject *obj)
{
    code_watch *before = NULL;
    code_watch *watch = &_PyInterpreterState_GET()->code_watch;
    while (watch != NULL && (watch->func != func || watch->obj != obj)) {
        before = watch;
        watch = watch->next;
    }
    if (watch != NULL) {
        remove_watch(watch, before);
    }
}

void
_PyCodeProbes_Fini(PyInterpreterState *interp)
{
    while (interp->code_watch.func != NULL) {
        remove_watch(&interp->code_watch, NULL);
    }
}

static int
call_watch(PyThreadState *tstate, code_watch *watch, PyCodeObject *code)
{
    PyCodeWatch_Func func = watch->func;    // it may remove the watch
    PyObject *obj = Py_XNewRef(watch->obj);
    tstate->code_watching = 1;
    PyThreadState_EnterTracing(tstate);
    int err = func(obj, code);
    PyThreadState_LeaveTracing(tstate);
    tstate->code_watching = 0;
    Py_XDECREF(obj);
    return err;
}

int
_PyCodeProbes_Offer(PyThreadState *tstate, PyCodeObject *code)
{
    PyInterpreterState *interp = tstate->interp;
    uintptr_t last = last_watch(code);
    code_watch *watch = next_watch(interp, last);
    if (watch == NULL || tstate->code_watching) {
        return 0;
    }
    // The function may need modules that are being cleared.
    if (interp->finalizing
        || _PyRuntimeState_GetFinalizing(interp->runtime) != NULL)
    {
        return 0;
    }
    // The functions can add watches, which are not called now: one could
    // replace itself each time.
    uintptr_t newest = last_number;
    for (; watch != NULL && watch->number <= newest;
         watch = next_watch(interp, last))
    {
        uintptr_t number = watch->number;
        if (call_watch(tstate, watch, code) < 0) {
            return -1;
        }
        last = number;
        set_seen(code, number);
    }
    return 0;
}
