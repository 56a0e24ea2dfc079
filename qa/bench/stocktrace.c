/* A C trace function that does nothing, called for every opcode in the way
   that stock CPython offers: frame.f_trace_opcodes.  measure.py compiles it
   for the interpreter that the fork is compared with. */

#define Py_BUILD_CORE_MODULE 1
#include "Python.h"
#include "internal/pycore_frame.h"

static int
ignore_opcode(PyObject *obj, PyFrameObject *frame, int what, PyObject *arg)
{
    if (what == PyTrace_CALL) {
        // The attributes themselves, so that the time is that of the events
        // and not of setting them.
        frame->f_trace_opcodes = 1;
        frame->f_trace_lines = 0;
    }
    return 0;
}

static PyObject *
trace_opcodes(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    PyEval_SetTrace(ignore_opcode, Py_None);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"trace_opcodes", trace_opcodes, METH_NOARGS},
    {NULL, NULL}
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "stocktrace",
    .m_methods = methods,
};

PyMODINIT_FUNC
PyInit_stocktrace(void)
{
    return PyModule_Create(&module);
}
