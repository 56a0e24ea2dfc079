/* The value stack of a frame as a tuple, and the object that stands in it for
   an empty slot. */

#include "Python.h"
#include "pycore_frame.h"         // _PyInterpreterFrame
#include "pycore_valuestack.h"


/* --- sys.stack_null ---------------------------------------------------- */

static PyObject *
stack_null_repr(PyObject *self)
{
    return PyUnicode_FromString("<NULL>");
}

/* By its name, so that a copy and a pickled one are the same object. */
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
"The type of sys.stack_null, which stands for an empty slot of a value stack.");

// Among the static types of Objects/object.c, which the interpreter frees.
PyTypeObject _PyStackNull_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "stack_null_type",
    .tp_basicsize = sizeof(PyObject),
    .tp_repr = stack_null_repr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_doc = stack_null_doc,
    .tp_methods = stack_null_methods,
};

/* One for all interpreters, as None is. */
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

/* The number of values, or -1 while the frame runs and the eval loop alone
   knows. */
static Py_ssize_t
depth(_PyInterpreterFrame *frame)
{
    if (frame->stacktop < 0) {
        return -1;
    }
    // A cleared frame does not even have its locals.
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
        // That may have run the garbage collector, and so anything at all: the
        // frame may have run on or ended.  Nothing below runs code.
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
