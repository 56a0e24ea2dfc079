/* The trace state of a thread, and the events that it adds to sys.settrace().

   What a thread is traced for is PyThreadState.inst_tracing beside c_tracefunc
   and c_traceobj.  The eval loop calls _PyTraceState_Instruction() only when
   that is not 0: a thread without a trace function, or with one that
   sys.settrace() installed, never comes here. */

#include "Python.h"
#include "pycore_tracestate.h"
#include "pycore_ceval.h"         // _PyEval_SetTrace()
#include "pycore_code.h"          // _PyCode_LineNumberFromArray()
#include "pycore_codeblocks.h"
#include "pycore_frame.h"         // _PyInterpreterFrame
#include "pycore_opcode.h"        // _PyOpcode_Deopt
#include "pycore_pystate.h"       // _PyThreadState_GET()
#include "pycore_runtime.h"       // _PyRuntime
#include "pycore_sysmodule.h"     // _PySys_Audit()
#include "frameobject.h"          // PyFrame_FastToLocalsWithError()
#include "opcode.h"               // RERAISE
#include <stddef.h>               // offsetof()

/*[clinic input]
module sys
[clinic start generated code]*/
/*[clinic end generated code: output=da39a3ee5e6b4b0d input=3726b388feee8cea]*/

#include "clinic/tracestate.c.h"

#define UNIT_TO_OFFSET(unit) ((unit) * (int)sizeof(_Py_CODEUNIT))


/* --- The state -------------------------------------------------------- */

/* What the caller's structure says, whatever fields it knows. */
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

static inline int
in_filter(PyThreadState *tstate, int opcode)
{
    return (tstate->inst_filter[opcode >> 3] >> (opcode & 7)) & 1;
}

/* For _PyTraceState_Skip(): what an instruction must be marked with, or which
   opcode it must have, to be looked at. */
static void
prepare_skip(PyThreadState *tstate, int flags)
{
    int filtered = flags & _PyTrace_FILTER;
    if (flags == 0 || ((flags & _PyTrace_INSTRUCTIONS) && !filtered)) {
        return;                 // every instruction
    }
    tstate->inst_marks = _PyCodeBlocks_RESUME
        | (flags & _PyTrace_NO_LINES ? 0 : _PyCodeBlocks_LINE)
        | (flags & _PyTrace_BRANCHES ? _PyCodeBlocks_LEADER : 0);
    for (int opcode = 0; opcode < 256; opcode++) {
        // The specialized forms stand in the code too.
        int base = _PyOpcode_Deopt[opcode];
        tstate->inst_opcodes[opcode] =
            (flags & _PyTrace_INSTRUCTIONS)
            && (in_filter(tstate, base) || base == EXTENDED_ARG);
    }
}

static void
store_state(PyThreadState *tstate, Py_tracefunc func, PyObject *obj,
            const PyTraceState *state)
{
    int flags = 0;
    tstate->inst_marks = 0;
    if (func != NULL) {
        flags = (state->trace_lines ? 0 : _PyTrace_NO_LINES)
                | (state->trace_instructions ? _PyTrace_INSTRUCTIONS : 0)
                | (state->trace_branches ? _PyTrace_BRANCHES : 0)
                | (state->filter_instructions ? _PyTrace_FILTER : 0);
        memcpy(tstate->inst_filter, state->instruction_filter,
               sizeof(tstate->inst_filter));
        prepare_skip(tstate, flags);
    }
    tstate->c_tracefunc = func;
    tstate->c_traceobj = obj;
    tstate->inst_tracing = flags;
    _PyThreadState_UpdateTracingState(tstate);
}

static void
load_state(PyThreadState *tstate, PyTraceState *state)
{
    int flags = tstate->inst_tracing;
    *state = (PyTraceState)PyTraceState_INIT;
    state->trace_lines = !(flags & _PyTrace_NO_LINES);
    state->trace_instructions = (flags & _PyTrace_INSTRUCTIONS) != 0;
    state->trace_branches = (flags & _PyTrace_BRANCHES) != 0;
    state->filter_instructions = (flags & _PyTrace_FILTER) != 0;
    if (state->filter_instructions) {
        memcpy(state->instruction_filter, tstate->inst_filter,
               sizeof(state->instruction_filter));
    }
}

