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

/* Bits of PyThreadState.inst_tracing.  No bit is set in the state that
   sys.settrace() installs, or without a trace function. */
#define _PyTrace_INSTRUCTIONS 1
#define _PyTrace_NO_LINES 2
#define _PyTrace_BRANCHES 4
/* Only opcodes in PyThreadState.inst_filter have 'instruction' events. */
#define _PyTrace_FILTER 8

/* Called once for each interpreter, with its sys module. */
extern int _PyTraceState_Init(PyObject *sysmod);

/* Free the data shared by all interpreters, when the main one ends. */
extern void _PyTraceState_Fini(PyInterpreterState *interp);

/* Install func as the trace function of the current thread, for the events in
   state (NULL: the defaults).  With func == NULL, switch tracing off.  Return
   0, or -1 with an exception set and the state unchanged. */
extern int _PyTraceState_Install(PyThreadState *tstate, Py_tracefunc func,
                                 PyObject *obj, const PyTraceState *state);

/* Clear the trace function and the state, for PyThreadState_Clear().  It calls
   this twice, because what it clears in between can run code that sets
   them. */
extern void _PyTraceState_Clear(PyThreadState *tstate);

/* sys.settrace() and sys.gettrace(). */
extern PyObject *_PyTraceState_SetTrace(PyObject *func);
extern PyObject *_PyTraceState_GetTrace(void);

/* The Py_tracefunc that calls Python functions. */
extern int _PyTraceState_Trampoline(PyObject *self, PyFrameObject *frame,
                                    int what, PyObject *arg);

/* Debuggers that attach to a thread write c_tracefunc and c_traceobj, and so
   do tools that save and restore them.  Has that happened since the inst_*
   fields were computed? */
static inline int
_PyTraceState_IsReplaced(PyThreadState *tstate)
{
    return tstate->c_traceobj != tstate->inst_obj
           || tstate->c_tracefunc != tstate->inst_func;
}

/* Compute the inst_* fields for c_tracefunc and c_traceobj: the flags that
   these were installed with, or those of sys.settrace() if they were not
   installed by _PyTraceState_Install() or PyEval_SetTraceStateAllThreads(). */
extern void _PyTraceState_Follow(PyThreadState *tstate);

static inline void
_PyTraceState_FollowIfReplaced(PyThreadState *tstate)
{
    if (_PyTraceState_IsReplaced(tstate)) {
        _PyTraceState_Follow(tstate);
    }
}

/* The names of the events, indexed by PyTrace_CALL and so on. */
extern PyObject *_PyTraceState_EventNames[];

/* Is there no local trace function to call for this frame? */
static inline int
_PyTraceState_IsUntraced(PyThreadState *tstate, _PyInterpreterFrame *frame)
{
    PyFrameObject *f = frame->frame_obj;
    return tstate->c_tracefunc == _PyTraceState_Trampoline
           && (f == NULL || f->f_trace == NULL);
}

/* The byte offset of a code unit. */
#define _PyTraceState_OFFSET(unit) ((unit) * (int)sizeof(_Py_CODEUNIT))

/* An instruction filter.  Threads share it. */
typedef struct _PyTraceFilter {
    Py_ssize_t refcount;
    unsigned char bits[32];         // a bit for each opcode
    unsigned char opcodes[256];     // PyThreadState.inst_opcodes
} _PyTraceFilter;

/* Is an unspecialized opcode in the filter? */
static inline int
_PyTraceFilter_Has(const _PyTraceFilter *filter, int opcode)
{
    return (filter->bits[opcode >> 3] >> (opcode & 7)) & 1;
}

/* For each opcode: if it also executes the next instruction, the distance to
   that in code units; otherwise 0. */
extern uint8_t _PyTraceState_Fused[256];
#define _PyTraceState_NEVER_FUSED 255   // not executed in a traced thread

/* For each unspecialized opcode: does a specialized form also execute the next
   instruction? */
extern uint8_t _PyTraceState_HasFused[256];

#ifdef __cplusplus
}
#endif
#endif  /* !Py_INTERNAL_TRACESTATE_H */
