/* codeblocks.EdgeRecorder, which also counts instructions for lltrace.  See
   Doc/library/codeblocks.rst.

   It reads what the interpreter records (Python/recording.c), so that nothing
   is called when an edge is taken. */

#ifndef Py_BUILD_CORE_BUILTIN
#  define Py_BUILD_CORE_MODULE 1
#endif

#include "Python.h"
#include "pycore_code.h"          // _PyCode_CODE()
#include "pycore_codeblocks.h"    // _PyCodeBlocks_Source()
#include "pycore_recording.h"     // _PyRecorder
#include <stddef.h>               // offsetof()

/* A hash table with linear probing counts the entries of the rings.  Several
   entries can stand for one edge: a frame that is traced finds the instruction
   before in another way. */
typedef struct {
    _Py_CODEUNIT *from;
    _Py_CODEUNIT *to;           // NULL: the slot is free
    uint64_t count;
    Py_ssize_t edge;            // an index, or REFUSED
} slot;

/* 'select' has refused the code object, which another recorder records. */
#define REFUSED -1

/* From an instruction to the one that was executed next.  It is an edge
   between basic blocks if a block starts there. */
typedef struct {
    PyCodeObject *code;         // of the recorder's set
    int source;                 // code units; -1 for the entry
    int target;
    int is_leader;
} edge;

typedef struct {
    PyObject_HEAD
    _PyRecorder recorder;
    PyObject *select;           // NULL: all code objects
    unsigned int number;        // of the recorder, from 1
    int counts;
    int instructions;           // to be counted, too
    _PyRecordedCode codes;      // that were selected
    Py_ssize_t size;            // of slots: a power of two
    Py_ssize_t used;
    Py_ssize_t nrefused;
    slot *slots;
    edge *edges;                // in the order in which they were first taken
    Py_ssize_t nedges;
    Py_ssize_t edges_size;
    Py_ssize_t harvested;       // that harvest() has returned
} edge_recorder;

#define MIN_SLOTS 1024

static unsigned int nrecorders;


/* --- Reading ------------------------------------------------------------- */

static inline slot *
find_slot(slot *slots, Py_ssize_t size, _Py_CODEUNIT *from, _Py_CODEUNIT *to)
{
    // Multiplicative hashing by 2**64 divided by the golden ratio.
    uint64_t key = (uint64_t)(uintptr_t)from * 31 + (uint64_t)(uintptr_t)to;
    uint64_t hash = key * UINT64_C(0x9E3779B97F4A7C15);
    Py_ssize_t i = (Py_ssize_t)(hash >> 32) & (size - 1);
    while (slots[i].to != NULL
           && (slots[i].from != from || slots[i].to != to))
    {
        i = (i + 1) & (size - 1);
    }
    return &slots[i];
}

/* Move the slots to a table of another size, without those from 'start' to
   before 'end' that are refused. */
static int
resize(edge_recorder *self, Py_ssize_t size, _Py_CODEUNIT *start,
       _Py_CODEUNIT *end)
{
    slot *slots = PyMem_RawCalloc(size, sizeof(slot));
    if (slots == NULL) {
        return -1;
    }
    self->used = self->nrefused = 0;
    for (Py_ssize_t i = 0; i < self->size; i++) {
        slot *old = &self->slots[i];
        if (old->to == NULL
            || (old->edge == REFUSED && start <= old->to && old->to < end))
        {
            continue;
        }
        *find_slot(slots, size, old->from, old->to) = *old;
        self->used++;
        self->nrefused += old->edge == REFUSED;
    }
    PyMem_RawFree(self->slots);
    self->slots = slots;
    self->size = size;
    return 0;
}

static slot *
add_slot(edge_recorder *self, _Py_CODEUNIT *from, _Py_CODEUNIT *to,
         Py_ssize_t index)
{
    if (2 * self->used >= self->size
        && resize(self, 2 * self->size, NULL, NULL) < 0)
    {
        return NULL;
    }
    slot *s = find_slot(self->slots, self->size, from, to);
    *s = (slot){from, to, 0, index};
    self->used++;
    self->nrefused += index == REFUSED;
    return s;
}

