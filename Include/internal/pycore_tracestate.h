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

/* For PyThreadState_Clear(): forget the trace function and the state.  Twice,
   since what is cleared in between runs code, which can set them again. */
extern void _PyTraceState_Clear(PyThreadState *tstate);

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

/* Has the instruction at next_instr nothing to announce?  May say no when in
   doubt.  This is all that most instructions pay under a filter, or where only
   branches are traced: PyThreadState.inst_marks is not 0 then. */
static inline int
_PyTraceState_Skip(PyThreadState *tstate, _PyInterpreterFrame *frame,
                   _Py_CODEUNIT *next_instr)
{
    PyCodeObject *code = frame->f_code;
    const _PyCodeBlocks *blocks = _PyCodeBlocks_Peek(code);
    if (blocks == NULL
        || (blocks->units[next_instr - _PyCode_CODE(code)] & tstate->inst_marks)
        || tstate->inst_opcodes[_Py_OPCODE(*next_instr)]
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
