/* _codeblocks: the base class of codeblocks.EdgeRecorder, which is documented
   in Doc/library/codeblocks.rst.

   The trace function is written in C and asks for 'branch' events only, so
   that no Python code runs when an edge is recorded. */

#ifndef Py_BUILD_CORE_BUILTIN
#  define Py_BUILD_CORE_MODULE 1
#endif

#include "Python.h"
#include "pycore_hashtable.h"     // _Py_hashtable_t
#include "pycore_tracestate.h"    // _PyTraceState_InstallAllThreads()

typedef struct {
    int source;
    int target;
    uint64_t count;             // 0: the slot is free
} edge;

typedef struct {
    PyCodeObject *code;
    Py_ssize_t used;
    Py_ssize_t size;            // of edges, a power of two or 0
    edge *edges;                // a hash table with linear probing
} record;

typedef struct {
    PyObject_HEAD
    PyObject *select;           // NULL: all code objects
    unsigned int number;        // of the recorder, from 1
    int counts;
    int running;
    int lost;                   // an edge was lost for lack of memory
    _Py_hashtable_t *records;   // by the address of the code object, which
                                // they own; refused ones have none
    Py_ssize_t nrecords;
    record *last;               // the most recently used one
} recorder;

static unsigned int nrecorders;

/* --- Records ------------------------------------------------------------- */

static void
free_record(void *value)
{
    record *r = value;
    PyCodeObject *code = r->code;
    PyMem_RawFree(r->edges);
    PyMem_RawFree(r);
    Py_DECREF(code);
}

static edge *
find_edge(edge *edges, Py_ssize_t size, int source, int target)
{
    // Multiplicative hashing by 2**64 divided by the golden ratio.
    uint64_t key = (uint64_t)(unsigned int)source << 32 | (unsigned int)target;
    uint64_t hash = key * UINT64_C(0x9E3779B97F4A7C15);
    Py_ssize_t i = (Py_ssize_t)(hash >> 32) & (size - 1);
    while (edges[i].count != 0
           && (edges[i].source != source || edges[i].target != target))
    {
        i = (i + 1) & (size - 1);
    }
    return &edges[i];
}

static int
grow(record *r)
{
    Py_ssize_t size = r->size ? 2 * r->size : 8;
    edge *edges = PyMem_RawCalloc(size, sizeof(edge));
    if (edges == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < r->size; i++) {
        edge *old = &r->edges[i];
        if (old->count != 0) {
            *find_edge(edges, size, old->source, old->target) = *old;
        }
    }
    PyMem_RawFree(r->edges);
    r->edges = edges;
    r->size = size;
    return 0;
}

static void
add_edge(recorder *self, record *r, int source, int target)
{
    if (2 * r->used >= r->size && grow(r) < 0) {
        self->lost = 1;
        return;
    }
    edge *e = find_edge(r->edges, r->size, source, target);
    if (e->count == 0) {
        r->used++;
        *e = (edge){source, target, 1};
    }
    else if (self->counts) {
        e->count++;
    }
}

/* Return the record of a code object; call self->select if there is none.
   Return NULL with an exception set if that fails, or NULL without an
   exception if it refuses the code object or there is no memory. */
static record *
get_record(recorder *self, PyCodeObject *code)
{
    if (self->last != NULL && self->last->code == code) {
        return self->last;
    }
    record *r = _Py_hashtable_get(self->records, code);
    if (r == NULL) {
        _PyCodeBlocks *blocks = (_PyCodeBlocks *)_PyCodeBlocks_Peek(code);
        if (blocks != NULL && blocks->refused == self->number) {
            return NULL;
        }
        if (self->select != NULL) {
            PyObject *select = Py_NewRef(self->select);
            PyObject *answer = PyObject_CallOneArg(select, (PyObject *)code);
            Py_DECREF(select);
            if (answer == NULL) {
                return NULL;
            }
            int selected = PyObject_IsTrue(answer);
            Py_DECREF(answer);
            if (selected == 0 && blocks != NULL) {
                blocks->refused = self->number;
            }
            if (selected <= 0) {
                return NULL;
            }
            // Meanwhile, another thread may have added it.
            r = _Py_hashtable_get(self->records, code);
            if (r != NULL) {
                return self->last = r;
            }
        }
        r = PyMem_RawCalloc(1, sizeof(record));
        if (r == NULL) {
            self->lost = 1;
            return NULL;
        }
        r->code = (PyCodeObject *)Py_NewRef(code);
        if (_Py_hashtable_set(self->records, code, r) < 0) {
            free_record(r);
            self->lost = 1;
            return NULL;
        }
        self->nrecords++;
    }
    return self->last = r;
}


/* --- The trace function -------------------------------------------------- */