static slot *
add_edge(edge_recorder *self, PyCodeObject *code, _Py_CODEUNIT *from,
         _Py_CODEUNIT *to)
{
    int target = (int)(to - _PyCode_CODE(code));
    int source = (int)(from - _PyCode_CODE(code));
    if (source < code->_co_firsttraceable) {
        source = -1;
        from = _PyCode_CODE(code) - 1;
    }
    else {
        source = _PyCodeBlocks_Source(code, source, target);
        from = _PyCode_CODE(code) + _PyCodeBlocks_Operation(code, source);
    }
    slot *s = find_slot(self->slots, self->size, from, to);
    if (s->to != NULL) {
        return s;
    }
    if (self->nedges == self->edges_size) {
        Py_ssize_t size = self->edges_size ? 2 * self->edges_size : 256;
        edge *edges = PyMem_RawRealloc(self->edges, size * sizeof(edge));
        if (edges == NULL) {
            return NULL;
        }
        self->edges = edges;
        self->edges_size = size;
    }
    s = add_slot(self, from, to, self->nedges);
    if (s != NULL) {
        self->edges[self->nedges++] = (edge){
            code, source, target,
            _PyCodeBlocks_Peek(code)->units[target] & _PyCodeBlocks_LEADER
        };
    }
    return s;
}

/* An entry that has no slot. */
static void
add_entry(edge_recorder *self, _Py_CODEUNIT *from, _Py_CODEUNIT *to)
{
    Py_ssize_t i = _PyRecordedCode_Find(&self->codes, to);
    slot *s;
    if (i < 0) {
        s = add_slot(self, from, to, REFUSED);
    }
    else {
        s = add_edge(self, self->codes.codes[i], from, to);
        if (s != NULL && s->from != from) {
            s = add_slot(self, from, to, s->edge);
        }
    }
    if (s == NULL) {
        self->recorder.lost = 1;
        return;
    }
    s->count++;
}

#define SELF(r) ((edge_recorder *)((char *)(r) \
                                   - offsetof(edge_recorder, recorder)))

static void
read_entries(_PyRecorder *recorder, _PyRecordEntry *entry,
             _PyRecordEntry *end)
{
    edge_recorder *self = SELF(recorder);
    for (; entry != end; entry++) {
        if (!_PyRecordEntry_IS_LEADER(entry) && !self->instructions) {
            continue;
        }
        _Py_CODEUNIT *to = _PyRecordEntry_TO(entry);
        slot *s = find_slot(self->slots, self->size, entry->from, to);
        if (s->to != NULL) {
            s->count++;
        }
        else {
            add_entry(self, entry->from, to);
        }
    }
}

/* Call self->select(code). */
static int
call_select(edge_recorder *self, PyCodeObject *code)
{
    PyThreadState *tstate = PyThreadState_Get();
    PyObject *select = Py_NewRef(self->select);
    PyThreadState_EnterTracing(tstate);
    PyObject *answer = PyObject_CallOneArg(select, (PyObject *)code);
    int selected = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    Py_DECREF(select);
    PyThreadState_LeaveTracing(tstate);
    return selected;
}

static int
select_code(_PyRecorder *recorder, PyCodeObject *code)
{
    edge_recorder *self = SELF(recorder);
    if (_PyRecordedCode_Has(&self->codes, code)) {
        return 1;
    }
    _PyCodeBlocks *blocks = (_PyCodeBlocks *)_PyCodeBlocks_Peek(code);
    if (blocks->refused == self->number) {
        return 0;
    }
    if (self->select != NULL) {
        Py_INCREF(self);
        int selected = call_select(self, code);
        if (selected == 0) {
            blocks->refused = self->number;
        }
        int added = _PyRecordedCode_Has(&self->codes, code);
        int running = recorder->running;
        Py_DECREF(self);
        if (selected <= 0 || added || !running) {
            return selected;
        }
    }
    // Entries of a code object that was freed can have its addresses.
    _PyRecording_Read();
    if ((self->nrefused != 0
         && resize(self, self->size, _PyCode_CODE(code),
                   _PyCode_CODE(code) + Py_SIZE(code)) < 0)
        || _PyRecordedCode_Add(&self->codes, code) < 0)
    {
        return _PyRecording_NO_MEMORY;
    }
    return 1;
}


