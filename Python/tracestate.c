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

static int
check_struct_size(const PyTraceState *state)
{
    if (state->struct_size < sizeof(state->struct_size)) {
        PyErr_SetString(PyExc_ValueError,
                        "PyTraceState.struct_size is not set: "
                        "initialize it with PyTraceState_INIT");
        return -1;
    }
    return 0;
}

/* The bits for inst_tracing, or -1 with an exception set. */
static int
flags_from_state(const PyTraceState *state)
{
    if (state == NULL) {
        return 0;
    }
    if (check_struct_size(state) < 0) {
        return -1;
    }
#define HAS(FIELD) (state->struct_size >= \
                    offsetof(PyTraceState, FIELD) + sizeof(state->FIELD))
    int flags = 0;
    if (HAS(trace_lines) && !state->trace_lines) {
        flags |= _PyTrace_NO_LINES;
    }
    if (HAS(trace_instructions) && state->trace_instructions) {
        flags |= _PyTrace_INSTRUCTIONS;
    }
#undef HAS
    return flags;
}

static void
state_from_flags(int flags, PyTraceState *state)
{
#define SET(FIELD, VALUE) \
    do { \
        if (state->struct_size >= \
            offsetof(PyTraceState, FIELD) + sizeof(state->FIELD)) { \
            state->FIELD = (VALUE); \
        } \
    } while (0)
    SET(trace_lines, !(flags & _PyTrace_NO_LINES));
    SET(trace_instructions, (flags & _PyTrace_INSTRUCTIONS) != 0);
#undef SET
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
                      int flags)
{
    if (begin_install(tstate) < 0) {
        return -1;
    }

    PyObject *old = tstate->c_traceobj;
    Py_XINCREF(obj);
    tstate->inst_tracing = 0;
    tstate->c_tracefunc = NULL;
    tstate->c_traceobj = NULL;
    // Profiling goes on, should this free the old object.
    _PyThreadState_UpdateTracingState(tstate);
    Py_XDECREF(old);

    // Whatever that ran may have set the state of all threads.
    old = tstate->c_traceobj;
    tstate->c_traceobj = obj;
    tstate->c_tracefunc = func;
    tstate->inst_tracing = (func != NULL) ? flags : 0;
    _PyThreadState_UpdateTracingState(tstate);
    tstate->inst_installing = 0;
    Py_XDECREF(old);
    return 0;
}

int
PyEval_SetTraceState(Py_tracefunc func, PyObject *obj,
                     const PyTraceState *state)
{
    int flags = flags_from_state(state);
    if (flags < 0) {
        return -1;
    }
    return _PyTraceState_Install(_PyThreadState_GET(), func, obj, flags);
}

int
PyEval_SetTraceStateAllThreads(Py_tracefunc func, PyObject *obj,
                               const PyTraceState *state)
{
    PyThreadState *current = _PyThreadState_GET();
    int flags = flags_from_state(state);
    if (flags < 0 || begin_install(current) < 0) {
        return -1;
    }
    current->inst_installing = 0;
    if (func == NULL) {
        flags = 0;
    }

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
        ts->c_tracefunc = func;
        ts->c_traceobj = Py_XNewRef(obj);
        ts->inst_tracing = flags;
        _PyThreadState_UpdateTracingState(ts);
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
    if (state != NULL && check_struct_size(state) < 0) {
        return -1;
    }
    if (func != NULL) {
        *func = tstate->c_tracefunc;
    }
    if (obj != NULL) {
        *obj = Py_XNewRef(tstate->c_traceobj);
    }
    if (state != NULL) {
        state_from_flags(tstate->inst_tracing, state);
    }
    return 0;
}


/* --- The trace functions of sys.settrace() and sys.settracestate() ----- */

static PyObject *event_names[PyTrace_INSTRUCTION + 1];

static int
init_event_names(void)
{
    static const char * const names[Py_ARRAY_LENGTH(event_names)] = {
        [PyTrace_CALL] = "call",
        [PyTrace_EXCEPTION] = "exception",
        [PyTrace_LINE] = "line",
        [PyTrace_RETURN] = "return",
        [PyTrace_OPCODE] = "opcode",
        [PyTrace_INSTRUCTION] = "instruction",
    };
    for (size_t i = 0; i < Py_ARRAY_LENGTH(names); i++) {
        if (names[i] != NULL && event_names[i] == NULL) {
            event_names[i] = PyUnicode_InternFromString(names[i]);
            if (event_names[i] == NULL) {
                return -1;
            }
        }
    }
    return 0;
}