static int trace(PyObject *obj, PyFrameObject *frame, int what, PyObject *arg);

/* Does the recorder trace this thread?  Return -1 with an exception set on
   error. */
static int
is_installed(recorder *self)
{
    Py_tracefunc func;
    PyObject *obj;
    if (PyEval_GetTraceState(&func, &obj, NULL) < 0) {
        return -1;
    }
    Py_XDECREF(obj);            // the thread state has a reference
    return func == trace && obj == (PyObject *)self;
}

static int
install(recorder *self, int all_threads)
{
    PyTraceState state = PyTraceState_INIT;
    state.trace_lines = 0;
    state.trace_branches = 1;
    return all_threads
        ? _PyTraceState_InstallAllThreads(trace, (PyObject *)self, &state)
        : PyEval_SetTraceState(trace, (PyObject *)self, &state);
}

static int
trace(PyObject *obj, PyFrameObject *frame, int what, PyObject *arg)
{
    recorder *self = (recorder *)obj;
    if (!self->running) {
        // Another thread has stopped it.
        _PyTraceState_TryRemove();
        return 0;
    }
    if (what != PyTrace_BRANCH) {
        return 0;
    }
    int source = (int)PyLong_AsLong(PyTuple_GET_ITEM(arg, 0));
    int target = (int)PyLong_AsLong(PyTuple_GET_ITEM(arg, 1));
    PyCodeObject *code = PyFrame_GetCode(frame);
    record *r = get_record(self, code);
    Py_DECREF(code);            // the frame has a reference
    if (r == NULL) {
        if (!PyErr_Occurred()) {
            return 0;
        }
        // Like a trace function in Python, it is removed if it raises.
        _PyTraceState_TryRemove();
        return -1;
    }
    add_edge(self, r, source, target);
    return 0;
}


/* --- The type ------------------------------------------------------------ */

static PyObject *
recorder_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    static char *keywords[] = {"select", "counts", NULL};
    PyObject *select = Py_None;
    int counts = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "|O$p:EdgeRecorder", keywords,
                                     &select, &counts))
    {
        return NULL;
    }
    if (select != Py_None && !PyCallable_Check(select)) {
        return PyErr_Format(PyExc_TypeError,
                            "select must be callable or None, not %.200s",
                            Py_TYPE(select)->tp_name);
    }
    recorder *self = (recorder *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->records = _Py_hashtable_new_full(
        _Py_hashtable_hash_ptr, _Py_hashtable_compare_direct, NULL,
        free_record, NULL);
    if (self->records == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    self->select = select == Py_None ? NULL : Py_NewRef(select);
    self->counts = counts;
    self->number = ++nrecorders;
    return (PyObject *)self;
}

static int
visit_record(_Py_hashtable_t *records, const void *key, const void *value,
             void *context)
{
    void **how = context;
    return ((visitproc)how[0])((PyObject *)((record *)value)->code, how[1]);
}

static int
recorder_traverse(recorder *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->select);
    if (self->records != NULL) {
        void *how[] = {(void *)visit, arg};
        return _Py_hashtable_foreach(self->records, visit_record, how);
    }
    return 0;
}

static int
recorder_clear(recorder *self)
{
    Py_CLEAR(self->select);
    return 0;
}

