#ifndef Py_INTERNAL_VALUESTACK_H
#define Py_INTERNAL_VALUESTACK_H
#ifdef __cplusplus
extern "C" {
#endif

#ifndef Py_BUILD_CORE
#  error "this header requires Py_BUILD_CORE define"
#endif

extern PyTypeObject _PyStackNull_Type;

/* Called once for each interpreter, with its sys module: adds
   sys.stack_null. */
extern int _PyValueStack_Init(PyObject *sysmod);

/* The getter of frame.f_valuestack: a new tuple, deepest value first, in which
   sys.stack_null represents NULL.  Return NULL with RuntimeError set if the
   frame is running and its stack is not known. */
extern PyObject *_PyValueStack_Get(PyFrameObject *f, void *closure);

/* The getter of frame.f_localvalues: a new tuple with the values of
   co_varnames, co_cellvars that are not arguments, and co_freevars, in which
   sys.stack_null represents a variable without a value. */
extern PyObject *_PyLocalValues_Get(PyFrameObject *f, void *closure);

#ifdef __cplusplus
}
#endif
#endif  /* !Py_INTERNAL_VALUESTACK_H */
