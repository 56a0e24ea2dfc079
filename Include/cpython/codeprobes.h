#ifndef Py_CPYTHON_CODEPROBES_H
#define Py_CPYTHON_CODEPROBES_H
#ifdef __cplusplus
extern "C" {
#endif

/* Probes in bytecode.
   Reference: Doc/c-api/codeprobes.rst.  Implementation: Objects/codeprobes.c. */

/* What the instruction under a probe is about to do. */
#define PyCodeProbe_EXECUTE -1      /* to be executed; no conditional jump */
#define PyCodeProbe_FALL_THROUGH 0  /* a conditional jump that does not jump */
#define PyCodeProbe_JUMP 1          /* a conditional jump that jumps */

/* Called at a probe.  'offset' is the byte offset of the instruction or of its
   first EXTENDED_ARG prefix, as in trace events.  'activation' identifies one
   execution of the code object as long as it lasts; only compare it.  Must not run
   Python code, raise or release the GIL.  Return 0 to remove the probe, anything
   else to keep it. */
typedef int (*PyCodeProbe_Func)(void *data, int offset, int what,
                                const void *activation);

/* Can an instruction with this opcode (not a specialized one) have a probe? */
PyAPI_FUNC(int) PyCodeProbe_IsSupported(int opcode);

/* Replace the probes in code by probes that call func(data, ...) at the n
   instructions at 'offsets'.  With n == 0, remove all probes.  Return 0, or -1 with
   an exception set and the probes unchanged: ValueError if an offset cannot have a
   probe, or MemoryError. */
PyAPI_FUNC(int) PyCode_SetProbes(PyCodeObject *code, PyCodeProbe_Func func,
                                 void *data, const int *offsets, Py_ssize_t n);

/* Return the data of the probes in code and, if func is not NULL, their function in
   *func; NULL for both if there are none. */
PyAPI_FUNC(void *) PyCode_GetProbes(PyCodeObject *code, PyCodeProbe_Func *func);

/* Put the probes back that func had removed. */
PyAPI_FUNC(void) PyCode_RestoreProbes(PyCodeObject *code);

/* Called before a code object is executed, once for each since the watch was set.
   May run any code.  Return 0, or -1 with an exception set, which is raised where
   the code was to be executed; then it is called for that again. */
typedef int (*PyCodeWatch_Func)(PyObject *obj, PyCodeObject *code);

/* Have func called with obj for each code object that the current interpreter
   begins or resumes to execute, in whichever thread; but not for code that has
   probes or has already run so often that it is specialized, for what func runs
   itself, nor while the interpreter ends.  With func == NULL, for none. */
PyAPI_FUNC(void) PyEval_SetCodeWatch(PyCodeWatch_Func func, PyObject *obj);

/* Return the obj of the watch, a borrowed reference, and, if func is not NULL, its
   function in *func; NULL for both if there is none. */
PyAPI_FUNC(PyObject *) PyEval_GetCodeWatch(PyCodeWatch_Func *func);

#ifdef __cplusplus
}
#endif
#endif  /* !Py_CPYTHON_CODEPROBES_H */
