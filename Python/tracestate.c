/* The trace state of a thread, and the events that it adds to sys.settrace().

   PyThreadState has these fields in addition to c_tracefunc and c_traceobj:

   inst_tracing     The flags of the state that these were installed with.  It
                    is 0 without a trace function, and in the state that
                    sys.settrace() installs.
   inst_func, inst_obj
                    The c_tracefunc and c_traceobj that inst_tracing and the
                    next fields were computed for.  Compared, but not owned.
   inst_installed_*
                    The values of these three at the last installation.
   inst_filter      The instruction filter of the installed state, or NULL.
   inst_marks       The _PyCodeBlocks flags of instructions that can have
                    events or are recorded.
   inst_opcodes     For each opcode, specialized ones included, whether it
                    can have an 'instruction' event.
   inst_single      The _PyCodeBlocks flags of instructions that can have
                    exactly one event.
   inst_raised      While an exception enters its handler: the code unit for
                    which the handler was looked up, plus 1.  Otherwise 0.
   inst_installing  A trace function is being installed.
   inst_cleared     PyThreadState_Clear() was called: nothing frees a trace
                    function that is installed now.
   inst_edge        The argument of the last 'branch' event, for reuse.
   inst_loop        What one eval loop passes to the other.

   Python/traceevents.h sends the events. */

#include "Python.h"
#include "pycore_tracestate.h"
#include "pycore_ceval.h"         // _PyEval_SetTrace()
#include "pycore_code.h"          // _PyCode_LineNumberFromArray()
#include "pycore_codeblocks.h"
#include "pycore_codeprobes.h"    // _PyCode_BaseOpcode()
#include "pycore_frame.h"         // _PyInterpreterFrame
#include "pycore_opcode.h"        // _PyOpcode_Deopt
#include "pycore_pystate.h"       // _PyThreadState_GET()
#include "pycore_runtime.h"       // _PyRuntime
#include "pycore_sysmodule.h"     // _PySys_Audit()
#include "opcode.h"               // RERAISE
#include <stddef.h>               // offsetof()

/*[clinic input]
module sys
[clinic start generated code]*/
/*[clinic end generated code: output=da39a3ee5e6b4b0d input=3726b388feee8cea]*/

#include "clinic/tracestate.c.h"

/* --- The state -------------------------------------------------------- */

/* Copy the fields that the caller's structure has; others get their
   defaults. */
static int
read_state(const PyTraceState *state, PyTraceState *result)
{
    *result = (PyTraceState)PyTraceState_INIT;
    if (state == NULL) {
        return 0;
    }
    if (state->struct_size < sizeof(state->struct_size)) {
        PyErr_SetString(PyExc_ValueError,
                        "PyTraceState.struct_size is not set: "
                        "initialize it with PyTraceState_INIT");
        return -1;
    }
    memcpy(result, state, Py_MIN(state->struct_size, sizeof(*result)));
    result->struct_size = sizeof(*result);
    return 0;
}

static const unsigned char no_opcodes[256];
static unsigned char all_opcodes[256];      // filled by _PyTraceState_Init()

