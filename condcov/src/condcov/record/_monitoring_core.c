/* _monitoring_core: what sys.monitoring calls, and what it has recorded.
   monitoring_core.py is the same in Python, with the documentation of the
   methods.

   The callbacks run no Python code, except for settled().  They are written
   for interpreters with a global lock. */

#define PY_SSIZE_T_CLEAN
#include "Python.h"
#include <stddef.h>               // offsetof()
#include "conditionpaths.h"

/* Kinds of jumps.  BRANCH is an instruction that jumps or not.  SINGLE does
   not jump.  HANDLER is that of the exception that ends an `async for`. */
enum { BRANCH, SINGLE, HANDLER, KINDS };

/* States of an instruction that is recorded as part of a line. */
enum { NO_LINE, WAITS, EXECUTED, EXECUTED_FRESH };

typedef struct {
    int kind;
    int offset;
    int following;              // offset of the next instruction, or -1
    int decision;               // -1: none
    int condition;
    unsigned char says[2];      // IS_FALSE..., if not taken and if taken
    unsigned char went[2];      // seen
    unsigned char went_fresh[2];
    uint64_t counts[2];         // since the last harvest
} jump;

typedef struct {
    PyCodeObject *code;
    int units;                  // of the bytecode
    unsigned char *lines;       // NO_LINE..., for each unit
    int *branches;              // index into jumps of BRANCHes, for each unit
    int *others;                // likewise of SINGLEs and HANDLERs
    Py_ssize_t njumps;
    jump *jumps;
    Py_ssize_t ndecisions;
    decision *decisions;
    recording recording;
    int touched;                // since the events were last enabled
} record;

typedef struct {
    PyObject_HEAD
    PyObject *settled;
    PyObject *disable;
    int counts;
    char shared;                // another tool has the event INSTRUCTION
    record **records;
    Py_ssize_t nrecords;
    record **table;             // by hash of the code object; half is free
    Py_ssize_t size;            // of both, a power of two
    record *last;               // found
} core;


/* --- Recording ----------------------------------------------------------- */

static record **
slot_of(record **table, Py_ssize_t size, PyObject *code)
{
    unsigned int i = hash_of((uintptr_t)code, 0);
    for (;; i++) {
        record **slot = &table[i & (unsigned int)(size - 1)];
        if (*slot == NULL || (PyObject *)(*slot)->code == code) {
            return slot;
        }
    }
}

static inline record *
find(core *self, PyObject *code)
{
    if (self->last != NULL && (PyObject *)self->last->code == code) {
        return self->last;
    }
    if (self->size == 0) {
        return NULL;
    }
    record *found = *slot_of(self->table, self->size, code);
    if (found != NULL) {
        self->last = found;
    }
    return found;
}

/* Identify the activation that the current event belongs to: the address of
   its frame, which no other one has meanwhile. */
static inline const void *
activation(void)
{
#if PY_VERSION_HEX >= 0x030f0000
    return PyEval_GetFrame();
#elif PY_VERSION_HEX >= 0x030d0000
    return PyThreadState_GetUnchecked()->current_frame;
#else
    return PyThreadState_Get()->cframe->current_frame;
#endif
}

static inline void
went(record *r, jump *j, int jumped)
{
    if (!j->went[jumped] || r->recording.counts) {
        j->went[jumped] = j->went_fresh[jumped] = 1;
        j->counts[jumped]++;
        r->touched = r->recording.fresh = 1;
    }
    if (j->decision >= 0 && j->says[jumped] != SAYS_NOTHING) {
        decision *d = &r->decisions[j->decision];
        if (!is_over(&r->recording, d)) {
            evaluate(&r->recording, d, j->condition, j->says[jumped],
                     activation());
        }
    }
}

/* Does a path through the decision of this jump need its events? */
static inline int
is_path_needed(const record *r, const jump *j)
{
    return r->recording.counts
           || (j->decision >= 0 && !r->decisions[j->decision].learned);
}

/* Is there anything left to learn from an instruction that goes one way? */
static int
is_single_needed(const record *r, const jump *j)
{
    return is_path_needed(r, j) || !(j->went[0] || j->went[1]);
}

/* Read the arguments of a callback.  Return the record of the code object, or
   NULL, with an exception set if the arguments are wrong. */
