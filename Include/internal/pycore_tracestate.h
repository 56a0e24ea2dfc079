#ifndef Py_INTERNAL_TRACESTATE_H
#define Py_INTERNAL_TRACESTATE_H
#ifdef __cplusplus
extern "C" {
#endif

#ifndef Py_BUILD_CORE
#  error "this header requires Py_BUILD_CORE define"
#endif

#include "pycore_frame.h"         // _PyInterpreterFrame

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

/* Announce the instruction at frame->prev_instr to the trace function.
   instr_prev is the code unit that frame->prev_instr pointed to before.
   Called when PyThreadState.inst_tracing is not 0. */
extern int _PyTraceState_Instruction(PyThreadState *tstate,
                                     _PyInterpreterFrame *frame,
                                     int instr_prev);

/* The code unit whose evaluation stack, as frame_setlineno() models it, is the
   one that a frame stopped at code unit 'unit' really has. */
extern int _PyTraceState_StackUnit(PyCodeObject *code, int unit);

/* Is the frame stopped before the instruction that makes the exception on its
   stack the handled one? */
extern int _PyTraceState_IsHandlerEntry(_PyInterpreterFrame *frame);

#ifdef __cplusplus
}
#endif
#endif  /* !Py_INTERNAL_TRACESTATE_H */