static void
recorder_dealloc(recorder *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_CLEAR(self->select);
    _Py_hashtable_t *records = self->records;
    if (records != NULL) {
        _Py_hashtable_destroy(records);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(install_doc,
"_install($self, /)\n--\n\n"
"Start recording in all threads, including those started later.");

static PyObject *
recorder_install(recorder *self, PyObject *Py_UNUSED(ignored))
{
    int running = self->running;
    self->running = 1;
    if (install(self, 1) < 0) {
        self->running = running;
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(uninstall_doc,
"_uninstall($self, /)\n--\n\n"
"Stop recording.  Other threads stop at their next event.");

static PyObject *
recorder_uninstall(recorder *self, PyObject *Py_UNUSED(ignored))
{
    int installed = is_installed(self);
    if (installed < 0
        || (installed && PyEval_SetTraceState(NULL, NULL, NULL) < 0))
    {
        return NULL;
    }
    self->running = 0;
    if (_PyTraceState_RemoveFromThreading((PyObject *)self) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Called as a trace function in Python, in a thread that starts, or after a
   saved trace state was restored: install the trace function in C. */
static PyObject *
recorder_call(recorder *self, PyObject *args, PyObject *kwds)
{
    PyObject *frame, *event, *arg;
    if (!PyArg_ParseTuple(args, "O!UO:EdgeRecorder", &PyFrame_Type, &frame,
                          &event, &arg))
    {
        return NULL;
    }
    if (!self->running) {
        _PyTraceState_TryRemove();
    }
    else if (install(self, 0) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static int
list_record(_Py_hashtable_t *records, const void *key, const void *value,
            void *context)
{
    const record ***next = context;
    *(*next)++ = value;
    return 0;
}

/* Return a dict of the edges of a record.  They are copied first, because
   creating objects can run the garbage collector, and so code that is
   recorded too. */
static PyObject *
edges_of(const record *r)
{
    Py_ssize_t size = r->size;
    edge *edges = PyMem_RawMalloc(size * sizeof(edge));
    if (edges == NULL) {
        return PyErr_NoMemory();
    }
    memcpy(edges, r->edges, size * sizeof(edge));
    PyObject *found = PyDict_New();
    for (Py_ssize_t i = 0; found != NULL && i < size; i++) {
        if (edges[i].count == 0) {
            continue;
        }
        PyObject *key = Py_BuildValue("ii", edges[i].source, edges[i].target);
        PyObject *count = PyLong_FromUnsignedLongLong(edges[i].count);
        if (key == NULL || count == NULL
            || PyDict_SetItem(found, key, count) < 0)
        {
            Py_CLEAR(found);
        }
        Py_XDECREF(key);
        Py_XDECREF(count);
    }
    PyMem_RawFree(edges);
    return found;
}

PyDoc_STRVAR(edges_doc,
"edges($self, /)\n--\n\n"
"Return the recorded edges: a list of (code, {(source, target): count}).\n\n"
"It contains the code objects in which at least one edge was taken.  source and\n"
"target are byte offsets as in codeblocks.Edge; source is -1 for the entry of\n"
"the code.  If the recorder does not count, each count is 1.  Raise MemoryError\n"
"if an edge was not recorded for lack of memory.");

static PyObject *
recorder_edges(recorder *self, PyObject *Py_UNUSED(ignored))
{
    if (self->lost) {
        return PyErr_NoMemory();
    }
    // A record lives as long as the recorder.
    Py_ssize_t n = self->nrecords;
    const record **records = PyMem_RawMalloc((n + 1) * sizeof(record *));
    if (records == NULL) {
        return PyErr_NoMemory();
    }
    const record **next = records;
    (void)_Py_hashtable_foreach(self->records, list_record, &next);
    PyObject *list = PyList_New(0);
    for (Py_ssize_t i = 0; list != NULL && i < n; i++) {
        if (records[i]->used == 0) {
            continue;
        }
        PyObject *edges = edges_of(records[i]);
        PyObject *item = edges == NULL
            ? NULL : Py_BuildValue("ON", records[i]->code, edges);
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    PyMem_RawFree(records);
    return list;
}

static int
clear_record(_Py_hashtable_t *records, const void *key, const void *value,
             void *context)
{
    record *r = (record *)value;
    if (r->used != 0) {
        r->used = 0;
        memset(r->edges, 0, r->size * sizeof(edge));
    }
    return 0;
}

PyDoc_STRVAR(clear_doc,
"clear($self, /)\n--\n\n"
"Forget the recorded edges.  select is not called again.");

static PyObject *
recorder_clear_edges(recorder *self, PyObject *Py_UNUSED(ignored))
{
    self->lost = 0;
    (void)_Py_hashtable_foreach(self->records, clear_record, NULL);
    Py_RETURN_NONE;
}

static PyMethodDef recorder_methods[] = {
    {"_install", (PyCFunction)recorder_install, METH_NOARGS, install_doc},
    {"_uninstall", (PyCFunction)recorder_uninstall, METH_NOARGS,
     uninstall_doc},
    {"edges", (PyCFunction)recorder_edges, METH_NOARGS, edges_doc},
    {"clear", (PyCFunction)recorder_clear_edges, METH_NOARGS, clear_doc},
    {NULL}
};

static PyType_Slot recorder_slots[] = {
    {Py_tp_new, recorder_new},
    {Py_tp_dealloc, recorder_dealloc},
    {Py_tp_traverse, recorder_traverse},
    {Py_tp_clear, recorder_clear},
    {Py_tp_call, recorder_call},
    {Py_tp_methods, recorder_methods},
    {0, NULL}
};

static PyType_Spec recorder_spec = {
    .name = "_codeblocks.EdgeRecorder",
    .basicsize = sizeof(recorder),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = recorder_slots,
};

static int
exec_module(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &recorder_spec, NULL);
    int err = type == NULL ? -1
                           : PyModule_AddType(module, (PyTypeObject *)type);
    Py_XDECREF(type);
    return err;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, exec_module},
    {0, NULL}
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_codeblocks",
    .m_slots = module_slots,
};

PyMODINIT_FUNC
PyInit__codeblocks(void)
{
    return PyModuleDef_Init(&module_def);
}