static int
trace_trampoline(PyObject *self, PyFrameObject *frame, int what, PyObject *arg)
{
    PyObject *callback = (what == PyTrace_CALL) ? self : frame->f_trace;
    if (callback == NULL) {
        return 0;
    }
    Py_INCREF(callback);        // it may delete frame.f_trace

    PyThreadState *tstate = _PyThreadState_GET();
    PyObject *args[3] = {
        (PyObject *)frame, event_names[what], arg != NULL ? arg : Py_None,
    };
    PyObject *result = NULL;
    /* Discard any previous modifications of the frame's fast locals. */
    if (!frame->f_fast_as_locals || PyFrame_FastToLocalsWithError(frame) == 0) {
        result = PyObject_Vectorcall(callback, args, 3, NULL);
        PyFrame_LocalsToFast(frame, 1);
        if (result == NULL) {
            PyTraceBack_Here(frame);
        }
    }
    Py_DECREF(callback);
    if (result == NULL) {
        _PyEval_SetTrace(tstate, NULL, NULL);
        Py_CLEAR(frame->f_trace);
        return -1;
    }
    if (result != Py_None) {
        Py_XSETREF(frame->f_trace, result);
    }
    else {
        Py_DECREF(result);
    }
    return 0;
}

PyObject *
_PyTraceState_SetTrace(PyObject *func)
{
    PyThreadState *tstate = _PyThreadState_GET();
    int err = Py_IsNone(func)
              ? _PyEval_SetTrace(tstate, NULL, NULL)
              : _PyEval_SetTrace(tstate, trace_trampoline, func);
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

/* What tracefunc and the flags given from Python come to. */
static PyObject *
state_as_dict(PyObject *tracefunc, int flags)
{
    PyTraceState state = PyTraceState_INIT;
    state_from_flags(flags, &state);
    return Py_BuildValue("{sOsOsO}",
                         "tracefunc", tracefunc,
                         "trace_lines", state.trace_lines ? Py_True : Py_False,
                         "trace_instructions",
                         state.trace_instructions ? Py_True : Py_False);
}

static PyObject *
set_python_state(int (*set)(Py_tracefunc, PyObject *, const PyTraceState *),
                 PyObject *tracefunc, int trace_lines, int trace_instructions)
{
    PyTraceState state = PyTraceState_INIT;
    state.trace_lines = trace_lines;
    state.trace_instructions = trace_instructions;
    int err = Py_IsNone(tracefunc)
              ? set(NULL, NULL, NULL)
              : set(trace_trampoline, tracefunc, &state);
    if (err < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
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
                       int trace_lines, int trace_instructions)
/*[clinic end generated code: output=277ac8450490b437 input=83f191f7f18f6436]*/
{
    return set_python_state(PyEval_SetTraceState, tracefunc,
                            trace_lines, trace_instructions);
}

/*[clinic input]
sys._settracestate_all_threads

    tracefunc: object
    *
    trace_lines: bool = True
    trace_instructions: bool = False

Do sys.settracestate() for every thread of the interpreter.

See threading.settracestate_all_threads().
[clinic start generated code]*/

static PyObject *
sys__settracestate_all_threads_impl(PyObject *module, PyObject *tracefunc,
                                    int trace_lines, int trace_instructions)
/*[clinic end generated code: output=5933426327daa2ab input=2b6aad38bedc5423]*/
{
    return set_python_state(PyEval_SetTraceStateAllThreads, tracefunc,
                            trace_lines, trace_instructions);
}

/*[clinic input]
sys._make_tracestate

    tracefunc: object
    *
    trace_lines: bool = True
    trace_instructions: bool = False

Return what sys.gettracestate() returns after sys.settracestate() with these arguments.
[clinic start generated code]*/

static PyObject *
sys__make_tracestate_impl(PyObject *module, PyObject *tracefunc,
                          int trace_lines, int trace_instructions)
/*[clinic end generated code: output=2974940320b50b05 input=baaace5d141589b8]*/
{
    PyTraceState state = PyTraceState_INIT;
    state.trace_lines = trace_lines;
    state.trace_instructions = trace_instructions;
    int flags = Py_IsNone(tracefunc) ? 0 : flags_from_state(&state);
    return state_as_dict(tracefunc, flags);
}

/*[clinic input]
sys.gettracestate

Return the trace state of the current thread: a dict of sys.settracestate()'s parameters.

    tracefunc           the trace function, or None
    trace_lines         bool
    trace_instructions  bool
[clinic start generated code]*/

static PyObject *
sys_gettracestate_impl(PyObject *module)
/*[clinic end generated code: output=bf5f728331b16100 input=89e180c3b3f24e2c]*/
{
    PyThreadState *tstate = _PyThreadState_GET();
    int flags = tstate->inst_tracing;
    // Owned, because making the dict may run the garbage collector.
    PyObject *func = tstate->c_traceobj;
    func = Py_NewRef(func != NULL ? func : Py_None);
    PyObject *result = state_as_dict(func, flags);
    Py_DECREF(func);
    return result;
}

static PyMethodDef sys_methods[] = {
    SYS_SETTRACESTATE_METHODDEF
    SYS__SETTRACESTATE_ALL_THREADS_METHODDEF
    SYS__MAKE_TRACESTATE_METHODDEF
    SYS_GETTRACESTATE_METHODDEF
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
   at 'unit', or -1 if it executed none.

   frame->prev_instr, here instr_prev, is the record that CPython keeps, and
   tells as much except in the cases below. */
static int
previous_unit(PyThreadState *tstate, PyCodeObject *code,
              const _PyCodeBlocks *blocks, int unit, int instr_prev)
{
    int raised = tstate->inst_raised - 1;
    tstate->inst_raised = 0;

    if (instr_prev < code->_co_firsttraceable) {
        return -1;
    }
    int prev = _PyCodeBlocks_Start(blocks, instr_prev);
    int operation = _PyCodeBlocks_Operation(code, prev);
    int opcode = _PyOpcode_Deopt[_Py_OPCODE(_PyCode_CODE(code)[operation])];

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
    if (opcode == JUMP_BACKWARD_NO_INTERRUPT) {
        /* throw() has ended a 'yield from' or 'await' and moved prev_instr past
           the loop of SEND, YIELD_VALUE, RESUME and this instruction. */
        int send = _PyCodeBlocks_Target(code, prev);
        if (send != unit && send >= 0 && send < prev) {
            return send + 1;
        }
        return prev;
    }
    if (raised >= 0) {
        return prev;
    }
    switch (opcode) {
        /* The first halves of the pairs that a specialized instruction
           executes as one.  None of them jumps. */
        case BINARY_OP:
        case COMPARE_OP:
        case LOAD_CONST:
        case LOAD_FAST:
        case PRECALL:
        case STORE_FAST: {
            int next = operation + 1 + _PyOpcode_Caches[opcode];
            if (next != unit && next < blocks->size) {
                return next;
            }
        }
    }
    return prev;
}

/* Call the trace function of the thread, if it still has one. */
static int
call_tracefunc(PyThreadState *tstate, PyFrameObject *f, int what, PyObject *arg)
{
    Py_tracefunc func = tstate->c_tracefunc;
    if (func == NULL) {
        return 0;
    }
    PyObject *obj = Py_XNewRef(tstate->c_traceobj);
    int old_what = tstate->tracing_what;
    tstate->tracing_what = what;
    PyThreadState_EnterTracing(tstate);
    int err = func(obj, f, what, arg);
    Py_XDECREF(obj);
    PyThreadState_LeaveTracing(tstate);
    tstate->tracing_what = old_what;
    return err;
}

static int
call_instruction(PyThreadState *tstate, PyFrameObject *f, int prev)
{
    PyObject *arg = PyLong_FromLong(prev < 0 ? -1 : UNIT_TO_OFFSET(prev));
    if (arg == NULL) {
        return -1;
    }
    int err = call_tracefunc(tstate, f, PyTrace_INSTRUCTION, arg);
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

int
_PyTraceState_Instruction(PyThreadState *tstate, _PyInterpreterFrame *frame,
                          int instr_prev)
{
    PyCodeObject *code = frame->f_code;
    const _PyCodeBlocks *blocks = _PyCodeBlocks_Get(code);
    if (blocks == NULL) {
        return -1;
    }
    int unit = _PyInterpreterFrame_LASTI(frame);
    int prev = previous_unit(tstate, code, blocks, unit, instr_prev);
    PyFrameObject *f = _PyFrame_GetFrameObject(frame);
    if (f == NULL) {
        return -1;
    }

    int announced = 0;
    if (!(tstate->inst_tracing & _PyTrace_NO_LINES) && f->f_trace_lines) {
        if (_PyCode_InitLineArray(code)) {
            return -1;
        }
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
    /* A trace function may have set f_lineno: then the instruction that it
       jumped to is the one to announce. */
    while ((tstate->inst_tracing & _PyTrace_INSTRUCTIONS) &&
           (!announced || unit != _PyInterpreterFrame_LASTI(frame)))
    {
        announced = 1;
        unit = _PyInterpreterFrame_LASTI(frame);
        if (call_instruction(tstate, f, prev) < 0) {
            return -1;
        }
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
_PyTraceState_IsHandlerEntry(_PyInterpreterFrame *frame)
{
    int opcode = _Py_OPCODE(*frame->prev_instr);
    return opcode == PUSH_EXC_INFO || opcode == END_ASYNC_FOR;
}