static inline record *
read_event(core *self, PyObject *const *args, Py_ssize_t nargs,
           Py_ssize_t expected, int *offset)
{
    if (nargs != expected || !PyCode_Check(args[0])) {
        PyErr_Format(PyExc_TypeError,
                     "expected a code object and %zd other arguments",
                     expected - 1);
        return NULL;
    }
    long value = PyLong_AsLong(args[1]);
    if (value == -1 && PyErr_Occurred()) {
        return NULL;
    }
    record *r = find(self, args[0]);
    if (r == NULL || value < 0 || value / 2 >= r->units) {
        return NULL;
    }
    *offset = (int)value;
    return r;
}

static inline jump *
jump_at(record *r, const int *index, int offset)
{
    int i = index[offset / 2];
    return i < 0 ? NULL : &r->jumps[i];
}

static PyObject *
disable(core *self)
{
    return PyErr_Occurred() ? NULL : Py_NewRef(self->disable);
}

static PyObject *
core_branch(core *self, PyObject *const *args, Py_ssize_t nargs)
{
    int place;
    record *r = read_event(self, args, nargs, 3, &place);
    jump *j = r == NULL ? NULL : jump_at(r, r->branches, place);
    if (j == NULL) {
        return disable(self);
    }
    long destination = PyLong_AsLong(args[2]);
    if (destination == -1 && PyErr_Occurred()) {
        return NULL;
    }
    went(r, j, destination != j->following);
    if (j->went[0] && j->went[1] && !is_path_needed(r, j)) {
        return disable(self);
    }
    Py_RETURN_NONE;
}

static PyObject *
side(core *self, PyObject *const *args, Py_ssize_t nargs, int jumped)
{
    int place;
    record *r = read_event(self, args, nargs, 3, &place);
    jump *j = r == NULL ? NULL : jump_at(r, r->branches, place);
    if (j == NULL) {
        return disable(self);
    }
    went(r, j, jumped);
    if (is_path_needed(r, j)) {
        Py_RETURN_NONE;
    }
    return disable(self);
}

static PyObject *
core_left(core *self, PyObject *const *args, Py_ssize_t nargs)
{
    return side(self, args, nargs, 0);
}

static PyObject *
core_right(core *self, PyObject *const *args, Py_ssize_t nargs)
{
    return side(self, args, nargs, 1);
}

static void
execute(record *r, int offset)
{
    if (r->lines[offset / 2] == WAITS) {
        r->lines[offset / 2] = EXECUTED_FRESH;
        r->touched = r->recording.fresh = 1;
    }
}

static PyObject *
core_instruction(core *self, PyObject *const *args, Py_ssize_t nargs)
{
    int offset;
    record *r = read_event(self, args, nargs, 2, &offset);
    if (r == NULL) {
        return disable(self);
    }
    execute(r, offset);
    jump *j = jump_at(r, r->others, offset);
    if (j != NULL && j->kind == SINGLE) {
        went(r, j, 0);
        if (is_single_needed(r, j)) {
            Py_RETURN_NONE;
        }
    }
    return disable(self);
}

static PyObject *
core_line(core *self, PyObject *const *args, Py_ssize_t nargs)
{
    int line;
    if (nargs != 2 || !PyCode_Check(args[0])) {
        (void)read_event(self, args, nargs, 2, &line);
        return disable(self);
    }
    record *r = find(self, args[0]);
    PyFrameObject *frame = PyEval_GetFrame();
    int offset = frame == NULL ? -1 : PyFrame_GetLasti(frame);
    if (r == NULL || offset < 0 || offset / 2 >= r->units) {
        return disable(self);
    }
    execute(r, offset);
    // If all tools disable this event now, the event of the instruction that
    // begins the line is not sent.
    jump *j = jump_at(r, r->others, offset);
    if (self->shared
        || (j != NULL && j->kind == SINGLE && is_single_needed(r, j)))
    {
        Py_RETURN_NONE;
    }
    return disable(self);
}

static PyObject *
core_handled(core *self, PyObject *const *args, Py_ssize_t nargs)
{
    int offset;
    record *r = read_event(self, args, nargs, 3, &offset);
    jump *j = r == NULL ? NULL : jump_at(r, r->others, offset);
    if (j == NULL || j->kind != HANDLER
        || !PyObject_TypeCheck(args[2],
                               (PyTypeObject *)PyExc_StopAsyncIteration))
    {
        if (PyErr_Occurred()) {
            return NULL;
        }
        Py_RETURN_NONE;
    }
    went(r, j, 1);
    if (!is_single_needed(r, j)) {
        return PyObject_CallNoArgs(self->settled);
    }
    Py_RETURN_NONE;
}


/* --- Plans --------------------------------------------------------------- */