static _PyTraceFilter *
new_filter(const PyTraceState *state)
{
    _PyTraceFilter *filter = PyMem_RawMalloc(sizeof(*filter));
    if (filter == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    filter->refcount = 1;
    memcpy(filter->bits, state->instruction_filter, sizeof(filter->bits));
    for (int opcode = 0; opcode < 256; opcode++) {
        int base = _PyOpcode_Deopt[opcode];
        filter->opcodes[opcode] =
            _PyTraceFilter_Has(filter, base)
            || base == EXTENDED_ARG || base == _PyOpcode_PROBE;
    }
    return filter;
}

static void
release_filter(_PyTraceFilter *filter)
{
    if (filter != NULL && --filter->refcount == 0) {
        PyMem_RawFree(filter);
    }
}

/* The marks at which the eval loop must stop to record, or to find that the
   recorders have changed. */
static inline uint8_t
recorded_marks(PyThreadState *tstate)
{
    return tstate->rec_changed ? _PyCodeBlocks_INSIDE | _PyCodeBlocks_LEADER
                               : tstate->rec_marks;
}

/* Set the marks and opcodes by which the eval loop recognizes instructions
   that can have events. */
static void
select_instructions(PyThreadState *tstate, int flags)
{
    tstate->inst_marks = _PyCodeBlocks_RESUME | recorded_marks(tstate)
        | (flags & _PyTrace_NO_LINES ? 0 : _PyCodeBlocks_LINE)
        | (flags & _PyTrace_BRANCHES ? _PyCodeBlocks_LEADER : 0);
    tstate->inst_single = recorded_marks(tstate) ? 0
        : flags == (_PyTrace_INSTRUCTIONS | _PyTrace_NO_LINES)
        ? _PyCodeBlocks_INSIDE | _PyCodeBlocks_LEADER
        : flags == (_PyTrace_BRANCHES | _PyTrace_NO_LINES)
        ? _PyCodeBlocks_LEADER
        : flags == 0 && tstate->inst_func == _PyTraceState_Trampoline
        ? _PyCodeBlocks_LINE : 0;
    tstate->inst_opcodes =
        !(flags & _PyTrace_INSTRUCTIONS) ? no_opcodes
        : flags & _PyTrace_FILTER ? tstate->inst_filter->opcodes : all_opcodes;
}

Py_NO_INLINE void
_PyTraceState_Follow(PyThreadState *tstate)
{
    tstate->inst_func = tstate->c_tracefunc;
    tstate->inst_obj = tstate->c_traceobj;
    tstate->inst_tracing =
        tstate->inst_func == tstate->inst_installed_func
        && tstate->inst_obj == tstate->inst_installed_obj
        ? tstate->inst_installed_tracing : 0;
    if (tstate->inst_func != NULL) {
        select_instructions(tstate, tstate->inst_tracing);
    }
    else {
        tstate->inst_marks = _PyCodeBlocks_RESUME | recorded_marks(tstate);
        tstate->inst_single = 0;
        tstate->inst_opcodes = no_opcodes;
    }
}

/* The filter must be one of state->instruction_filter, or NULL. */
static void
store_state(PyThreadState *tstate, Py_tracefunc func, PyObject *obj,
            const PyTraceState *state, _PyTraceFilter *filter)
{
    _PyTraceFilter *old = tstate->inst_filter;
    int flags = 0;
    if (func != NULL) {
        flags = (state->trace_lines ? 0 : _PyTrace_NO_LINES)
                | (state->trace_instructions ? _PyTrace_INSTRUCTIONS : 0)
                | (state->trace_branches ? _PyTrace_BRANCHES : 0)
                | (filter != NULL ? _PyTrace_FILTER : 0);
    }
    if (filter != NULL) {
        filter->refcount++;
    }
    tstate->inst_filter = filter;
    tstate->c_tracefunc = tstate->inst_installed_func = func;
    tstate->c_traceobj = tstate->inst_installed_obj = obj;
    tstate->inst_installed_tracing = flags;
    _PyTraceState_Follow(tstate);
    _PyThreadState_UpdateTracingState(tstate);
    release_filter(old);
}

static void
load_state(PyThreadState *tstate, PyTraceState *state)
{
    _PyTraceState_FollowIfReplaced(tstate);
    int flags = tstate->inst_tracing;
    *state = (PyTraceState)PyTraceState_INIT;
    state->trace_lines = !(flags & _PyTrace_NO_LINES);
    state->trace_instructions = (flags & _PyTrace_INSTRUCTIONS) != 0;
    state->trace_branches = (flags & _PyTrace_BRANCHES) != 0;
    state->filter_instructions = (flags & _PyTrace_FILTER) != 0;
    if (state->filter_instructions) {
        memcpy(state->instruction_filter, tstate->inst_filter->bits,
               sizeof(state->instruction_filter));
    }
}

/* Read the new state, and raise the audit event.  Its hooks must not install
   a trace function.  The caller releases *filter. */
static int
begin_install(PyThreadState *tstate, Py_tracefunc func,
              const PyTraceState *state, PyTraceState *copy,
              _PyTraceFilter **filter)
{
    *filter = NULL;
    if (read_state(state, copy) < 0) {
        return -1;
    }
    if (tstate->inst_installing) {
        PyErr_SetString(PyExc_RuntimeError,
                        "Cannot install a trace function "
                        "while another trace function is being installed");
        return -1;
    }
    tstate->inst_installing = 1;
    if (_PySys_Audit(_PyThreadState_GET(), "sys.settrace", NULL) < 0
        || (func != NULL && copy->filter_instructions
            && (*filter = new_filter(copy)) == NULL))
    {
        tstate->inst_installing = 0;
        return -1;
    }
    return 0;
}

int
_PyTraceState_Install(PyThreadState *tstate, Py_tracefunc func, PyObject *obj,
                      const PyTraceState *state)
{
    PyTraceState copy;
    _PyTraceFilter *filter;
    if (begin_install(tstate, func, state, &copy, &filter) < 0) {
        return -1;
    }

    PyObject *old = tstate->c_traceobj;
    Py_XINCREF(obj);
    // Code that runs when the old object is freed is still profiled.
    store_state(tstate, NULL, NULL, NULL, NULL);
    Py_XDECREF(old);

    // That code may have set the state of all threads.
    old = tstate->c_traceobj;
    store_state(tstate, func, obj, &copy, filter);
    release_filter(filter);
    tstate->inst_installing = 0;
    Py_XDECREF(old);
    return 0;
}

void
_PyTraceState_Clear(PyThreadState *tstate)
{
    PyObject *old = tstate->c_traceobj;
    tstate->inst_cleared = 1;
    tstate->c_tracefunc = tstate->inst_installed_func = NULL;
    tstate->c_traceobj = tstate->inst_installed_obj = NULL;
    _PyTraceState_Follow(tstate);
    release_filter(tstate->inst_filter);
    tstate->inst_filter = NULL;
    Py_XDECREF(old);
    Py_CLEAR(tstate->inst_edge);
}

int
PyEval_SetTraceState(Py_tracefunc func, PyObject *obj,
                     const PyTraceState *state)
{
    return _PyTraceState_Install(_PyThreadState_GET(), func, obj, state);
}

int
PyEval_SetTraceStateAllThreads(Py_tracefunc func, PyObject *obj,
                               const PyTraceState *state)
{
    PyThreadState *current = _PyThreadState_GET();
    PyTraceState copy;
    _PyTraceFilter *filter;
    if (begin_install(current, func, state, &copy, &filter) < 0) {
        return -1;
    }
    current->inst_installing = 0;

    // Between counting the threads and the last store, no code runs that could
    // end one: the old functions are freed afterwards.
    PyThread_type_lock lock = _PyRuntime.interpreters.mutex;
    PyObject **old = NULL;
    Py_ssize_t capacity = 0, count;
    for (;;) {
        PyThread_acquire_lock(lock, WAIT_LOCK);
        count = 0;
        for (PyThreadState *ts = current->interp->threads.head;
             ts != NULL; ts = ts->next)
        {
            count++;
        }
        if (count <= capacity) {
            break;
        }
        PyThread_release_lock(lock);
        capacity = count + 8;
        PyMem_Free(old);
        old = PyMem_New(PyObject *, capacity);
        if (old == NULL) {
            release_filter(filter);
            PyErr_NoMemory();
            return -1;
        }
    }
    count = 0;
    for (PyThreadState *ts = current->interp->threads.head;
         ts != NULL; ts = ts->next)
    {
        if (!ts->inst_cleared) {
            old[count++] = ts->c_traceobj;
            store_state(ts, func, Py_XNewRef(obj), &copy, filter);
        }
    }
    PyThread_release_lock(lock);
    release_filter(filter);

    for (Py_ssize_t i = 0; i < count; i++) {
        Py_XDECREF(old[i]);
    }
    PyMem_Free(old);
    return 0;
}

int
PyEval_GetTraceState(Py_tracefunc *func, PyObject **obj, PyTraceState *state)
{
    PyThreadState *tstate = _PyThreadState_GET();
    PyTraceState copy;
    if (read_state(state, &copy) < 0) {
        return -1;
    }
    if (func != NULL) {
        *func = tstate->c_tracefunc;
    }
    if (obj != NULL) {
        *obj = Py_XNewRef(tstate->c_traceobj);
    }
    if (state != NULL) {
        size_t size = state->struct_size;
        load_state(tstate, &copy);
        memcpy(state, &copy, Py_MIN(size, sizeof(copy)));
        state->struct_size = size;
    }
    return 0;
}


/* --- sys.settrace() and sys.settracestate() ------------------------------ */

PyObject *_PyTraceState_EventNames[PyTrace_BRANCH + 1];

static int
init_event_names(void)
{
    static const char * const names[] = {
        [PyTrace_CALL] = "call",
        [PyTrace_EXCEPTION] = "exception",
        [PyTrace_LINE] = "line",
        [PyTrace_RETURN] = "return",
        [PyTrace_C_CALL] = "c_call",
        [PyTrace_C_EXCEPTION] = "c_exception",
        [PyTrace_C_RETURN] = "c_return",
        [PyTrace_OPCODE] = "opcode",
        [PyTrace_INSTRUCTION] = "instruction",
        [PyTrace_BRANCH] = "branch",
    };
    Py_BUILD_ASSERT(Py_ARRAY_LENGTH(names)
                    == Py_ARRAY_LENGTH(_PyTraceState_EventNames));
    for (size_t i = 0; i < Py_ARRAY_LENGTH(names); i++) {
        PyObject **name = &_PyTraceState_EventNames[i];
        if (*name == NULL) {
            *name = PyUnicode_FromString(names[i]);
            if (*name == NULL) {
                return -1;
            }
        }
        // They must be interned again when Python is initialized again.
        PyUnicode_InternInPlace(name);
    }
    return 0;
}

PyObject *
_PyTraceState_SetTrace(PyObject *func)
{
    PyThreadState *tstate = _PyThreadState_GET();
    int err = Py_IsNone(func)
              ? _PyEval_SetTrace(tstate, NULL, NULL)
              : _PyEval_SetTrace(tstate, _PyTraceState_Trampoline, func);
    if (err < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Return the name of a trace function, for people.  Its repr() could run any
   code. */
static PyObject *
name_tracefunc(PyObject *func)
{
    if (PyMethod_Check(func)) {
        func = PyMethod_GET_FUNCTION(func);
    }
    PyTypeObject *type = Py_TYPE(func);
    PyObject *module, *name;
    const char *format = "%U.%U()";
    if (PyFunction_Check(func)) {
        module = ((PyFunctionObject *)func)->func_module;
        name = Py_NewRef(((PyFunctionObject *)func)->func_qualname);
    }
    else if (PyCFunction_Check(func)) {
        PyCFunctionObject *builtin = (PyCFunctionObject *)func;
        module = builtin->m_module;
        name = PyUnicode_FromString(builtin->m_ml->ml_name);
    }
    else if (type->tp_flags & Py_TPFLAGS_HEAPTYPE) {
        format = "<%U.%U object>";
        module = PyDict_GetItemWithError(type->tp_dict, &_Py_ID(__module__));
        name = PyErr_Occurred()
               ? NULL : Py_NewRef(((PyHeapTypeObject *)type)->ht_qualname);
    }
    else {
        return PyUnicode_FromFormat("<%s object>", type->tp_name);
    }
    if (name == NULL) {
        return NULL;
    }
    if (module == NULL || !PyUnicode_Check(module)) {
        module = &_Py_STR(anon_unknown);
    }
    PyObject *result = PyUnicode_FromFormat(format, module, name);
    Py_DECREF(name);
    return result;
}

/* Raise the exception of 'module'.gettrace() for a state with flags. */
static void
raise_lost_flags(PyObject *func, const char *module)
{
    PyObject *name = name_tracefunc(func);
    if (name != NULL) {
        PyErr_Format(PyExc_RuntimeError,
                     "%s.gettrace() would lose the flags that were set with "
                     "the trace function %U: use saved = %s.gettracestate() "
                     "and %s.settracestate(**saved)",
                     module, name, module, module);
        Py_DECREF(name);
    }
}

PyObject *
_PyTraceState_GetTrace(void)
{
    PyThreadState *tstate = _PyThreadState_GET();
    _PyTraceState_FollowIfReplaced(tstate);
    PyObject *func = tstate->c_traceobj;
    func = Py_NewRef(func != NULL ? func : Py_None);
    if (tstate->inst_tracing != 0) {
        raise_lost_flags(func, "sys");
        Py_DECREF(func);
        return NULL;
    }
    return func;
}

static int
filter_from_iterable(PyObject *iterable, PyTraceState *state)
{
    if (Py_IsNone(iterable)) {
        return 0;
    }
    PyObject *iterator = PyObject_GetIter(iterable);
    if (iterator == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError,
                         "instruction_filter must be an iterable of opcodes "
                         "or None, not %.200s", Py_TYPE(iterable)->tp_name);
        }
        return -1;
    }
    state->filter_instructions = 1;
    PyObject *item;
    while ((item = PyIter_Next(iterator)) != NULL) {
        // Larger integers are clipped to values that are out of range, too.
        Py_ssize_t opcode = PyNumber_AsSsize_t(item, NULL);
        if (opcode == -1 && PyErr_Occurred()) {
            if (PyErr_ExceptionMatches(PyExc_TypeError)) {
                PyErr_Format(PyExc_TypeError,
                             "instruction_filter: an opcode must be "
                             "an integer, not %.200s",
                             Py_TYPE(item)->tp_name);
            }
        }
        else if (opcode < 0 || opcode > 255) {
            PyErr_Format(PyExc_ValueError,
                         "instruction_filter: an opcode must be "
                         "in range(256), not %R", item);
        }
        Py_DECREF(item);
        if (PyErr_Occurred()) {
            break;
        }
        PyTraceState_FILTER_ADD(state, opcode);
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : 0;
}

/* Return the filter as a frozenset, or None if there is none. */
static PyObject *
filter_as_frozenset(const PyTraceState *state)
{
    if (!state->filter_instructions) {
        Py_RETURN_NONE;
    }
    PyObject *result = PyFrozenSet_New(NULL);
    for (int opcode = 0; result != NULL && opcode < 256; opcode++) {
        if (PyTraceState_FILTER_HAS(state, opcode)) {
            PyObject *item = PyLong_FromLong(opcode);
            if (item == NULL || PySet_Add(result, item) < 0) {
                Py_CLEAR(result);
            }
            Py_XDECREF(item);
        }
    }
    return result;
}

static PyObject *
state_as_dict(PyObject *tracefunc, const PyTraceState *state)
{
    PyObject *filter = filter_as_frozenset(state);
    if (filter == NULL) {
        return NULL;
    }
#define BOOL(FIELD) state->FIELD ? Py_True : Py_False
    return Py_BuildValue("{sOsOsOsOsN}",
                         "tracefunc", tracefunc,
                         "trace_lines", BOOL(trace_lines),
                         "trace_instructions", BOOL(trace_instructions),
                         "trace_branches", BOOL(trace_branches),
                         "instruction_filter", filter);
#undef BOOL
}

static PyObject *
set_python_state(int (*set)(Py_tracefunc, PyObject *, const PyTraceState *),
                 PyObject *tracefunc, const PyTraceState *state)
{
    int err = Py_IsNone(tracefunc)
              ? set(NULL, NULL, NULL)
              : set(_PyTraceState_Trampoline, tracefunc, state);
    if (err < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}


/* --- All threads --------------------------------------------------------- */

/* The variables of the threading module with the state for threads that it
   starts later: the function, and a dict of the other items of
   sys.gettracestate(). */
enum { HOOK, FLAGS, NVARS };

typedef struct {
    PyObject *dict;             // of the module
    PyObject *names[NVARS];
} threading_vars;

static void
release_threading(threading_vars *vars)
{
    Py_XDECREF(vars->dict);
    Py_XDECREF(vars->names[HOOK]);
    Py_XDECREF(vars->names[FLAGS]);
}

static int
find_threading(threading_vars *vars)
{
    PyObject *module = PyImport_ImportModule("threading");
    vars->dict = module == NULL ? NULL : PyObject_GenericGetDict(module, NULL);
    vars->names[HOOK] = PyUnicode_InternFromString("_trace_hook");
    vars->names[FLAGS] = PyUnicode_InternFromString("_trace_flags");
    Py_XDECREF(module);
    if (vars->dict == NULL || vars->names[HOOK] == NULL
        || vars->names[FLAGS] == NULL)
    {
        release_threading(vars);
        return -1;
    }
    return 0;
}

/* Exchange the variables with 'values', which are references.  This cannot
   fail for lack of memory, because the names are in the dict. */
static int
swap_threading(threading_vars *vars, PyObject **values)
{
    PyObject *old[NVARS];
    for (int i = 0; i < NVARS; i++) {
        old[i] = PyDict_GetItemWithError(vars->dict, vars->names[i]);
        if (old[i] == NULL) {
            PyErr_SetObject(PyExc_AttributeError, vars->names[i]);
            return -1;
        }
    }
    for (int i = 0; i < NVARS; i++) {
        Py_INCREF(old[i]);
        if (PyDict_SetItem(vars->dict, vars->names[i], values[i]) < 0) {
            Py_DECREF(old[i]);
            return -1;
        }
        Py_SETREF(values[i], old[i]);
    }
    return 0;
}

/* Like PyEval_SetTraceStateAllThreads(), and also for threads that the
   threading module starts later, which call obj as a Python trace function.
   On error, no state changes. */
static int
install_all_threads(Py_tracefunc func, PyObject *obj,
                    const PyTraceState *state)
{
    threading_vars vars;
    PyTraceState copy;
    if (read_state(func == NULL ? NULL : state, &copy) < 0
        || find_threading(&vars) < 0)
    {
        return -1;
    }
    PyObject *values[NVARS] = {
        Py_NewRef(func == NULL ? Py_None : obj), state_as_dict(Py_None, &copy)
    };
    int err = -1;
    if (values[FLAGS] != NULL
        && PyDict_DelItemString(values[FLAGS], "tracefunc") == 0
        && swap_threading(&vars, values) == 0)
    {
        err = PyEval_SetTraceStateAllThreads(func, obj, &copy);
        if (err < 0) {
            PyObject *type, *value, *traceback;
            PyErr_Fetch(&type, &value, &traceback);
            (void)swap_threading(&vars, values);
            PyErr_Restore(type, value, traceback);
        }
    }
    release_threading(&vars);
    Py_DECREF(values[HOOK]);
    Py_XDECREF(values[FLAGS]);
    return err;
}


/* --- The functions of sys ------------------------------------------------ */

/* Convert the parameters of the functions below. */
static int
make_state(PyTraceState *state, int trace_lines, int trace_instructions,
           int trace_branches, PyObject *instruction_filter)
{
    *state = (PyTraceState)PyTraceState_INIT;
    state->trace_lines = trace_lines;
    state->trace_instructions = trace_instructions;
    state->trace_branches = trace_branches;
    return filter_from_iterable(instruction_filter, state);
}

/*[clinic input]
sys.settracestate

    tracefunc: object
        The global trace function, as for sys.settrace(), or None.
    *
    trace_lines: bool = True
        Call it for 'line' events.
    trace_instructions: bool = False
        Call it for 'instruction' events: before each bytecode instruction
        that has no 'line' event.  The argument is the byte offset of the
        instruction that the frame executed before.
    trace_branches: bool = False
        Call it for 'branch' events: before the first instruction of each
        basic block.  The argument is a tuple of the offset of the instruction
        that the frame executed before, or -1, and the offset of this one.
    instruction_filter: object = None
        An iterable of the opcodes, as in dis.opmap, that have 'instruction'
        events.  None: all opcodes.

Set the trace function of the current thread and the events it receives.

sys.settracestate(f) is the same as sys.settrace(f).  If tracefunc is None,
switch tracing off and reset all flags.  Raises the auditing event
sys.settrace.

To save and restore the whole state:

    saved = sys.gettracestate()
    ...
    sys.settracestate(**saved)
[clinic start generated code]*/

static PyObject *
sys_settracestate_impl(PyObject *module, PyObject *tracefunc,
                       int trace_lines, int trace_instructions,
                       int trace_branches, PyObject *instruction_filter)
/*[clinic end generated code: output=0e3a840ec99b5917 input=989a6b1ad8c05feb]*/
{
    PyTraceState state;
    if (make_state(&state, trace_lines, trace_instructions, trace_branches,
                   instruction_filter) < 0)
    {
        return NULL;
    }
    return set_python_state(PyEval_SetTraceState, tracefunc, &state);
}

/*[clinic input]
sys._settracestate_all_threads

    tracefunc: object
    *
    trace_lines: bool = True
    trace_instructions: bool = False
    trace_branches: bool = False
    instruction_filter: object = None

Implement threading.settracestate_all_threads().
[clinic start generated code]*/

static PyObject *
sys__settracestate_all_threads_impl(PyObject *module, PyObject *tracefunc,
                                    int trace_lines, int trace_instructions,
                                    int trace_branches,
                                    PyObject *instruction_filter)
/*[clinic end generated code: output=9821fe5298115e32 input=0d3d2f36733c4512]*/
{
    PyTraceState state;
    if (make_state(&state, trace_lines, trace_instructions, trace_branches,
                   instruction_filter) < 0)
    {
        return NULL;
    }
    return set_python_state(install_all_threads, tracefunc, &state);
}

/*[clinic input]
sys._make_tracestate

    tracefunc: object
    *
    trace_lines: bool = True
    trace_instructions: bool = False
    trace_branches: bool = False
    instruction_filter: object = None

Return what sys.gettracestate() would return after setting this state.
[clinic start generated code]*/

static PyObject *
sys__make_tracestate_impl(PyObject *module, PyObject *tracefunc,
                          int trace_lines, int trace_instructions,
                          int trace_branches, PyObject *instruction_filter)
/*[clinic end generated code: output=c74414e054835a4b input=85de24e11cb4f6cc]*/
{
    PyTraceState state;
    if (make_state(&state, trace_lines, trace_instructions, trace_branches,
                   instruction_filter) < 0)
    {
        return NULL;
    }
    if (Py_IsNone(tracefunc)) {
        state = (PyTraceState)PyTraceState_INIT;
    }
    return state_as_dict(tracefunc, &state);
}

/*[clinic input]
sys._raise_lost_flags

    tracefunc: object
    /

Raise the exception of threading.gettrace() for a state with flags.
[clinic start generated code]*/

static PyObject *
sys__raise_lost_flags(PyObject *module, PyObject *tracefunc)
/*[clinic end generated code: output=951219e0818c803a input=3e654e970457be7f]*/
{
    raise_lost_flags(tracefunc, "threading");
    return NULL;
}

/*[clinic input]
sys.gettracestate

Return the trace state of the current thread.

It is a dict of the arguments of sys.settracestate():

    tracefunc           the trace function, or None
    trace_lines         bool
    trace_instructions  bool
    trace_branches      bool
    instruction_filter  frozenset of int, or None
[clinic start generated code]*/

static PyObject *
sys_gettracestate_impl(PyObject *module)
/*[clinic end generated code: output=bf5f728331b16100 input=ac4017910884c64b]*/
{
    PyThreadState *tstate = _PyThreadState_GET();
    PyTraceState state;
    load_state(tstate, &state);
    // Owned, because making the dict may run the garbage collector.
    PyObject *func = tstate->c_traceobj;
    func = Py_NewRef(func != NULL ? func : Py_None);
    PyObject *result = state_as_dict(func, &state);
    Py_DECREF(func);
    return result;
}

/*[clinic input]
sys._getcodeleaders

    code: object(subclass_of="&PyCode_Type", type="PyCodeObject *")
    /

Return the byte offsets at which the basic blocks of a code object start.

A tuple in ascending order, beginning with the code's first RESUME.  See the
codeblocks module.
[clinic start generated code]*/

static PyObject *
sys__getcodeleaders_impl(PyObject *module, PyCodeObject *code)
/*[clinic end generated code: output=5a81d8421fbda865 input=787d7319df1e7455]*/
{
    const _PyCodeBlocks *blocks = _PyCodeBlocks_Get(code);
    if (blocks == NULL) {
        return NULL;
    }
    PyObject *list = PyList_New(0);
    for (int unit = 0; list != NULL && unit < blocks->size; unit++) {
        if (blocks->units[unit] & _PyCodeBlocks_LEADER) {
            PyObject *offset = PyLong_FromLong(_PyTraceState_OFFSET(unit));
            if (offset == NULL || PyList_Append(list, offset) < 0) {
                Py_CLEAR(list);
            }
            Py_XDECREF(offset);
        }
    }
    if (list == NULL) {
        return NULL;
    }
    PyObject *result = PyList_AsTuple(list);
    Py_DECREF(list);
    return result;
}

static PyMethodDef sys_methods[] = {
    SYS_SETTRACESTATE_METHODDEF
    SYS__SETTRACESTATE_ALL_THREADS_METHODDEF
    SYS__MAKE_TRACESTATE_METHODDEF
    SYS__RAISE_LOST_FLAGS_METHODDEF
    SYS_GETTRACESTATE_METHODDEF
    SYS__GETCODELEADERS_METHODDEF
    {NULL, NULL}
};

/* tests/test_fused_opcodes.py compares these lists with Python/ceval.c. */

/* Specialized instructions that execute the next one, too.  A trace function
   cannot see a difference, except that the calls among them use less of the
   recursion limit, as in untraced code. */
static const uint8_t fused[] = {
    BINARY_OP_INPLACE_ADD_UNICODE,
    COMPARE_OP_FLOAT_JUMP,
    COMPARE_OP_INT_JUMP,
    COMPARE_OP_STR_JUMP,
    LOAD_FAST__LOAD_CONST,
    PRECALL_BUILTIN_CLASS,
    PRECALL_BUILTIN_FAST_WITH_KEYWORDS,
    PRECALL_METHOD_DESCRIPTOR_FAST_WITH_KEYWORDS,
    PRECALL_NO_KW_BUILTIN_FAST,
    PRECALL_NO_KW_BUILTIN_O,
    PRECALL_NO_KW_ISINSTANCE,
    PRECALL_NO_KW_LEN,
    PRECALL_NO_KW_METHOD_DESCRIPTOR_FAST,
    PRECALL_NO_KW_METHOD_DESCRIPTOR_NOARGS,
    PRECALL_NO_KW_METHOD_DESCRIPTOR_O,
    PRECALL_NO_KW_STR_1,
    PRECALL_NO_KW_TUPLE_1,
    PRECALL_NO_KW_TYPE_1,
};

/* Those that a traced thread does not execute. */
static const uint8_t never_fused[] = {
    // The second half may raise or run a finalizer while f_lasti is at the
    // first.
    LOAD_CONST__LOAD_FAST,
    LOAD_FAST__LOAD_FAST,
    STORE_FAST__LOAD_FAST,
    STORE_FAST__STORE_FAST,
    // Executes three instructions.
    PRECALL_NO_KW_LIST_APPEND,
};

/* Others that a traced thread does not execute. */
static const uint8_t never_traced[] = {
    // Enters a function without a CALL.
    BINARY_SUBSCR_GETITEM,
    // Its instruction may be one of the others.
    EXTENDED_ARG_QUICK,
    // Not fused, but code that looks for a RESUME must see RESUME.
    RESUME_QUICK,
};

uint8_t _PyTraceState_Fused[256];
uint8_t _PyTraceState_HasFused[256];

static void
init_fused(void)
{
    for (size_t i = 0; i < Py_ARRAY_LENGTH(fused); i++) {
        int base = _PyOpcode_Deopt[fused[i]];
        _PyTraceState_Fused[fused[i]] = 1 + _PyOpcode_Caches[base];
        _PyTraceState_HasFused[base] = 1;
    }
    for (size_t i = 0; i < Py_ARRAY_LENGTH(never_fused); i++) {
        _PyTraceState_Fused[never_fused[i]] = _PyTraceState_NEVER_FUSED;
        _PyTraceState_HasFused[_PyOpcode_Deopt[never_fused[i]]] = 1;
    }
    for (size_t i = 0; i < Py_ARRAY_LENGTH(never_traced); i++) {
        _PyTraceState_Fused[never_traced[i]] = _PyTraceState_NEVER_FUSED;
    }
}

int
_PyTraceState_Init(PyObject *sysmod)
{
    init_fused();
    memset(all_opcodes, 1, sizeof(all_opcodes));
    if (init_event_names() < 0 || _PyCodeBlocks_Init() < 0) {
        return -1;
    }
    return PyModule_AddFunctions(sysmod, sys_methods);
}

void
_PyTraceState_Fini(PyInterpreterState *interp)
{
    if (!_Py_IsMainInterpreter(interp)) {
        return;
    }
    for (size_t i = 0; i < Py_ARRAY_LENGTH(_PyTraceState_EventNames); i++) {
        Py_CLEAR(_PyTraceState_EventNames[i]);
    }
}
