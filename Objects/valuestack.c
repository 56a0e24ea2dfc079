/* frame.f_valuestack and frame.f_localvalues, the values that a frame holds as
   tuples, and sys.stack_null, which represents an empty slot in them. */

#include "Python.h"
#include "pycore_code.h"          // _PyLocals_GetKind()
#include "pycore_frame.h"         // _PyInterpreterFrame
#include "pycore_valuestack.h"


/* --- sys.stack_null ---------------------------------------------------- */

static PyObject *
stack_null_repr(PyObject *self)
{
    return PyUnicode_FromString("<NULL>");
}

/* Reduced to its name in sys, so that copying and unpickling return the same
   object. */
static PyObject *
stack_null_reduce(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyUnicode_FromString("stack_null");
}

static PyMethodDef stack_null_methods[] = {
    {"__reduce__", stack_null_reduce, METH_NOARGS, NULL},
    {NULL, NULL}
};

PyDoc_STRVAR(stack_null_doc,
"The type of sys.stack_null, which represents an empty slot of a value stack.");

// In the list of static types in Objects/object.c, for its finalization.
PyTypeObject _PyStackNull_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "stack_null_type",
    .tp_basicsize = sizeof(PyObject),
    .tp_repr = stack_null_repr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_doc = stack_null_doc,
    .tp_methods = stack_null_methods,
};

/* Shared by all interpreters, like None. */
static PyObject stack_null = {
    _PyObject_EXTRA_INIT
    1, &_PyStackNull_Type
};

int
_PyValueStack_Init(PyObject *sysmod)
{
    return PyModule_AddObjectRef(sysmod, "stack_null", &stack_null);
}


/* --- frame.f_valuestack ------------------------------------------------ */

/* Return the number of values, or -1 while the frame is running and only the
   eval loop knows the stack pointer. */
static Py_ssize_t
depth(_PyInterpreterFrame *frame)
{
    if (frame->stacktop < 0) {
        return -1;
    }
    // A cleared frame has no locals either.
    return Py_MAX(frame->stacktop - frame->f_code->co_nlocalsplus, 0);
}

PyObject *
_PyValueStack_Get(PyFrameObject *f, void *Py_UNUSED(closure))
{
    for (;;) {
        Py_ssize_t size = depth(f->f_frame);
        if (size < 0) {
            PyErr_SetString(PyExc_RuntimeError,
                            "the value stack of a running frame is known only "
                            "to a trace function called for that frame");
            return NULL;
        }
        PyObject *result = PyTuple_New(size);
        if (result == NULL) {
            return NULL;
        }
        // This may have run the garbage collector, and so any code: the frame
        // may have continued or ended.  Nothing below runs code.
        if (depth(f->f_frame) != size) {
            Py_DECREF(result);
            continue;
        }
        PyObject **base = _PyFrame_Stackbase(f->f_frame);
        for (Py_ssize_t i = 0; i < size; i++) {
            PyObject *value = base[i] != NULL ? base[i] : &stack_null;
            PyTuple_SET_ITEM(result, i, Py_NewRef(value));
        }
        return result;
    }
}


/* --- frame.f_localvalues ----------------------------------------------- */

/* Unlike frame.f_locals, this leaves the dictionary that locals() returned to
   the program alone, and nothing is written back to the variables. */
PyObject *
_PyLocalValues_Get(PyFrameObject *f, void *Py_UNUSED(closure))
{
    PyCodeObject *code = f->f_frame->f_code;
    int size = code->co_nlocalsplus;
    PyObject *result = PyTuple_New(size);
    if (result == NULL) {
        return NULL;
    }
    // That may have run any code, which may have moved f->f_frame.
    PyObject **variables = f->f_frame->localsplus;
    for (int i = 0; i < size; i++) {
        PyObject *value = variables[i];
        _PyLocals_Kind kind = _PyLocals_GetKind(code->co_localspluskinds, i);
        if (kind & (CO_FAST_CELL | CO_FAST_FREE) && value != NULL
            && PyCell_Check(value))
        {
            value = PyCell_GET(value);
        }
        PyTuple_SET_ITEM(result, i,
                         Py_NewRef(value != NULL ? value : &stack_null));
    }
    return result;
}
