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

/* Free what all interpreters share, at the end of the last one. */
extern void _PyTraceState_Fini(PyInterpreterState *interp);

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

/* The names of the events, by the numbers of PyTrace_CALL and so on. */
extern PyObject *_PyTraceState_EventNames[];

/* Is there no local trace function that could be called for this frame? */
static inline int
_PyTraceState_IsUntraced(PyThreadState *tstate, _PyInterpreterFrame *frame)
{
    PyFrameObject *f = frame->frame_obj;
    return tstate->c_tracefunc == _PyTraceState_Trampoline
           && (f == NULL || f->f_trace == NULL);
}

/* The byte offset of a code unit. */
#define _PyTraceState_OFFSET(unit) ((unit) * (int)sizeof(_Py_CODEUNIT))

/* Is an opcode, not a specialized one, in the thread's filter? */
static inline int
_PyTraceState_InFilter(PyThreadState *tstate, int opcode)
{
    return (tstate->inst_filter[opcode >> 3] >> (opcode & 7)) & 1;
}

/* For each opcode: 0, or how many code units after it the instruction is that it
   executes too. */
extern uint8_t _PyTraceState_Fused[256];
#define _PyTraceState_NEVER_FUSED 255   // must not, where a thread is traced

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