/* Ask the audit hooks, which must not install a trace function themselves. */
static int
begin_install(PyThreadState *tstate)
{
    if (tstate->inst_installing) {
        PyErr_SetString(PyExc_RuntimeError,
                        "Cannot install a trace function "
                        "while another trace function is being installed");
        return -1;
    }
    tstate->inst_installing = 1;
    if (_PySys_Audit(_PyThreadState_GET(), "sys.settrace", NULL) < 0) {
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
    if (read_state(state, &copy) < 0 || begin_install(tstate) < 0) {
        return -1;
    }

    PyObject *old = tstate->c_traceobj;
    Py_XINCREF(obj);
    // Profiling goes on, should this free the old object.
    store_state(tstate, NULL, NULL, NULL);
    Py_XDECREF(old);

    // Whatever that ran may have set the state of all threads.
    old = tstate->c_traceobj;
    store_state(tstate, func, obj, &copy);
    tstate->inst_installing = 0;
    Py_XDECREF(old);
    return 0;
}

void
_PyTraceState_Clear(PyThreadState *tstate)
{
    tstate->inst_tracing = 0;
    tstate->inst_marks = 0;
    tstate->c_tracefunc = NULL;
    Py_CLEAR(tstate->c_traceobj);
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
    if (read_state(state, &copy) < 0 || begin_install(current) < 0) {
        return -1;
    }
    current->inst_installing = 0;

    // Between counting the threads and the last store nothing runs that could
    // end one: what the old functions free, they free afterwards.
    PyThread_type_lock lock = _PyRuntime.interpreters.mutex;
    PyObject **old = NULL;
    Py_ssize_t capacity = 0, count;
    for (;;) {
        PyThread_acquire_lock(lock, WAIT_LOCK);
        count = 0;
        for (PyThreadState *ts = current->interp->threads.head;
             ts != NULL; ts = ts->next) {
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
            PyErr_NoMemory();
            return -1;
        }
    }
    count = 0;
    for (PyThreadState *ts = current->interp->threads.head;
         ts != NULL; ts = ts->next)
    {
        old[count++] = ts->c_traceobj;
        store_state(ts, func, Py_XNewRef(obj), &copy);
    }
    PyThread_release_lock(lock);

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


/* --- The trace functions of sys.settrace() and sys.settracestate() ----- */

static PyObject *event_names[PyTrace_BRANCH + 1];

static int
init_event_names(void)
{
    static const char * const names[Py_ARRAY_LENGTH(event_names)] = {
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
    for (size_t i = 0; i < Py_ARRAY_LENGTH(names); i++) {
        if (event_names[i] == NULL) {
            event_names[i] = PyUnicode_FromString(names[i]);
            if (event_names[i] == NULL) {
                return -1;
            }
        }
        // Again when Python is initialized again.
        PyUnicode_InternInPlace(&event_names[i]);
    }
    return 0;
}

/* Call a Python function with three arguments, none of them by name: what
   _PyFunction_Vectorcall() does, without looking at how many it was given. */
static PyObject *
call_function(PyThreadState *tstate, PyFunctionObject *func,
              PyObject *const *args)
{
    PyCodeObject *code = (PyCodeObject *)func->func_code;
    size_t size = code->co_nlocalsplus + code->co_stacksize
                  + FRAME_SPECIALS_SIZE;
    _PyInterpreterFrame *frame = _PyThreadState_BumpFramePointer(tstate, size);
    if (frame == NULL) {
        return PyErr_NoMemory();
    }
    _PyFrame_InitializeSpecials(frame, (PyFunctionObject *)Py_NewRef(func),
                                NULL, code->co_nlocalsplus);
    for (int i = 0; i < 3; i++) {
        frame->localsplus[i] = Py_NewRef(args[i]);
    }
    for (int i = 3; i < code->co_nlocalsplus; i++) {
        frame->localsplus[i] = NULL;
    }
    PyObject *result = _PyEval_EvalFrame(tstate, frame, 0);
    tstate->recursion_remaining--;
    _PyFrame_Clear(frame);
    tstate->recursion_remaining++;
    _PyThreadState_PopFrame(tstate, frame);
    return result;
}

static inline int
takes_three_arguments(PyFunctionObject *func)
{
    PyCodeObject *code = (PyCodeObject *)func->func_code;
    const int flags = CO_OPTIMIZED | CO_NEWLOCALS | CO_VARARGS | CO_VARKEYWORDS
                      | CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR;
    return code->co_argcount == 3 && code->co_kwonlyargcount == 0
           && (code->co_flags & flags) == (CO_OPTIMIZED | CO_NEWLOCALS)
           && func->vectorcall == _PyFunction_Vectorcall;
}

/* callback(frame, event, arg); its result becomes the local trace function. */
static int
call_callback(PyThreadState *tstate, PyObject *callback, PyFrameObject *frame,
              int what, PyObject *arg)
{
    // What runs from here on may delete frame.f_trace.
    Py_INCREF(callback);
    /* Discard any previous modifications of the frame's fast locals. */
    if (frame->f_fast_as_locals && PyFrame_FastToLocalsWithError(frame) < 0) {
        Py_DECREF(callback);
        goto error;
    }
    // A method puts its self before the arguments.
    PyObject *stack[4] = {
        NULL, (PyObject *)frame, event_names[what], arg != NULL ? arg : Py_None,
    };
    PyObject *result;
    if (PyFunction_Check(callback)
        && takes_three_arguments((PyFunctionObject *)callback))
    {
        result = call_function(tstate, (PyFunctionObject *)callback, stack + 1);
    }
    else {
        result = PyObject_Vectorcall(callback, stack + 1,
                                     3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    Py_DECREF(callback);
    if (frame->f_fast_as_locals) {
        PyFrame_LocalsToFast(frame, 1);
    }
    if (result == NULL) {
        PyTraceBack_Here(frame);
        goto error;
    }
    if (result != Py_None && result != frame->f_trace) {
        Py_XSETREF(frame->f_trace, result);
    }
    else {
        Py_DECREF(result);
    }
    return 0;

error:
    _PyEval_SetTrace(tstate, NULL, NULL);
    Py_CLEAR(frame->f_trace);
    return -1;
}

int
_PyTraceState_Trampoline(PyObject *self, PyFrameObject *frame, int what,
                         PyObject *arg)
{
    PyObject *callback = (what == PyTrace_CALL) ? self : frame->f_trace;
    if (callback == NULL) {
        return 0;
    }
    return call_callback(_PyThreadState_GET(), callback, frame, what, arg);
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

PyObject *
_PyTraceState_GetTrace(void)
{
    PyThreadState *tstate = _PyThreadState_GET();
    if (tstate->inst_tracing != 0) {
        PyErr_SetString(PyExc_RuntimeError,
                        "the trace state is more than a function: "
                        "use sys.gettracestate() and sys.settracestate()");
        return NULL;
    }
    PyObject *func = tstate->c_traceobj;
    return Py_NewRef(func != NULL ? func : Py_None);
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
        // What does not fit a Py_ssize_t is clipped, and so out of range too.
        Py_ssize_t opcode = PyNumber_AsSsize_t(item, NULL);
        if (opcode == -1 && PyErr_Occurred()) {
            if (PyErr_ExceptionMatches(PyExc_TypeError)) {
                PyErr_Format(PyExc_TypeError,
                             "instruction_filter: an opcode must be an integer, "
                             "not %.200s", Py_TYPE(item)->tp_name);
            }
        }
        else if (opcode < 0 || opcode > 255) {
            PyErr_Format(PyExc_ValueError,
                         "instruction_filter: an opcode must be in range(256), "
                         "not %R", item);
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

/* None without a filter. */
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

/* The parameters of the functions below. */
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
        Call it for 'instruction' events: before every bytecode instruction
        that no 'line' event announces, with the byte offset of the
        instruction that the frame executed before as the argument.
    trace_branches: bool = False
        Call it for 'branch' events: before the first instruction of every
        basic block, with a tuple of the offset of the instruction that the
        frame executed before, or -1, and the offset of this one.
    instruction_filter: object = None
        An iterable of opcodes, as in dis.opmap: only these have an
        'instruction' event.  None: all of them.

Set what the current thread is traced for, and by which function.

What is not given takes its default: sys.settracestate(f) is sys.settrace(f).
With None as the function tracing is switched off and every flag reset.
Raises the auditing event sys.settrace.

To save and restore the whole state:

    saved = sys.gettracestate()
    ...
    sys.settracestate(**saved)
[clinic start generated code]*/

static PyObject *
sys_settracestate_impl(PyObject *module, PyObject *tracefunc,
                       int trace_lines, int trace_instructions,
                       int trace_branches, PyObject *instruction_filter)
/*[clinic end generated code: output=0e3a840ec99b5917 input=70c658922b2277e4]*/
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

Do sys.settracestate() for every thread of the interpreter.

See threading.settracestate_all_threads().
[clinic start generated code]*/

static PyObject *
sys__settracestate_all_threads_impl(PyObject *module, PyObject *tracefunc,
                                    int trace_lines, int trace_instructions,
                                    int trace_branches,
                                    PyObject *instruction_filter)
/*[clinic end generated code: output=9821fe5298115e32 input=232e78d2cff33eec]*/
{
    PyTraceState state;
    if (make_state(&state, trace_lines, trace_instructions, trace_branches,
                   instruction_filter) < 0)
    {
        return NULL;
    }
    return set_python_state(PyEval_SetTraceStateAllThreads, tracefunc, &state);
}

/*[clinic input]
sys._make_tracestate

    tracefunc: object
    *
    trace_lines: bool = True
    trace_instructions: bool = False
    trace_branches: bool = False
    instruction_filter: object = None

Return what sys.gettracestate() returns after sys.settracestate() with these arguments.
[clinic start generated code]*/

static PyObject *
sys__make_tracestate_impl(PyObject *module, PyObject *tracefunc,
                          int trace_lines, int trace_instructions,
                          int trace_branches, PyObject *instruction_filter)
/*[clinic end generated code: output=c74414e054835a4b input=67422301cfaeb29d]*/
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
sys.gettracestate

Return the trace state of the current thread: a dict of sys.settracestate()'s parameters.

    tracefunc           the trace function, or None
    trace_lines         bool
    trace_instructions  bool
    trace_branches      bool
    instruction_filter  frozenset of int, or None
[clinic start generated code]*/

static PyObject *
sys_gettracestate_impl(PyObject *module)
/*[clinic end generated code: output=bf5f728331b16100 input=d61353315ff09910]*/
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
            PyObject *offset = PyLong_FromLong(UNIT_TO_OFFSET(unit));
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
    SYS_GETTRACESTATE_METHODDEF
    SYS__GETCODELEADERS_METHODDEF
    {NULL, NULL}
};

int
_PyTraceState_Init(PyObject *sysmod)
{
    if (init_event_names() < 0 || _PyCodeBlocks_Init() < 0) {
        return -1;
    }
    return PyModule_AddFunctions(sysmod, sys_methods);
}


/* --- Events ------------------------------------------------------------ */

/* Is the instruction at 'start' a jump back, which checks for signals and other
   pending work after it has jumped? */
static inline int
is_backward_jump(PyCodeObject *code, int start)
{
    int target = _PyCodeBlocks_Target(code, start);
    return target >= 0 && target <= start;
}

/* The first code unit of the instruction that the frame executed before the one
   at 'unit', which starts a basic block; -1 if it executed none.

   frame->prev_instr, here instr_prev, is the record that CPython keeps, and
   tells as much except in the cases below.  'raised' is where the eval loop
   looked for a handler, if it came here so, or -1. */
static int
previous_of_leader(PyCodeObject *code, const _PyCodeBlocks *blocks, int unit,
                   int instr_prev, int raised)
{
    if (instr_prev < code->_co_firsttraceable) {
        return -1;
    }
    int prev = _PyCodeBlocks_Start(blocks, instr_prev);
    if (raised < 0 && prev == instr_prev) {
        // The most frequent ones, without looking any further.
        switch (_Py_OPCODE(_PyCode_CODE(code)[prev])) {
            case POP_JUMP_FORWARD_IF_FALSE:
            case POP_JUMP_FORWARD_IF_TRUE:
            case POP_JUMP_BACKWARD_IF_FALSE:
            case POP_JUMP_BACKWARD_IF_TRUE:
            case JUMP_FORWARD:
            case JUMP_BACKWARD:
            case FOR_ITER:
                return prev;
        }
    }
    if (raised >= 0) {
        /* RERAISE sets prev_instr to the instruction that raised first.  (A
           jump back that is interrupted raises at the unit before its target,
           whatever stands there.) */
        int start = _PyCodeBlocks_Start(blocks, raised);
        if (_Py_OPCODE(_PyCode_CODE(code)[start]) == RERAISE &&
            !(is_backward_jump(code, prev) &&
              _PyCodeBlocks_Target(code, prev) == raised + 1))
        {
            return start;
        }
    }
    int operation = _PyCodeBlocks_Operation(code, prev);
    int opcode = _PyOpcode_Deopt[_Py_OPCODE(_PyCode_CODE(code)[operation])];
    if (opcode == JUMP_BACKWARD_NO_INTERRUPT) {
        /* throw() has ended a 'yield from' or 'await' and moved prev_instr past
           the loop of SEND, YIELD_VALUE, RESUME and this instruction. */
        int send = _PyCodeBlocks_Target(code, prev);
        return (0 <= send && send < prev && send != unit) ? send + 1 : prev;
    }
    if (raised < 0 && (opcode == COMPARE_OP || opcode == PRECALL
                       || opcode == STORE_FAST))
    {
        /* A specialized one has executed what comes after it too.  (Others do
           as well, but they run no code that could begin to trace.) */
        int second = operation + 1 + _PyOpcode_Caches[opcode];
        if (second != unit && second < blocks->size) {
            return second;
        }
    }
    return prev;
}

/* The same for any instruction.  One that does not start a basic block follows
   the one that stands before it, however specialized that is. */
static inline int
previous_unit(PyCodeObject *code, const _PyCodeBlocks *blocks, int unit,
              int instr_prev, int raised)
{
    if (blocks->units[unit] & _PyCodeBlocks_LEADER || unit == 0) {
        return previous_of_leader(code, blocks, unit, instr_prev, raised);
    }
    return _PyCodeBlocks_Start(blocks, unit - 1);
}

/* Call the trace function of the thread, if it still has one. */
static inline int
call_tracefunc(PyThreadState *tstate, PyFrameObject *f, int what, PyObject *arg)
{
    Py_tracefunc func = tstate->c_tracefunc;
    PyObject *callback = f->f_trace;
    if (func == NULL || (func == _PyTraceState_Trampoline && callback == NULL)) {
        return 0;
    }
    int old_what = tstate->tracing_what;
    tstate->tracing_what = what;
    // PyThreadState_EnterTracing() and PyThreadState_LeaveTracing(), inline.
    tstate->tracing++;
    tstate->cframe->use_tracing = 0;
    int err;
    if (func == _PyTraceState_Trampoline) {
        err = call_callback(tstate, callback, f, what, arg);
    }
    else {
        PyObject *obj = Py_XNewRef(tstate->c_traceobj);
        err = func(obj, f, what, arg);
        Py_XDECREF(obj);
    }
    tstate->tracing--;
    _PyThreadState_UpdateTracingState(tstate);
    tstate->tracing_what = old_what;
    return err ? -1 : 0;        // any value but 0 has always been an error
}

/* The int objects of offsets, kept for the process once made, as those of small
   integers are: most functions are longer than those reach. */
static PyObject *offset_objects[8192];

static PyObject *
make_offset_object(int unit)
{
    PyObject *offset = PyLong_FromLong(unit < 0 ? -1 : UNIT_TO_OFFSET(unit));
    if (offset != NULL && (size_t)unit < Py_ARRAY_LENGTH(offset_objects)) {
        offset_objects[unit] = Py_NewRef(offset);
    }
    return offset;
}

static inline PyObject *
offset_object(int unit)
{
    if ((size_t)unit < Py_ARRAY_LENGTH(offset_objects)
        && offset_objects[unit] != NULL)
    {
        return Py_NewRef(offset_objects[unit]);
    }
    return make_offset_object(unit);
}

static inline int
call_instruction(PyThreadState *tstate, PyFrameObject *f, int prev)
{
    PyObject *arg = offset_object(prev);
    if (arg == NULL) {
        return -1;
    }
    int err = call_tracefunc(tstate, f, PyTrace_INSTRUCTION, arg);
    Py_DECREF(arg);
    return err;
}

/* A tuple of the two offsets: the last one again where nobody has kept it. */
static PyObject *
edge_object(PyThreadState *tstate, int prev, int unit)
{
    PyObject *from = offset_object(prev);
    PyObject *to = offset_object(unit);
    if (from == NULL || to == NULL) {
        goto error;
    }
    PyObject *edge = tstate->inst_edge;
    if (edge == NULL || Py_REFCNT(edge) != 1) {
        edge = PyTuple_New(2);
        if (edge == NULL) {
            goto error;
        }
        PyTuple_SET_ITEM(edge, 0, from);
        PyTuple_SET_ITEM(edge, 1, to);
        Py_XSETREF(tstate->inst_edge, edge);
        return Py_NewRef(edge);
    }
    PyObject *old_from = PyTuple_GET_ITEM(edge, 0);
    PyObject *old_to = PyTuple_GET_ITEM(edge, 1);
    PyTuple_SET_ITEM(edge, 0, from);
    PyTuple_SET_ITEM(edge, 1, to);
    Py_DECREF(old_from);
    Py_DECREF(old_to);
    return Py_NewRef(edge);

error:
    Py_XDECREF(from);
    Py_XDECREF(to);
    return NULL;
}

static int
call_branch(PyThreadState *tstate, PyFrameObject *f, int prev, int unit)
{
    PyObject *arg = edge_object(tstate, prev, unit);
    if (arg == NULL) {
        return -1;
    }
    if (!(tstate->inst_tracing & _PyTrace_BRANCHES)) {
        // Making the tuple has run the garbage collector, and that a finalizer
        // which has set another state.
        Py_DECREF(arg);
        return 0;
    }
    int err = call_tracefunc(tstate, f, PyTrace_BRANCH, arg);
    Py_DECREF(arg);
    return err;
}

/* Does a line start at the frame's instruction, for maybe_call_line_trace() in
   Python/ceval.c?  Return the line, or -1. */
static int
line_started(_PyInterpreterFrame *frame, int instr_prev)
{
    PyCodeObject *code = frame->f_code;
    int unit = _PyInterpreterFrame_LASTI(frame);
    int line = _PyCode_LineNumberFromArray(code, unit);
    if (line == -1 || instr_prev <= code->_co_firsttraceable) {
        return line;
    }
    if (line != _PyCode_LineNumberFromArray(code, instr_prev) ||
        (unit < instr_prev && _Py_OPCODE(*frame->prev_instr) != SEND))
    {
        return line;
    }
    return -1;
}

/* What the state says of the instruction at 'unit', whose marks are those of
   _PyCodeBlocks. */
static inline int
wants_branch(PyThreadState *tstate, int marks)
{
    return (tstate->inst_tracing & _PyTrace_BRANCHES)
           && (marks & _PyCodeBlocks_LEADER);
}

static inline int
wants_line(PyThreadState *tstate, int marks)
{
    return !(tstate->inst_tracing & _PyTrace_NO_LINES)
           && (marks & _PyCodeBlocks_LINE);
}

static inline int
wants_instruction(PyThreadState *tstate, PyCodeObject *code, int unit)
{
    int flags = tstate->inst_tracing
                & (_PyTrace_INSTRUCTIONS | _PyTrace_FILTER);
    if (flags != (_PyTrace_INSTRUCTIONS | _PyTrace_FILTER)) {
        return flags & _PyTrace_INSTRUCTIONS;
    }
    unit = _PyCodeBlocks_Operation(code, unit);
    return in_filter(tstate,
                     _PyOpcode_Deopt[_Py_OPCODE(_PyCode_CODE(code)[unit])]);
}

/* What there is to announce of the instruction at frame->prev_instr, which was
   at 'unit' before the trace function was last called.  'announced': by that
   call. */
static int
announce(PyThreadState *tstate, _PyInterpreterFrame *frame, PyFrameObject *f,
         const _PyCodeBlocks *blocks, int unit, int prev, int announced)
{
    PyCodeObject *code = frame->f_code;
    for (;;) {
        /* A trace function may set f_lineno: then the instruction that it
           jumped to is the one to announce. */
        int now = _PyInterpreterFrame_LASTI(frame);
        if (now != unit) {
            unit = now;
            announced = 0;
        }
        if (!announced && wants_instruction(tstate, code, unit)) {
            if (call_instruction(tstate, f, prev) < 0) {
                return -1;
            }
            if (unit != _PyInterpreterFrame_LASTI(frame)) {
                continue;
            }
        }
        announced = 1;
        if (!wants_branch(tstate, blocks->units[unit])) {
            return 0;
        }
        if (call_branch(tstate, f, prev, unit) < 0) {
            return -1;
        }
        if (unit == _PyInterpreterFrame_LASTI(frame)) {
            return 0;
        }
    }
}

int
_PyTraceState_Instruction(PyThreadState *tstate, _PyInterpreterFrame *frame,
                          int instr_prev)
{
    int raised = tstate->inst_raised - 1;
    tstate->inst_raised = 0;
    if (_PyTraceState_IsUntraced(tstate, frame)) {
        return 0;
    }
    PyCodeObject *code = frame->f_code;
    const _PyCodeBlocks *blocks = _PyCodeBlocks_Get(code);
    if (blocks == NULL) {
        return -1;
    }
    PyFrameObject *f = _PyFrame_GetFrameObject(frame);
    if (f == NULL) {
        return -1;
    }
    int unit = _PyInterpreterFrame_LASTI(frame);
    int marks = blocks->units[unit];

    if (marks & _PyCodeBlocks_RESUME) {
        // instr_prev is this instruction itself if pending work has made the
        // eval loop dispatch it twice.
        int prev = (unit <= code->_co_firsttraceable)
                   ? -1 : _PyCodeBlocks_Start(blocks, unit - 1);
        if (announce(tstate, frame, f, blocks, unit, prev, 1) < 0) {
            return -1;
        }
        if (f->f_trace_opcodes && unit != _PyInterpreterFrame_LASTI(frame)) {
            return call_tracefunc(tstate, f, PyTrace_OPCODE, Py_None);
        }
        return 0;
    }

    int prev = previous_unit(code, blocks, unit, instr_prev, raised);
    int announced = 0;
    if (tstate->inst_tracing == (_PyTrace_INSTRUCTIONS | _PyTrace_NO_LINES)) {
        // The same as what follows, at less cost: the case to be quick in.
        if (call_instruction(tstate, f, prev) < 0) {
            return -1;
        }
        if (unit == _PyInterpreterFrame_LASTI(frame) && !f->f_trace_opcodes) {
            return 0;
        }
        announced = 1;
    }
    else if (wants_line(tstate, marks) && f->f_trace_lines) {
        int line = line_started(frame, instr_prev);
        if (line != -1) {
            announced = 1;
            f->f_lineno = line;
            int err = call_tracefunc(tstate, f, PyTrace_LINE, Py_None);
            f->f_lineno = 0;
            if (err) {
                return -1;
            }
        }
    }
    if (announce(tstate, frame, f, blocks, unit, prev, announced) < 0) {
        return -1;
    }
    if (f->f_trace_opcodes) {
        return call_tracefunc(tstate, f, PyTrace_OPCODE, Py_None);
    }
    return 0;
}

int
_PyTraceState_StackUnit(PyCodeObject *code, int unit)
{
    /* The model takes the arguments of a call off the stack at PRECALL; the
       eval loop does it at CALL. */
    int precall = unit - 1 - _PyOpcode_Caches[PRECALL];
    _Py_CODEUNIT *instr = _PyCode_CODE(code);
    if (precall >= 0 &&
        _PyOpcode_Deopt[_Py_OPCODE(instr[unit])] == CALL &&
        _PyOpcode_Deopt[_Py_OPCODE(instr[precall])] == PRECALL)
    {
        return precall;
    }
    return unit;
}

int
_PyTraceState_IsHandlerEntry(PyCodeObject *code, int unit)
{
    int opcode = _Py_OPCODE(_PyCode_CODE(code)[unit]);
    return opcode == PUSH_EXC_INFO || opcode == END_ASYNC_FOR;
}