/* --- The type ------------------------------------------------------------ */

static PyObject *
recorder_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    static char *keywords[] = {"select", "counts", "instructions", NULL};
    PyObject *select = Py_None;
    int counts = 0, instructions = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "|O$pp:EdgeRecorder",
                                     keywords, &select, &counts,
                                     &instructions))
    {
        return NULL;
    }
    if (select != Py_None && !PyCallable_Check(select)) {
        return PyErr_Format(PyExc_TypeError,
                            "select must be callable or None, not %.200s",
                            Py_TYPE(select)->tp_name);
    }
    edge_recorder *self = (edge_recorder *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->recorder.owner = (PyObject *)self;
    self->recorder.marks = _PyCodeBlocks_LEADER
                           | (instructions ? _PyCodeBlocks_INSIDE : 0);
    self->recorder.select = select_code;
    self->recorder.read = read_entries;
    self->select = select == Py_None ? NULL : Py_NewRef(select);
    self->counts = counts;
    self->instructions = instructions;
    self->number = ++nrecorders;
    self->size = MIN_SLOTS;
    self->slots = PyMem_RawCalloc(MIN_SLOTS, sizeof(slot));
    if (self->slots == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static int
recorder_traverse(edge_recorder *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->select);
    for (Py_ssize_t i = 0; i < self->codes.count; i++) {
        Py_VISIT(self->codes.codes[i]);
    }
    return 0;
}

static int
recorder_clear(edge_recorder *self)
{
    Py_CLEAR(self->select);
    return 0;
}

static void
recorder_dealloc(edge_recorder *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_CLEAR(self->select);
    PyMem_RawFree(self->slots);
    PyMem_RawFree(self->edges);
    _PyRecordedCode_Clear(&self->codes);
    type->tp_free(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(start_doc,
"start($self, /)\n--\n\n"
"Start recording in all threads of the interpreter.\n\n"
"Do nothing if the recorder is running.");

static PyObject *
recorder_start(edge_recorder *self, PyObject *Py_UNUSED(ignored))
{
    _PyRecorder *recorder = &self->recorder;
    if (recorder->running) {
        Py_RETURN_NONE;
    }
    if (PySys_Audit("sys.settrace", NULL) < 0) {
        return NULL;
    }
    // A hook may have started it.
    if (!recorder->running && _PyRecording_Start(recorder, 0) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(stop_doc,
"stop($self, /)\n--\n\n"
"Stop recording, and keep the edges recorded so far.");

static PyObject *
recorder_stop(edge_recorder *self, PyObject *Py_UNUSED(ignored))
{
    if (self->recorder.running) {
        _PyRecording_Stop(&self->recorder, 0);
    }
    Py_RETURN_NONE;
}

static PyObject *
recorder_enter(edge_recorder *self, PyObject *ignored)
{
    PyObject *result = recorder_start(self, NULL);
    Py_XDECREF(result);
    return result == NULL ? NULL : Py_NewRef(self);
}

static PyObject *
recorder_exit(edge_recorder *self, PyObject *Py_UNUSED(args))
{
    return recorder_stop(self, NULL);
}

typedef struct {
    edge edge;
    uint64_t count;
} found_edge;

/* What a list contains: with the code objects, */
typedef enum {
    COUNTED_EDGES,              // {(source, target): count}
    NEW_EDGES,                  // [(source, target), ...]
    COUNTED_INSTRUCTIONS        // {target: count}
} kind;

static int
add_count(PyObject *dict, PyObject *key, uint64_t count)
{
    PyObject *old = PyDict_GetItemWithError(dict, key);
    if (old != NULL) {
        count += PyLong_AsUnsignedLongLong(old);
    }
    else if (PyErr_Occurred()) {
        return -1;
    }
    PyObject *value = PyLong_FromUnsignedLongLong(count);
    int err = value == NULL ? -1 : PyDict_SetItem(dict, key, value);
    Py_XDECREF(value);
    return err;
}

/* The container of a code object, a borrowed reference; if there is none, add
   one to the list and the dict. */
static PyObject *
find_container(PyObject *list, PyObject *containers, PyCodeObject *code,
               kind what)
{
    PyObject *address = PyLong_FromVoidPtr(code);
    if (address == NULL) {
        return NULL;
    }
    PyObject *container = PyDict_GetItemWithError(containers, address);
    if (container == NULL && !PyErr_Occurred()) {
        container = what == NEW_EDGES ? PyList_New(0) : PyDict_New();
        PyObject *item = container == NULL
            ? NULL : Py_BuildValue("OO", code, container);
        int err = item == NULL || PyList_Append(list, item) < 0
                  || PyDict_SetItem(containers, address, container) < 0;
        Py_XDECREF(item);
        Py_XDECREF(container);  // the list has a reference
        if (err) {
            container = NULL;
        }
    }
    Py_DECREF(address);
    return container;
}

/* Return a list of (code, container) for n edges, in the order in which the
   code objects were first recorded. */
static PyObject *
list_edges(const found_edge *edges, Py_ssize_t n, kind what)
{
    const int unit = (int)sizeof(_Py_CODEUNIT);
    PyObject *list = PyList_New(0), *container = NULL;
    PyObject *containers = PyDict_New();    // by the address of the code
    PyCodeObject *code = NULL;
    if (containers == NULL) {
        Py_CLEAR(list);
    }
    for (Py_ssize_t i = 0; list != NULL && i < n; i++) {
        const edge *e = &edges[i].edge;
        if (!e->is_leader && what != COUNTED_INSTRUCTIONS) {
            continue;
        }
        if (e->code != code) {
            code = e->code;
            container = find_container(list, containers, code, what);
        }
        PyObject *key = NULL;
        if (container != NULL) {
            key = what == COUNTED_INSTRUCTIONS
                ? PyLong_FromLong(e->target * unit)
                : Py_BuildValue("ii", e->source < 0 ? -1 : e->source * unit,
                                e->target * unit);
        }
        if (key == NULL
            || (what == NEW_EDGES
                ? PyList_Append(container, key)
                : add_count(container, key, edges[i].count)) < 0)
        {
            Py_CLEAR(list);
        }
        Py_XDECREF(key);
    }
    Py_XDECREF(containers);
    return list;
}

/* List the edges from index 'first' on.  They are copied first, because
   creating objects can run the garbage collector, and so code that is recorded
   too.  Their code objects live as long as the recorder. */
static PyObject *
get_edges(edge_recorder *self, Py_ssize_t first, kind what)
{
    Py_ssize_t n = self->nedges - first;
    found_edge *edges = PyMem_RawCalloc(n + 1, sizeof(found_edge));
    if (edges == NULL) {
        return PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        edges[i].edge = self->edges[first + i];
    }
    for (Py_ssize_t i = 0; what != NEW_EDGES && i < self->size; i++) {
        slot *s = &self->slots[i];
        if (s->to != NULL && s->edge != REFUSED) {
            found_edge *e = &edges[s->edge];
            e->count = self->counts ? e->count + s->count : 1;
        }
    }
    PyObject *list = list_edges(edges, n, what);
    PyMem_RawFree(edges);
    return list;
}

/* Read what the threads have recorded until now. */
static int
update(edge_recorder *self)
{
    if (self->recorder.running) {
        _PyRecording_Read();
    }
    if (self->recorder.lost) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

PyDoc_STRVAR(edges_doc,
"edges($self, /)\n--\n\n"
"Return the recorded edges: a list of (code, {(source, target): count}).\n\n"
"It contains the code objects in which at least one edge was taken.  source and\n"
"target are byte offsets as in codeblocks.Edge; source is -1 for the entry of\n"
"the code.  If the recorder does not count, each count is 1.  Raise MemoryError\n"
"if an edge was not recorded for lack of memory.");

static PyObject *
recorder_edges(edge_recorder *self, PyObject *Py_UNUSED(ignored))
{
    return update(self) < 0 ? NULL : get_edges(self, 0, COUNTED_EDGES);
}

PyDoc_STRVAR(instructions_doc,
"instructions($self, /)\n--\n\n"
"Return how often each instruction was executed: a list of\n"
"(code, {offset: count}).  Raise ValueError if the recorder does not record\n"
"instructions, and MemoryError if one was not recorded for lack of memory.");

static PyObject *
recorder_instructions(edge_recorder *self, PyObject *Py_UNUSED(ignored))
{
    if (!self->instructions) {
        PyErr_SetString(PyExc_ValueError,
                        "create the recorder with instructions=True");
        return NULL;
    }
    return update(self) < 0 ? NULL
                            : get_edges(self, 0, COUNTED_INSTRUCTIONS);
}

PyDoc_STRVAR(harvest_doc,
"harvest($self, /)\n--\n\n"
"Return the edges that were taken for the first time since the last harvest: a\n"
"list of (code, [(source, target), ...]), with offsets as in edges().  Raise\n"
"MemoryError if an edge was not recorded for lack of memory.");

static PyObject *
recorder_harvest(edge_recorder *self, PyObject *Py_UNUSED(ignored))
{
    if (update(self) < 0) {
        return NULL;
    }
    Py_ssize_t first = self->harvested;
    if (first == self->nedges) {
        return PyList_New(0);
    }
    // First, because get_edges() may run any code.
    self->harvested = self->nedges;
    PyObject *list = get_edges(self, first, NEW_EDGES);
    if (list == NULL) {
        self->harvested = Py_MIN(first, self->harvested);
    }
    return list;
}

PyDoc_STRVAR(clear_doc,
"clear($self, /)\n--\n\n"
"Discard the recorded edges.  The results of select are kept.");

static PyObject *
recorder_clear_edges(edge_recorder *self, PyObject *Py_UNUSED(ignored))
{
    if (self->recorder.running) {
        _PyRecording_Read();
    }
    self->recorder.lost = 0;
    memset(self->slots, 0, self->size * sizeof(slot));
    self->used = self->nrefused = 0;
    self->nedges = self->harvested = 0;
    Py_RETURN_NONE;
}

static PyMethodDef recorder_methods[] = {
    {"start", (PyCFunction)recorder_start, METH_NOARGS, start_doc},
    {"stop", (PyCFunction)recorder_stop, METH_NOARGS, stop_doc},
    {"edges", (PyCFunction)recorder_edges, METH_NOARGS, edges_doc},
    {"instructions", (PyCFunction)recorder_instructions, METH_NOARGS,
     instructions_doc},
    {"harvest", (PyCFunction)recorder_harvest, METH_NOARGS, harvest_doc},
    {"clear", (PyCFunction)recorder_clear_edges, METH_NOARGS, clear_doc},
    {"__enter__", (PyCFunction)recorder_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)recorder_exit, METH_VARARGS, NULL},
    {NULL}
};

PyDoc_STRVAR(recorder_doc,
"EdgeRecorder(select=None, *, counts=False, instructions=False)\n--\n\n"
"Records the edges between basic blocks that are taken, in all threads.\n\n"
"select      a function that is called with a code object before its first edge\n"
"            is recorded, and returns whether to record its edges; None records\n"
"            all.  If it raises an exception, that is raised in place of\n"
"            executing the code, and select is called again the next time.\n"
"counts      whether to count how often each edge is taken\n"
"instructions\n"
"            whether to record each instruction, too: see instructions()\n\n"
"It is a context manager that records during the with statement.");

static PyType_Slot recorder_slots[] = {
    {Py_tp_doc, (void *)recorder_doc},
    {Py_tp_new, recorder_new},
    {Py_tp_dealloc, recorder_dealloc},
    {Py_tp_traverse, recorder_traverse},
    {Py_tp_clear, recorder_clear},
    {Py_tp_methods, recorder_methods},
    {0, NULL}
};

static PyType_Spec recorder_spec = {
    .name = "codeblocks.EdgeRecorder",
    .basicsize = sizeof(edge_recorder),
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