static void
free_record(record *r)
{
    for (Py_ssize_t i = 0; i < r->ndecisions; i++) {
        free_decision(&r->decisions[i]);
    }
    PyMem_Free(r->decisions);
    PyMem_Free(r->jumps);
    PyMem_Free(r->lines);
    PyMem_Free(r->branches);
    PyMem_Free(r->others);
    Py_XDECREF(r->code);
    PyMem_Free(r);
}

/* Return the unit at an offset, or -1 with an exception set. */
static int
unit_at(record *r, PyObject *offset)
{
    long value = PyLong_AsLong(offset);
    if (value == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (value < 0 || value / 2 >= r->units) {
        PyErr_Format(PyExc_ValueError, "%R has no instruction at offset %ld",
                     r->code, value);
        return -1;
    }
    return (int)(value / 2);
}

static int
read_jump(record *r, PyObject *item)
{
    jump *j = &r->jumps[r->njumps];
    PyObject *places, *when_jumps, *when_not;
    if (!PyTuple_Check(item)) {
        PyErr_Format(PyExc_TypeError, "a jump must be a tuple, not %.100s",
                     Py_TYPE(item)->tp_name);
        return -1;
    }
    if (!PyArg_ParseTuple(item, "iiO!iiiOO", &j->kind, &j->offset,
                          &PyTuple_Type, &places, &j->following, &j->decision,
                          &j->condition, &when_jumps, &when_not))
    {
        return -1;
    }
    if (j->kind < 0 || j->kind >= KINDS) {
        PyErr_Format(PyExc_ValueError, "there is no kind %d", j->kind);
        return -1;
    }
    if (j->decision < -1 || j->decision >= r->ndecisions
        || (j->decision >= 0
            && (j->condition < 0
                || j->condition >= r->decisions[j->decision].n)))
    {
        PyErr_Format(PyExc_ValueError,
                     "condition %d of decision %d does not exist",
                     j->condition, j->decision);
        return -1;
    }
    if (truth_of(when_not, &j->says[0]) < 0
        || truth_of(when_jumps, &j->says[1]) < 0)
    {
        return -1;
    }
    int *index = j->kind == BRANCH ? r->branches : r->others;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(places); i++) {
        int unit = unit_at(r, PyTuple_GET_ITEM(places, i));
        if (unit < 0) {
            return -1;
        }
        index[unit] = (int)r->njumps;
    }
    r->njumps++;
    return 0;
}

static int
read_plan(record *r, PyObject *lines, PyObject *jumps, PyObject *decisions)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(decisions); i++) {
        r->ndecisions++;
        if (read_decision(&r->decisions[i], PyTuple_GET_ITEM(decisions, i))
            < 0)
        {
            return -1;
        }
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(lines); i++) {
        int unit = unit_at(r, PyTuple_GET_ITEM(lines, i));
        if (unit < 0) {
            return -1;
        }
        r->lines[unit] = WAITS;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(jumps); i++) {
        if (read_jump(r, PyTuple_GET_ITEM(jumps, i)) < 0) {
            return -1;
        }
    }
    return 0;
}

