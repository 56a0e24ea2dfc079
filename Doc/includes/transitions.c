#include <Python.h>

/* The trace function.  'transitions' is the set that it adds to. */
static int
trace(PyObject *transitions, PyFrameObject *frame, int what, PyObject *arg)
{
    if (what != PyTrace_INSTRUCTION) {
        return 0;
    }
    PyObject *transition = Py_BuildValue("(NOi)", PyFrame_GetCode(frame),
                                         arg, PyFrame_GetLasti(frame));
    if (transition == NULL) {
        return -1;
    }
    int err = PySet_Add(transitions, transition);
    Py_DECREF(transition);
    return err;
}

static PyObject *
collect(PyObject *module, PyObject *args)
{
    if (PyTuple_GET_SIZE(args) == 0) {
        PyErr_SetString(PyExc_TypeError, "collect() needs a function");
        return NULL;
    }
    PyObject *func = PyTuple_GET_ITEM(args, 0);
    PyObject *func_args = PyTuple_GetSlice(args, 1, PyTuple_GET_SIZE(args));
    PyObject *transitions = PySet_New(NULL);
    if (func_args == NULL || transitions == NULL) {
        goto error;
    }

    Py_tracefunc old_func;
    PyObject *old_obj;
    PyTraceState old_state = PyTraceState_INIT;
    if (PyEval_GetTraceState(&old_func, &old_obj, &old_state) < 0) {
        goto error;
    }

    PyTraceState state = PyTraceState_INIT;
    state.trace_lines = 0;
    state.trace_instructions = 1;
    if (PyEval_SetTraceState(trace, transitions, &state) < 0) {
        Py_XDECREF(old_obj);
        goto error;
    }
    PyObject *result = PyObject_CallObject(func, func_args);

    // Restore the state even after an exception, and keep the exception.
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (PyEval_SetTraceState(old_func, old_obj, &old_state) < 0) {
        PyErr_WriteUnraisable(func);
    }
    PyErr_Restore(type, value, traceback);
    Py_XDECREF(old_obj);

    if (result == NULL) {
        goto error;
    }
    Py_DECREF(result);
    Py_DECREF(func_args);
    return transitions;

error:
    Py_XDECREF(func_args);
    Py_XDECREF(transitions);
    return NULL;
}

static PyMethodDef methods[] = {
    {"collect", collect, METH_VARARGS,
     "collect(func, *args): call func and return its transitions."},
    {NULL, NULL, 0, NULL}
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "transitions", NULL, 0, methods
};

PyMODINIT_FUNC
PyInit_transitions(void)
{
    return PyModule_Create(&module);
}
