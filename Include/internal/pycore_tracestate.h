#ifndef Py_INTERNAL_TRACESTATE_H
#define Py_INTERNAL_TRACESTATE_H
#ifdef __cplusplus
extern "C" {
#endif

#ifndef Py_BUILD_CORE
#  error "this header requires Py_BUILD_CORE define"
#endif

#include "pycore_codeblocks.h"    // _PyCodeBlocks_Get()
#include "pycore_frame.h"         // _PyInterpreterFrame
#include "pycore_opcode.h"        // _PyOpcode_Deopt

/* Bits of PyThreadState.inst_tracing.  None is set in the state that
   sys.settrace() installs, and none without a trace function. */
#define _PyTrace_INSTRUCTIONS 1
#define _PyTrace_NO_LINES 2
#define _PyTrace_BRANCHES 4
/* Only the opcodes in PyThreadState.inst_filter get an 'instruction' event. */
#define _PyTrace_FILTER 8

/* Called once for each interpreter, with its sys module. */
extern int _PyTraceState_Init(PyObject *sysmod);

/* Install func as the trace function of the current thread, for what state
   (NULL: the defaults) says.  With func == NULL, switch tracing off.  Return 0,
   or -1 with an exception set and the state as it was. */
extern int _PyTraceState_Install(PyThreadState *tstate, Py_tracefunc func,
                                 PyObject *obj, const PyTraceState *state);

/* sys.settrace() and sys.gettrace(). */
extern PyObject *_PyTraceState_SetTrace(PyObject *func);
extern PyObject *_PyTraceState_GetTrace(void);

/* The Py_tracefunc that calls Python functions. */
extern int _PyTraceState_Trampoline(PyObject *self, PyFrameObject *frame,
                                    int what, PyObject *arg);

/* Announce the instruction at frame->prev_instr to the trace function.
   instr_prev is the code unit that frame->prev_instr pointed to before.
   Called when PyThreadState.inst_tracing is not 0. */
extern int _PyTraceState_Instruction(PyThreadState *tstate,
                                     _PyInterpreterFrame *frame,
                                     int instr_prev);

/* Is there no local trace function that could be called for this frame? */
static inline int
_PyTraceState_IsUntraced(PyThreadState *tstate, _PyInterpreterFrame *frame)
{
    PyFrameObject *f = frame->frame_obj;
    return tstate->c_tracefunc == _PyTraceState_Trampoline
           && (f == NULL || f->f_trace == NULL);
}

/* What flags say of the instruction at 'unit', whose marks are those of
   _PyCodeBlocks. */
static inline int
_PyTraceState_WantsBranch(int flags, int marks)
{
    return (flags & _PyTrace_BRANCHES) && (marks & _PyCodeBlocks_LEADER);
}

static inline int
_PyTraceState_WantsLine(int flags, int marks)
{
    return !(flags & _PyTrace_NO_LINES) && (marks & _PyCodeBlocks_LINE);
}

static inline int
_PyTraceState_WantsInstruction(int flags, PyThreadState *tstate,
                               PyCodeObject *code, int unit)
{
    if ((flags & (_PyTrace_INSTRUCTIONS | _PyTrace_FILTER))
        != (_PyTrace_INSTRUCTIONS | _PyTrace_FILTER))
    {
        return flags & _PyTrace_INSTRUCTIONS;
    }
    _Py_CODEUNIT *instr = _PyCode_CODE(code) + unit;
    int opcode = _PyOpcode_Deopt[_Py_OPCODE(*instr)];
    if (opcode == EXTENDED_ARG) {
        instr = _PyCode_CODE(code) + _PyCodeBlocks_Operation(code, unit);
        opcode = _PyOpcode_Deopt[_Py_OPCODE(*instr)];
    }
    return (tstate->inst_filter[opcode >> 3] >> (opcode & 7)) & 1;
}

/* Go past an instruction that has nothing to announce.  May say no when in
   doubt: this is what most instructions pay under a filter, or where only
   branches are traced. */
static inline int
_PyTraceState_Skip(PyThreadState *tstate, _PyInterpreterFrame *frame)
{
    PyCodeObject *code = frame->f_code;
    const _PyCodeBlocks *blocks = _PyCodeBlocks_Peek(code);
    int flags = tstate->inst_tracing;
    if (blocks == NULL) {
        return 0;
    }
    if ((flags & (_PyTrace_INSTRUCTIONS | _PyTrace_FILTER))
        == _PyTrace_INSTRUCTIONS)
    {
        return 0;
    }
    int unit = _PyInterpreterFrame_LASTI(frame);
    int marks = blocks->units[unit];
    if (_PyTraceState_WantsBranch(flags, marks)
        || _PyTraceState_WantsLine(flags, marks)
        || _PyTraceState_WantsInstruction(flags, tstate, code, unit)
        || (frame->frame_obj != NULL && frame->frame_obj->f_trace_opcodes))
    {
        return 0;
    }
    tstate->inst_raised = 0;
    return 1;
}

/* The code unit whose evaluation stack, as frame_setlineno() models it, is the
   one that a frame stopped at code unit 'unit' really has. */
extern int _PyTraceState_StackUnit(PyCodeObject *code, int unit);

/* Is it the instruction at 'unit' that makes the exception on the stack the
   handled one? */
extern int _PyTraceState_IsHandlerEntry(PyCodeObject *code, int unit);

#ifdef __cplusplus
}
#endif
#endif  /* !Py_INTERNAL_TRACESTATE_H */