static record *
new_record(PyObject *code, PyObject *lines, PyObject *jumps,
           PyObject *decisions, int counts)
{
    PyObject *bytecode = PyCode_GetCode((PyCodeObject *)code);
    if (bytecode == NULL) {
        return NULL;
    }
    Py_ssize_t units = PyBytes_GET_SIZE(bytecode) / 2;
    Py_DECREF(bytecode);
    record *r = PyMem_Calloc(1, sizeof(record));
    if (r == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    r->code = (PyCodeObject *)Py_NewRef(code);
    r->units = (int)units;
    r->recording.counts = counts;
    r->lines = PyMem_Calloc(units + 1, 1);
    r->branches = PyMem_Malloc((units + 1) * sizeof(int));
    r->others = PyMem_Malloc((units + 1) * sizeof(int));
    r->jumps = PyMem_Calloc(PyTuple_GET_SIZE(jumps) + 1, sizeof(jump));
    r->decisions = PyMem_Calloc(PyTuple_GET_SIZE(decisions) + 1,
                                sizeof(decision));
    if (r->lines == NULL || r->branches == NULL || r->others == NULL
        || r->jumps == NULL || r->decisions == NULL)
    {
        PyErr_NoMemory();
        free_record(r);
        return NULL;
    }
    memset(r->branches, -1, units * sizeof(int));
    memset(r->others, -1, units * sizeof(int));
    if (read_plan(r, lines, jumps, decisions) < 0) {
        free_record(r);
        return NULL;
    }
    return r;
}

/* Make room for another record.  Return -1 with an exception on error. */
static int
make_room(core *self)
{
    if (2 * self->nrecords < self->size) {
        return 0;
    }
    Py_ssize_t size = self->size ? 2 * self->size : 64;
    record **records = PyMem_Realloc(self->records, size * sizeof(record *));
    if (records == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    self->records = records;
    record **table = PyMem_Calloc(size, sizeof(record *));
    if (table == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < self->nrecords; i++) {
        *slot_of(table, size, (PyObject *)records[i]->code) = records[i];
    }
    PyMem_Free(self->table);
    self->table = table;
    self->size = size;
    return 0;
}

static PyObject *
core_add(core *self, PyObject *args)
{
    PyObject *code, *lines, *jumps, *decisions;
    if (!PyArg_ParseTuple(args, "O!O!O!O!:add", &PyCode_Type, &code,
                          &PyTuple_Type, &lines, &PyTuple_Type, &jumps,
                          &PyTuple_Type, &decisions))
    {
        return NULL;
    }
    if (find(self, code) != NULL) {
        Py_RETURN_FALSE;
    }
    record *r = new_record(code, lines, jumps, decisions, self->counts);
    if (r == NULL) {
        return NULL;
    }
    // Meanwhile, a method of an object in the plan may have added it.
    if (find(self, code) != NULL) {
        free_record(r);
        Py_RETURN_FALSE;
    }
    if (make_room(self) < 0) {
        free_record(r);
        return NULL;
    }
    *slot_of(self->table, self->size, code) = r;
    self->records[self->nrecords++] = r;
    Py_RETURN_TRUE;
}


/* --- Harvests ------------------------------------------------------------ */

static int
harvest_lines(record *r, PyObject *lines)
{
    for (int i = 0; i < r->units; i++) {
        if (r->lines[i] == EXECUTED_FRESH) {
            r->lines[i] = EXECUTED;
            if (append(lines, PyLong_FromLong(2 * i)) < 0) {
                return -1;
            }
        }
    }
    return 0;
}

static int
harvest_jumps(record *r, PyObject *jumps)
{
    for (Py_ssize_t i = 0; i < r->njumps; i++) {
        jump *j = &r->jumps[i];
        if (harvest_ways(jumps, j->offset, j->went_fresh, j->counts) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
harvest_record(record *r)
{
    PyObject *result = NULL;
    PyObject *lines = PyList_New(0);
    PyObject *jumps = PyList_New(0);
    PyObject *paths = PyList_New(0);
    r->recording.fresh = 0;
    if (lines != NULL && jumps != NULL && paths != NULL
        && harvest_lines(r, lines) == 0
        && harvest_jumps(r, jumps) == 0
        && harvest_decisions(r->decisions, r->ndecisions, paths) == 0)
    {
        result = pack_harvest(r->code, lines, jumps, paths);
    }
    Py_XDECREF(lines);
    Py_XDECREF(jumps);
    Py_XDECREF(paths);
    return result;
}

static PyObject *
core_harvest(core *self, PyObject *Py_UNUSED(ignored))
{
    int lost = 0;
    for (Py_ssize_t i = 0; i < self->nrecords; i++) {
        lost |= self->records[i]->recording.lost;
        self->records[i]->recording.lost = 0;
    }
    if (lost) {
        return PyErr_NoMemory();
    }
    PyObject *result = PyList_New(0);
    for (Py_ssize_t i = 0; result != NULL && i < self->nrecords; i++) {
        if (self->records[i]->recording.fresh
            && append(result, harvest_record(self->records[i])) < 0)
        {
            Py_CLEAR(result);
        }
    }
    return result;
}

static PyObject *
core_forget(core *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *result = PyList_New(0);
    for (Py_ssize_t i = 0; result != NULL && i < self->nrecords; i++) {
        record *r = self->records[i];
        if (!r->touched) {
            continue;
        }
        r->touched = 0;
        for (int unit = 0; unit < r->units; unit++) {
            if (r->lines[unit] == EXECUTED) {
                r->lines[unit] = WAITS;
            }
        }
        for (Py_ssize_t k = 0; k < r->njumps; k++) {
            r->jumps[k].went[0] = r->jumps[k].went[1] = 0;
        }
        for (Py_ssize_t k = 0; k < r->ndecisions; k++) {
            forget_paths(&r->decisions[k]);
        }
        if (PyList_Append(result, (PyObject *)r->code) < 0) {
            Py_CLEAR(result);
        }
    }
    return result;
}

static PyObject *
core_end_evaluations(core *self, PyObject *Py_UNUSED(ignored))
{
    for (Py_ssize_t i = 0; i < self->nrecords; i++) {
        record *r = self->records[i];
        for (Py_ssize_t k = 0; k < r->ndecisions; k++) {
            end_evaluations(&r->recording, &r->decisions[k]);
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
core_codes(core *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *result = PyList_New(0);
    for (Py_ssize_t i = 0; result != NULL && i < self->nrecords; i++) {
        if (PyList_Append(result, (PyObject *)self->records[i]->code) < 0) {
            Py_CLEAR(result);
        }
    }
    return result;
}

static PyObject *
core_needs_handlers(core *self, PyObject *Py_UNUSED(ignored))
{
    for (Py_ssize_t i = 0; i < self->nrecords; i++) {
        record *r = self->records[i];
        for (Py_ssize_t k = 0; k < r->njumps; k++) {
            if (r->jumps[k].kind == HANDLER
                && is_single_needed(r, &r->jumps[k]))
            {
                Py_RETURN_TRUE;
            }
        }
    }
    Py_RETURN_FALSE;
}


/* --- The type ------------------------------------------------------------ */

static PyObject *
core_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"counts", "settled", NULL};
    PyObject *settled;
    int counts;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "pO:Core", keywords,
                                     &counts, &settled))
    {
        return NULL;
    }
    PyObject *monitoring = PySys_GetObject("monitoring");
    if (monitoring == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "there is no sys.monitoring");
        return NULL;
    }
    core *self = (core *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->counts = counts;
    self->settled = Py_NewRef(settled);
    Py_INCREF(monitoring);
    self->disable = PyObject_GetAttrString(monitoring, "DISABLE");
    Py_DECREF(monitoring);
    if (self->disable == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static int
core_contains(core *self, PyObject *code)
{
    return find(self, code) != NULL;
}

static int
core_traverse(core *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->settled);
    Py_VISIT(self->disable);
    return 0;
}

static int
core_clear(core *self)
{
    // A callback may still come, so these are never NULL.
    Py_XSETREF(self->settled, Py_NewRef(Py_None));
    return 0;
}

static void
core_dealloc(core *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_CLEAR(self->settled);
    Py_CLEAR(self->disable);
    for (Py_ssize_t i = 0; i < self->nrecords; i++) {
        free_record(self->records[i]);
    }
    PyMem_Free(self->records);
    PyMem_Free(self->table);
    type->tp_free(self);
    Py_DECREF(type);
}

#define CALLBACK(name) \
    {#name, (PyCFunction)(void(*)(void))core_##name, METH_FASTCALL, NULL}
#define METHOD(name, flags) \
    {#name, (PyCFunction)core_##name, flags, NULL}

static PyMethodDef core_methods[] = {
    CALLBACK(branch),
    CALLBACK(left),
    CALLBACK(right),
    CALLBACK(instruction),
    CALLBACK(line),
    CALLBACK(handled),
    METHOD(add, METH_VARARGS),
    METHOD(harvest, METH_NOARGS),
    METHOD(forget, METH_NOARGS),
    METHOD(end_evaluations, METH_NOARGS),
    METHOD(codes, METH_NOARGS),
    METHOD(needs_handlers, METH_NOARGS),
    {NULL, NULL, 0, NULL}
};

static PyMemberDef core_members[] = {
    {"shared", Py_T_BOOL, offsetof(core, shared), 0, NULL},
    {NULL, 0, 0, 0, NULL}
};

static PyType_Slot core_slots[] = {
    {Py_tp_new, core_new},
    {Py_tp_dealloc, core_dealloc},
    {Py_tp_traverse, core_traverse},
    {Py_tp_clear, core_clear},
    {Py_tp_methods, core_methods},
    {Py_tp_members, core_members},
    {Py_sq_contains, core_contains},
    {0, NULL}
};

static PyType_Spec core_spec = {
    .name = "condcov.record._monitoring_core.Core",
    .basicsize = sizeof(core),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = core_slots,
};


/* --- The module ---------------------------------------------------------- */

static int
module_exec(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &core_spec, NULL);
    if (type == NULL) {
        return -1;
    }
    int err = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return err;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {0, NULL}
};

static struct PyModuleDef monitoring_core_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_monitoring_core",
    .m_doc = "The Core of monitoring_core, in C.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC
PyInit__monitoring_core(void)
{
    return PyModuleDef_Init(&monitoring_core_module);
}
