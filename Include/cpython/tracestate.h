#ifndef Py_CPYTHON_TRACESTATE_H
#define Py_CPYTHON_TRACESTATE_H
#ifdef __cplusplus
extern "C" {
#endif

/* The trace state of a thread: the trace function and the events it receives.
   Reference: Doc/c-api/tracestate.rst.  Implementation:
   Python/tracestate.c. */

/* Values of 'what' in addition to those in cpython/pystate.h.  Offsets are
   byte offsets as Python ints. */
/* 'arg' is the offset of the instruction that the frame executed before. */
#define PyTrace_INSTRUCTION 8
/* 'arg' is a tuple of that offset, or -1, and the offset of the instruction
   that is about to be executed, the first one of a basic block. */
#define PyTrace_BRANCH 9

typedef struct {
    /* sizeof(PyTraceState) when the caller was compiled.  Fields that the
       caller does not know keep their defaults. */
    size_t struct_size;
    int trace_lines;            /* default 1: PyTrace_LINE events */
    int trace_instructions;     /* default 0: PyTrace_INSTRUCTION events */
    int trace_branches;         /* default 0: PyTrace_BRANCH events */
    /* default 0: PyTrace_INSTRUCTION events only for the opcodes in
       instruction_filter */
    int filter_instructions;
    unsigned char instruction_filter[32];       /* a bit for each opcode */
} PyTraceState;

/* The defaults, which PyEval_SetTrace() uses. */
#define PyTraceState_INIT {sizeof(PyTraceState), 1, 0, 0, 0, {0}}

/* Add an opcode, 0 to 255, to state->instruction_filter; test if it is in
   the filter. */
#define PyTraceState_FILTER_ADD(state, opcode) \
    ((void)((state)->instruction_filter[(unsigned char)(opcode) >> 3] |= \
            (unsigned char)(1 << ((opcode) & 7))))
#define PyTraceState_FILTER_HAS(state, opcode) \
    (((state)->instruction_filter[(unsigned char)(opcode) >> 3] \
      >> ((opcode) & 7)) & 1)

/* Install func, called with obj, as the trace function of the current thread,
   for the events that state selects (NULL: the defaults).  With func == NULL,
   turn tracing off and reset the state.  Raise the audit event
   "sys.settrace".  Return 0, or -1 with an exception set and the state
   unchanged.  state->struct_size must be set (use PyTraceState_INIT). */
PyAPI_FUNC(int) PyEval_SetTraceState(Py_tracefunc func, PyObject *obj,
                                     const PyTraceState *state);

/* Do the same for every thread of the current interpreter.  On error, no state
   changes. */
PyAPI_FUNC(int) PyEval_SetTraceStateAllThreads(Py_tracefunc func,
                                               PyObject *obj,
                                               const PyTraceState *state);

/* Read the state of the current thread.  *func and *obj are NULL if there is
   no trace function; *obj is a new reference.  state->struct_size must be set
   (use PyTraceState_INIT).  Each pointer may be NULL.  Return 0, or -1 with an
   exception set. */
PyAPI_FUNC(int) PyEval_GetTraceState(Py_tracefunc *func, PyObject **obj,
                                     PyTraceState *state);

#ifdef __cplusplus
}
#endif
#endif  /* !Py_CPYTHON_TRACESTATE_H */
