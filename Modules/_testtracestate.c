/* For tests of the C API in Include/cpython/tracestate.h: a trace function in
   C that appends its arguments to a list. */

#ifndef Py_BUILD_CORE_BUILTIN
#  define Py_BUILD_CORE_MODULE 1
#endif
#include "Python.h"
#include "pycore_framejump.h"     // _PyFrame_StackModel()
#include <stddef.h>               // offsetof()

/* obj is the list. */
static int
record(PyObject *obj, PyFrameObject *frame, int what, PyObject *arg)
{
    if (what == PyTrace_EXCEPTION || what == PyTrace_RETURN) {
        arg = Py_None;          // it would keep frames alive
    }
    PyCodeObject *code = PyFrame_GetCode(frame);
    PyObject *event = Py_BuildValue("(OiiO)", code->co_name, what,
                                    PyFrame_GetLasti(frame),
                                    arg != NULL ? arg : Py_None);
    Py_DECREF(code);
    if (event == NULL) {
        return -1;
    }
    int err = PyList_Append(obj, event);
    Py_DECREF(event);
    return err;
}

/* obj is the number of the event for which to fail, with a return value other
   than the usual -1. */
static int
fail(PyObject *obj, PyFrameObject *frame, int what, PyObject *arg)
{
    if (what != PyLong_AsLong(obj)) {
        return 0;
    }
    PyEval_SetTrace(NULL, NULL);
    PyErr_SetString(PyExc_LookupError, "the trace function fails");
    return 1;
}

static PyObject *
settracestate_failing(PyObject *module, PyObject *what)
{
    PyTraceState state = PyTraceState_INIT;
    state.trace_instructions = state.trace_branches = 1;
    if (PyEval_SetTraceState(fail, what, &state) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Does nothing, for measurements. */
static int
ignore(PyObject *obj, PyFrameObject *frame, int what, PyObject *arg)
{
    return 0;
}

static int
parse_state(PyObject *args, PyObject *kwargs, PyTraceState *state,
            PyObject **obj)
{
    static char *keywords[] = {
        "events", "trace_lines", "trace_instructions", "trace_branches",
        "opcode", NULL,
    };
    int opcode = -1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$pppi", keywords, obj,
                                     &state->trace_lines,
                                     &state->trace_instructions,
                                     &state->trace_branches, &opcode))
    {
        return 0;
    }
    if (opcode >= 0) {
        state->filter_instructions = 1;
        PyTraceState_FILTER_ADD(state, opcode);
    }
    return 1;
}

