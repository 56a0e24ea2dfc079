#ifndef Py_CPYTHON_CODEPROBES_H
#define Py_CPYTHON_CODEPROBES_H
#ifdef __cplusplus
extern "C" {
#endif

/* Probes in bytecode.  Reference: Doc/c-api/codeprobes.rst.  Implementation:
   Objects/codeprobes.c. */

/* What the instruction at a probe is about to do. */
#define PyCodeProbe_EXECUTE -1      /* it is not a conditional jump */
#define PyCodeProbe_FALL_THROUGH 0  /* a conditional jump, not taken */
#define PyCodeProbe_JUMP 1          /* a conditional jump, taken */

/* Called at a probe.  'offset' is the byte offset of the instruction, or of
   its first EXTENDED_ARG prefix, as in trace events.  'activation' identifies
   an execution of the code object while it lasts; it can only be compared.
   Must not run Python code, raise an exception or release the GIL.  Return 0
   to remove the probe, anything else to keep it. */
typedef int (*PyCodeProbe_Func)(void *data, int offset, int what,
                                const void *activation);

/* Can an instruction with this opcode, not a specialized one, have a probe? */
PyAPI_FUNC(int) PyCodeProbe_IsSupported(int opcode);

/* Is an instruction with this opcode a conditional jump, at which a probe is
   called with PyCodeProbe_JUMP or PyCodeProbe_FALL_THROUGH? */
PyAPI_FUNC(int) PyCodeProbe_IsConditionalJump(int opcode);

/* Replace all probes in code by probes that call func(data, ...) at the n
   instructions at 'offsets'.  With n == 0, remove all probes.  Return 0, or -1
   with an exception set and the probes unchanged: ValueError if an instruction
   cannot have a probe, or MemoryError. */
PyAPI_FUNC(int) PyCode_SetProbes(PyCodeObject *code, PyCodeProbe_Func func,
                                 void *data, const int *offsets, Py_ssize_t n);

/* Return the data of the probes in code.  If func is not NULL, store their
   function in *func.  Both are NULL if there are no probes. */
PyAPI_FUNC(void *) PyCode_GetProbes(PyCodeObject *code,
                                    PyCodeProbe_Func *func);

/* Restore the probes that func has removed. */
PyAPI_FUNC(void) PyCode_RestoreProbes(PyCodeObject *code);

/* Called before a code object is executed, once for each code object since the
   watch was added.  May run any code.  Return 0, or -1 with an exception set,
   which is raised in place of executing the code; then the function is called
   for this code object again. */
typedef int (*PyCodeWatch_Func)(PyObject *obj, PyCodeObject *code);

/* Call func with obj for each code object that the current interpreter begins
   or resumes to execute, in any thread, after the functions of earlier
   watches.  It is not called for code that is already specialized, for code
   that the function of a watch runs, or during finalization.  Return 0, or -1
   with MemoryError set. */
PyAPI_FUNC(int) PyEval_AddCodeWatch(PyCodeWatch_Func func, PyObject *obj);

/* Remove the watch that was added with the same arguments, if there is one. */
PyAPI_FUNC(void) PyEval_RemoveCodeWatch(PyCodeWatch_Func func, PyObject *obj);

#ifdef __cplusplus
}
#endif
#endif  /* !Py_CPYTHON_CODEPROBES_H */