static PyObject *
set_state(PyObject *args, PyObject *kwargs,
          int (*set)(Py_tracefunc, PyObject *, const PyTraceState *))
{
    PyTraceState state = PyTraceState_INIT;
    PyObject *obj;
    if (!parse_state(args, kwargs, &state, &obj)) {
        return NULL;
    }
    int err;
    if (obj == Py_None) {
        err = set(NULL, NULL, &state);
    }
    else if (PyList_Check(obj)) {
        err = set(record, obj, &state);
    }
    else {
        err = set(ignore, obj, &state);
    }
    if (err < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
settracestate(PyObject *module, PyObject *args, PyObject *kwargs)
{
    return set_state(args, kwargs, PyEval_SetTraceState);
}

static PyObject *
settracestate_all_threads(PyObject *module, PyObject *args, PyObject *kwargs)
{
    return set_state(args, kwargs, PyEval_SetTraceStateAllThreads);
}

static PyObject *
settracestate_null(PyObject *module, PyObject *events)
{
    if (PyEval_SetTraceState(record, events, NULL) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Like a caller that was compiled when trace_lines was the last field. */
static PyObject *
settracestate_old(PyObject *module, PyObject *events)
{
    PyTraceState state = PyTraceState_INIT;
    state.struct_size = offsetof(PyTraceState, trace_instructions);
    state.trace_lines = 0;
    state.trace_instructions = 1;
    if (PyEval_SetTraceState(record, events, &state) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* PyEval_SetTrace() with the function of this module. */
static PyObject *
settrace(PyObject *module, PyObject *events)
{
    PyEval_SetTrace(PyList_Check(events) ? record : ignore, events);
    Py_RETURN_NONE;
}

/* settrace_from_outside(obj, thread_id=0, func=0): what debuggers do in a
   thread (0: this one) of a process to which they attach.  Return the old
   object and the address of the old function, to restore them the same way. */
static PyObject *
settrace_from_outside(PyObject *module, PyObject *args)
{
    PyObject *obj;
    unsigned long thread_id = 0;
    Py_ssize_t func = 0;
    if (!PyArg_ParseTuple(args, "O|kn", &obj, &thread_id, &func)) {
        return NULL;
    }
    PyThreadState *tstate = PyThreadState_Get();
    if (thread_id != 0) {
        tstate = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
        while (tstate != NULL && tstate->thread_id != thread_id) {
            tstate = PyThreadState_Next(tstate);
        }
        if (tstate == NULL) {
            PyErr_SetString(PyExc_ValueError, "no such thread");
            return NULL;
        }
    }
    PyObject *old = tstate->c_traceobj;
    Py_ssize_t old_func = (Py_ssize_t)tstate->c_tracefunc;
    tstate->c_traceobj = Py_NewRef(obj);
    tstate->c_tracefunc = func ? (Py_tracefunc)func : record;
    if (!tstate->tracing) {
        tstate->cframe->use_tracing = 255;
    }
    return Py_BuildValue("(Nn)", old != NULL ? old : Py_NewRef(Py_None),
                         old_func);
}

/* Return (whether the function is from this module, the object, trace_lines,
   trace_instructions, trace_branches, number of opcodes in the filter or
   -1). */
static PyObject *
gettracestate(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    PyTraceState state = PyTraceState_INIT;
    Py_tracefunc func;
    PyObject *obj;
    if (PyEval_GetTraceState(&func, &obj, &state) < 0) {
        return NULL;
    }
    if (obj == NULL) {
        obj = Py_NewRef(Py_None);
    }
    int filtered = state.filter_instructions ? 0 : -1;
    for (int opcode = 0; opcode < 256 && filtered >= 0; opcode++) {
        filtered += PyTraceState_FILTER_HAS(&state, opcode);
    }
    return Py_BuildValue("(iNiiii)", func == record || func == ignore, obj,
                         state.trace_lines, state.trace_instructions,
                         state.trace_branches, filtered);
}

static PyObject *
settracestate_unset(PyObject *module, PyObject *events)
{
    PyTraceState state = {0};
    if (PyEval_SetTraceState(record, events, &state) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
gettracestate_unset(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    PyTraceState state = {0};
    if (PyEval_GetTraceState(NULL, NULL, &state) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
stack_model(PyObject *module, PyObject *code)
{
    if (!PyCode_Check(code)) {
        PyErr_SetString(PyExc_TypeError, "not a code object");
        return NULL;
    }
    return _PyFrame_StackModel((PyCodeObject *)code);
}

/* An address in the C stack. */
static PyObject *
c_stack(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    char here;
    return PyLong_FromVoidPtr((void *)&here);
}

static PyMethodDef methods[] = {
    {"c_stack", c_stack, METH_NOARGS},
    {"settracestate", (PyCFunction)(void(*)(void))settracestate,
     METH_VARARGS | METH_KEYWORDS},
    {"settracestate_all_threads",
     (PyCFunction)(void(*)(void))settracestate_all_threads,
     METH_VARARGS | METH_KEYWORDS},
    {"settracestate_null", settracestate_null, METH_O},
    {"settracestate_old", settracestate_old, METH_O},
    {"settrace", settrace, METH_O},
    {"settrace_from_outside", settrace_from_outside, METH_VARARGS},
    {"gettracestate", gettracestate, METH_NOARGS},
    {"settracestate_failing", settracestate_failing, METH_O},
    {"settracestate_unset", settracestate_unset, METH_O},
    {"stack_model", stack_model, METH_O},
    {"gettracestate_unset", gettracestate_unset, METH_NOARGS},
    {NULL, NULL}
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_testtracestate",
    .m_methods = methods,
};

PyMODINIT_FUNC
PyInit__testtracestate(void)
{
    PyObject *m = PyModule_Create(&module);
    if (m != NULL
        && (PyModule_AddIntConstant(m, "PyTrace_INSTRUCTION",
                                    PyTrace_INSTRUCTION) < 0
            || PyModule_AddIntConstant(m, "PyTrace_BRANCH",
                                       PyTrace_BRANCH) < 0))
    {
        Py_CLEAR(m);
    }
    return m;
}
