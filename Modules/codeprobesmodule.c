/* codeprobes: a recorder of executed instructions, jumps and conditions, for
   coverage tools and fuzzers.  See Doc/library/codeprobes.rst.

   A code watch notifies the recorder of new code objects.  The recorder
   calls its select function to learn what to record in each, and sets
   probes that record it without running Python code.

   The recorders of a code object share its probes.  A probe is called as long
   as one of them needs it.  The others then learn nothing new from it, so that
   each records the same as if it were alone. */

#include "Python.h"
#include "opcode.h"               // EXTENDED_ARG
#include "structmember.h"         // PyMemberDef
#include <stddef.h>               // offsetof()
#include "conditionpaths.h"

typedef struct {
    int offset;
    int is_line;
    int is_jump;
    int decision;               // -1: none
    int condition;
    unsigned char says[2];      // IS_FALSE..., if not taken and if taken
    unsigned char executed;     // seen
    unsigned char executed_fresh;
    unsigned char went[2];
    unsigned char went_fresh[2];
    uint64_t counts[2];
} site;

/* The data of the probes in a code object: what several recorders record. */
typedef struct {
    struct _record *first;
} shared_probes;

typedef struct _record {
    struct _record *next;       // of the same recorder
    struct _record *neighbor;   // of another recorder, in the same code object
    struct _recorder *recorder; // borrowed: it owns this record
    shared_probes *shared;      // NULL: there are no probes for this record
    PyCodeObject *code;
    Py_ssize_t nsites;
    site *sites;
    int *index;                 // into sites, for each code unit
    Py_ssize_t ndecisions;
    decision *decisions;
    recording recording;
    int touched;                // since the probes were last restored
} record;

typedef struct _recorder {
    PyObject_HEAD
    PyObject *select;           // NULL: cleared by the garbage collector
    PyObject *watch;            // a weak reference to this recorder
    PyObject *weakrefs;
    PyInterpreterState *interp;
    int counts;
    int running;
    record *first;
    record **last;
} recorder;

/* --- Recording ----------------------------------------------------------- */

static void
record_event(record *r, site *s, int what, const void *activation)
{
    r->touched = 1;
    if (s->is_line && !s->executed) {
        s->executed = s->executed_fresh = 1;
        r->recording.fresh = 1;
    }
    if (!s->is_jump) {
        return;
    }
    if (what == PyCodeProbe_EXECUTE) {
        what = PyCodeProbe_FALL_THROUGH;
    }
    if (!s->went[what] || r->recording.counts) {
        s->went[what] = s->went_fresh[what] = 1;
        s->counts[what]++;
        r->recording.fresh = 1;
    }
    if (s->decision >= 0 && s->says[what] != SAYS_NOTHING) {
        evaluate(&r->recording, &r->decisions[s->decision], s->condition,
                 s->says[what], activation);
    }
}

/* Is there anything left to record at an instruction that does this? */
static int
is_needed(const record *r, const site *s, int what)
{
    if (s->is_jump) {
        return r->recording.counts || !s->went[0]
               || !(s->went[1] || what == PyCodeProbe_EXECUTE)
               || (s->decision >= 0 && !r->decisions[s->decision].learned);
    }
    return !s->executed;
}

static int
at_probe(void *data, int offset, int what, const void *activation)
{
    PyInterpreterState *interp = PyThreadState_Get()->interp;
    size_t unit = (unsigned int)offset / sizeof(_Py_CODEUNIT);
    int keep = 0;
    record *r = ((shared_probes *)data)->first;
    do {
        if (r->index[unit] >= 0) {
            site *s = &r->sites[r->index[unit]];
            // Interpreters share the code objects of frozen modules.
            if (r->recorder->interp == interp) {
                record_event(r, s, what, activation);
            }
            keep |= is_needed(r, s, what);
        }
        r = r->neighbor;
    } while (r != NULL);
    return keep;
}

static void
end_all_evaluations(record *r)
{
    for (Py_ssize_t i = 0; i < r->ndecisions; i++) {
        end_evaluations(&r->recording, &r->decisions[i]);
    }
}


/* --- Plans --------------------------------------------------------------- */

static void
free_record(record *r)
{
    for (Py_ssize_t i = 0; i < r->ndecisions; i++) {
        free_decision(&r->decisions[i]);
    }
    PyMem_Free(r->decisions);
    PyMem_Free(r->sites);
    PyMem_Free(r->index);
    Py_XDECREF(r->code);
    PyMem_Free(r);
}

/* Return the site at an offset, which is added if there is none, or NULL with
   an exception set. */
static site *
site_at(record *r, int offset)
{
    Py_ssize_t size = Py_SIZE(r->code);
    int unit = offset / (int)sizeof(_Py_CODEUNIT);
    if (offset < 0 || unit >= size || offset % (int)sizeof(_Py_CODEUNIT)) {
        PyErr_Format(PyExc_ValueError, "%R has no instruction at offset %d",
                     r->code, offset);
        return NULL;
    }
    if (r->index[unit] < 0) {
        site *s = &r->sites[r->nsites];
        *s = (site){.offset = offset, .decision = -1};
        r->index[unit] = (int)r->nsites++;
    }
    return &r->sites[r->index[unit]];
}

static int
read_jump(record *r, PyObject *item)
{
    int offset, number, condition;
    PyObject *when_jumps, *when_not;
    if (!PyTuple_Check(item)) {
        PyErr_Format(PyExc_TypeError, "a jump must be a tuple, not %.100s",
                     Py_TYPE(item)->tp_name);
        return -1;
    }
    if (!PyArg_ParseTuple(item, "iiiOO;a jump must be a tuple (offset, "
                          "decision, condition, when_jumps, when_not)",
                          &offset, &number, &condition, &when_jumps,
                          &when_not))
    {
        return -1;
    }
    if (number < -1 || number >= r->ndecisions
        || (number >= 0
            && (condition < 0 || condition >= r->decisions[number].n)))
    {
        PyErr_Format(PyExc_ValueError,
                     "condition %d of decision %d does not exist", condition,
                     number);
        return -1;
    }
    site *s = site_at(r, offset);
    if (s == NULL) {
        return -1;
    }
    s->is_jump = 1;
    s->decision = number;
    s->condition = condition;
    return truth_of(when_not, &s->says[0]) < 0
           || truth_of(when_jumps, &s->says[1]) < 0 ? -1 : 0;
}

static record *
new_record(recorder *self, PyCodeObject *code, PyObject *plan)
{
    PyObject *lines, *jumps, *decisions;
    if (!PyTuple_Check(plan)) {
        PyErr_Format(PyExc_TypeError,
                     "select() must return None or a tuple "
                     "(lines, jumps, decisions), not %.100s",
                     Py_TYPE(plan)->tp_name);
        return NULL;
    }
    if (!PyArg_ParseTuple(plan, "O!O!O!;select() must return None or a tuple "
                          "(lines, jumps, decisions) of tuples",
                          &PyTuple_Type, &lines, &PyTuple_Type, &jumps,
                          &PyTuple_Type, &decisions))
    {
        return NULL;
    }
    record *r = PyMem_Calloc(1, sizeof(record));
    if (r == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    Py_ssize_t units = Py_SIZE(code);
    Py_ssize_t most = PyTuple_GET_SIZE(lines) + PyTuple_GET_SIZE(jumps);
    r->recorder = self;
    r->recording.counts = self->counts;
    r->code = (PyCodeObject *)Py_NewRef(code);
    r->sites = PyMem_Calloc(most + 1, sizeof(site));
    r->index = PyMem_Malloc(units * sizeof(int));
    r->decisions = PyMem_Calloc(PyTuple_GET_SIZE(decisions) + 1,
                                sizeof(decision));
    if (r->sites == NULL || r->index == NULL || r->decisions == NULL) {
        PyErr_NoMemory();
        goto error;
    }
    memset(r->index, -1, units * sizeof(int));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(decisions); i++) {
        r->ndecisions++;
        PyObject *item = PyTuple_GET_ITEM(decisions, i);
        if (read_decision(&r->decisions[i], item) < 0) {
            goto error;
        }
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(lines); i++) {
        int offset = _PyLong_AsInt(PyTuple_GET_ITEM(lines, i));
        if (offset == -1 && PyErr_Occurred()) {
            goto error;
        }
        site *s = site_at(r, offset);
        if (s == NULL) {
            goto error;
        }
        s->is_line = 1;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(jumps); i++) {
        if (read_jump(r, PyTuple_GET_ITEM(jumps, i)) < 0) {
            goto error;
        }
    }
    return r;

error:
    free_record(r);
    return NULL;
}

/* Set probes for this record too.  Return -1 with an exception on error. */
static int
attach(record *r)
{
    shared_probes *shared = PyCode_GetProbes(r->code, NULL);
    shared_probes *new = NULL;
    if (shared == NULL) {
        shared = new = PyMem_Calloc(1, sizeof(shared_probes));
        if (new == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    r->neighbor = shared->first;
    Py_ssize_t n = 0;
    for (record *each = r; each != NULL; each = each->neighbor) {
        n += each->nsites;
    }
    int *offsets = PyMem_Malloc(n * sizeof(int));
    if (offsets == NULL) {
        PyErr_NoMemory();
        goto error;
    }
    n = 0;
    for (record *each = r; each != NULL; each = each->neighbor) {
        for (Py_ssize_t i = 0; i < each->nsites; i++) {
            offsets[n++] = each->sites[i].offset;
        }
    }
    int err = PyCode_SetProbes(r->code, at_probe, shared, offsets, n);
    PyMem_Free(offsets);
    if (err < 0) {
        goto error;
    }
    shared->first = r;
    r->shared = shared;
    return 0;

error:
    PyMem_Free(new);
    return -1;
}

static int
has_shared_probes(record *r)
{
    return r->shared != NULL
           && PyCode_GetProbes(r->code, NULL) == (void *)r->shared;
}

/* Undo attach().  Probes that no other record needs are removed when they are
   reached, because others cannot be replaced without memory. */
static void
detach(record *r)
{
    shared_probes *shared = r->shared;
    if (shared == NULL) {
        return;
    }
    record **link = &shared->first;
    while (*link != r) {
        link = &(*link)->neighbor;
    }
    *link = r->neighbor;
    if (shared->first == NULL) {
        if (has_shared_probes(r)) {
            PyCode_SetProbes(r->code, NULL, NULL, NULL, 0);
        }
        PyMem_Free(shared);
    }
    r->shared = NULL;
}

/* Can the recorder record a code object?  Not if it already does, or if there
   are probes of other C code. */
static int
can_record(recorder *self, PyCodeObject *code)
{
    PyCodeProbe_Func func;
    shared_probes *shared = PyCode_GetProbes(code, &func);
    if (func != NULL && func != at_probe) {
        return 0;
    }
    record *r = shared == NULL ? NULL : shared->first;
    while (r != NULL && r->recorder != self) {
        r = r->neighbor;
    }
    return r == NULL;
}

static int
offer(recorder *self, PyCodeObject *code)
{
    if (self->select == NULL || !can_record(self, code)) {
        return 0;
    }
    PyObject *select = Py_NewRef(self->select);
    PyObject *plan = PyObject_CallOneArg(select, (PyObject *)code);
    Py_DECREF(select);
    if (plan == NULL) {
        return -1;
    }
    if (plan == Py_None) {
        Py_DECREF(plan);
        return 0;
    }
    record *r = new_record(self, code, plan);
    Py_DECREF(plan);
    if (r == NULL) {
        return -1;
    }
    // Meanwhile, another thread, or a method of an object in the plan, may
    // have recorded the code or stopped the recorder.
    if (r->nsites == 0 || !self->running || !can_record(self, code)) {
        free_record(r);
        return 0;
    }
    if (attach(r) < 0) {
        free_record(r);
        return -1;
    }
    *self->last = r;
    self->last = &r->next;
    return 0;
}

/* The code watch.  Its reference is weak, so that a recorder that nothing else
   refers to is stopped: it could not be stopped otherwise. */
static int
offer_new(PyObject *watch, PyCodeObject *code)
{
    PyObject *self = Py_NewRef(PyWeakref_GetObject(watch));
    int err = Py_IsNone(self) ? 0 : offer((recorder *)self, code);
    Py_DECREF(self);
    return err;
}


/* --- The type ------------------------------------------------------------ */

static PyObject *
recorder_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"select", "counts", NULL};
    PyObject *select;
    int counts = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$p:Recorder", keywords,
                                     &select, &counts))
    {
        return NULL;
    }
    if (!PyCallable_Check(select)) {
        PyErr_Format(PyExc_TypeError, "select must be callable, not %.100s",
                     Py_TYPE(select)->tp_name);
        return NULL;
    }
    recorder *self = (recorder *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->select = Py_NewRef(select);
    self->counts = counts;
    self->interp = PyInterpreterState_Get();
    self->last = &self->first;
    self->watch = PyWeakref_NewRef((PyObject *)self, NULL);
    if (self->watch == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void
stop(recorder *self)
{
    if (!self->running) {
        return;
    }
    self->running = 0;
    for (record *r = self->first; r != NULL; r = r->next) {
        detach(r);
        end_all_evaluations(r);
    }
    PyEval_RemoveCodeWatch(offer_new, self->watch);
}

static int
recorder_traverse(recorder *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->select);
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
    PyObject_ClearWeakRefs((PyObject *)self);
    stop(self);
    while (self->first != NULL) {
        record *r = self->first;
        self->first = r->next;
        free_record(r);
    }
    Py_CLEAR(self->select);
    Py_CLEAR(self->watch);
    type->tp_free(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(start_doc,
"start($self, /)\n--\n\n"
"Start to record code objects in all threads of the interpreter, when they are\n"
"next executed.  A recorder that is deleted stops.");

static PyObject *
recorder_start(recorder *self, PyObject *Py_UNUSED(ignored))
{
    if (self->running) {
        Py_RETURN_NONE;
    }
    self->running = 1;
    for (record *r = self->first; r != NULL; r = r->next) {
        if (can_record(self, r->code) && attach(r) < 0) {
            goto error;
        }
    }
    if (PyEval_AddCodeWatch(offer_new, self->watch) < 0) {
        goto error;
    }
    Py_RETURN_NONE;

error:;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    stop(self);
    PyErr_Restore(type, value, traceback);
    return NULL;
}

PyDoc_STRVAR(stop_doc,
"stop($self, /)\n--\n\n"
"Stop recording.  The records can still be harvested.");

static PyObject *
recorder_stop(recorder *self, PyObject *Py_UNUSED(ignored))
{
    stop(self);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(offer_doc,
"offer($self, code, /)\n--\n\n"
"Call select(code) and record accordingly, as the recorder does for every code\n"
"object that is executed for the first time.  Use this for code that may have\n"
"been executed before the start.  Raise RuntimeError if the recorder is not\n"
"running.");

static PyObject *
recorder_offer(recorder *self, PyObject *code)
{
    if (!PyCode_Check(code)) {
        PyErr_Format(PyExc_TypeError,
                     "offer() argument must be a code object, not %.100s",
                     Py_TYPE(code)->tp_name);
        return NULL;
    }
    if (!self->running) {
        PyErr_SetString(PyExc_RuntimeError, "the recorder is not running");
        return NULL;
    }
    if (offer(self, (PyCodeObject *)code) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static int
harvest_sites(record *r, PyObject *lines, PyObject *jumps)
{
    for (Py_ssize_t i = 0; i < r->nsites; i++) {
        site *s = &r->sites[i];
        if (s->executed_fresh) {
            s->executed_fresh = 0;
            if (append(lines, PyLong_FromLong(s->offset)) < 0) {
                return -1;
            }
        }
        if (harvest_ways(jumps, s->offset, s->went_fresh, s->counts) < 0) {
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
        && harvest_sites(r, lines, jumps) == 0
        && harvest_decisions(r->decisions, r->ndecisions, paths) == 0)
    {
        result = pack_harvest(r->code, lines, jumps, paths);
    }
    Py_XDECREF(lines);
    Py_XDECREF(jumps);
    Py_XDECREF(paths);
    return result;
}

/* Forget what was recorded, and restore the probes. */
static void
forget(record *r)
{
    for (Py_ssize_t i = 0; i < r->nsites; i++) {
        site *s = &r->sites[i];
        s->executed = s->went[0] = s->went[1] = 0;
    }
    for (Py_ssize_t i = 0; i < r->ndecisions; i++) {
        forget_paths(&r->decisions[i]);
    }
    r->touched = 0;
    if (has_shared_probes(r)) {
        PyCode_RestoreProbes(r->code);
    }
}

PyDoc_STRVAR(harvest_doc,
"harvest($self, /, rearm=False)\n--\n\n"
"Return what was recorded since the last harvest: a list of tuples (code, lines,\n"
"jumps, paths).  lines, jumps and paths are tuples of\n"
"    offset                                      of an executed instruction\n"
"    (offset, jumped, count)                     of a conditional jump\n"
"    (decision, evaluated, true, ended, count)   of a path through a decision;\n"
"                                                evaluated and true have a bit\n"
"                                                for each condition\n"
"If rearm is true, forget what was recorded, so that it is recorded again.");

static PyObject *
recorder_harvest(recorder *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"rearm", NULL};
    int rearm = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|p:harvest", keywords,
                                     &rearm))
    {
        return NULL;
    }
    int lost = 0;
    for (record *r = self->first; r != NULL; r = r->next) {
        lost |= r->recording.lost;
        r->recording.lost = 0;
    }
    if (lost) {
        return PyErr_NoMemory();
    }
    PyObject *result = PyList_New(0);
    if (result == NULL) {
        return NULL;
    }
    for (record *r = self->first; r != NULL; r = r->next) {
        if (rearm) {
            end_all_evaluations(r);
        }
        if (r->recording.fresh && append(result, harvest_record(r)) < 0) {
            Py_DECREF(result);
            return NULL;
        }
        if (rearm && r->touched) {
            forget(r);
        }
    }
    return result;
}

static PyMethodDef recorder_methods[] = {
    {"start", (PyCFunction)recorder_start, METH_NOARGS, start_doc},
    {"stop", (PyCFunction)recorder_stop, METH_NOARGS, stop_doc},
    {"offer", (PyCFunction)recorder_offer, METH_O, offer_doc},
    {"harvest", _PyCFunction_CAST(recorder_harvest),
     METH_VARARGS | METH_KEYWORDS, harvest_doc},
    {NULL, NULL}
};

static PyMemberDef recorder_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(recorder, weakrefs), READONLY},
    {NULL}
};

PyDoc_STRVAR(recorder_doc,
"Recorder(select, *, counts=False)\n--\n\n"
"Record what code objects execute, with probes in their bytecode.\n\n"
"select(code) is called for each code object before it is first executed.  It\n"
"returns None to record nothing, or a plan: a tuple (lines, jumps, decisions) of\n"
"tuples of\n"
"    offset                  of an instruction, to record if it is executed\n"
"    (offset, decision, condition, when_jumps, when_not)\n"
"                            of a conditional jump, to record if it is taken;\n"
"                            the indexes of the decision (-1: none) and of its\n"
"                            condition that the jump tests, and the truth of the\n"
"                            condition if the jump is taken and if it is not\n"
"                            (None: not determined)\n"
"    (successors, total)     of a decision: for each condition a tuple\n"
"                            (on_true, on_false), the indexes of the next ones\n"
"                            (-1: none); and the number of paths (0: unknown)\n"
"If counts is true, count how often each jump and path is taken.  Otherwise\n"
"record only the first time.");

static PyType_Slot recorder_slots[] = {
    {Py_tp_doc, (void *)recorder_doc},
    {Py_tp_new, recorder_new},
    {Py_tp_dealloc, recorder_dealloc},
    {Py_tp_traverse, recorder_traverse},
    {Py_tp_clear, recorder_clear},
    {Py_tp_methods, recorder_methods},
    {Py_tp_members, recorder_members},
    {0, NULL}
};

static PyType_Spec recorder_spec = {
    .name = "codeprobes.Recorder",
    .basicsize = sizeof(recorder),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = recorder_slots,
};


/* --- The module ---------------------------------------------------------- */

PyDoc_STRVAR(conditional_jumps_doc,
"conditional_jumps($module, code, /)\n--\n\n"
"Return the plan for a Recorder that records all conditional jumps of a code\n"
"object.  Use it as the select function or in one.");

static PyObject *
conditional_jumps(PyObject *Py_UNUSED(module), PyObject *code)
{
    if (!PyCode_Check(code)) {
        PyErr_Format(PyExc_TypeError, "conditional_jumps() argument must be a "
                     "code object, not %.100s", Py_TYPE(code)->tp_name);
        return NULL;
    }
    PyObject *bytecode = PyCode_GetCode((PyCodeObject *)code);
    PyObject *jumps = PyList_New(0);
    PyObject *plan = NULL;
    if (bytecode == NULL || jumps == NULL) {
        goto done;
    }
    // There are no probes up to the first RESUME.
    int resume = ((PyCodeObject *)code)->_co_firsttraceable;
    int start = 0;              // of the instruction, with its prefixes
    for (int i = 0; i < PyBytes_GET_SIZE(bytecode); i += 2) {
        int opcode = (unsigned char)PyBytes_AS_STRING(bytecode)[i];
        if (opcode == EXTENDED_ARG) {
            continue;
        }
        if (i / 2 > resume && PyCodeProbe_IsConditionalJump(opcode)
            && append(jumps, Py_BuildValue("iiiOO", start, -1, -1, Py_None,
                                           Py_None)) < 0)
        {
            goto done;
        }
        start = i + 2;          // the caches that can follow are 0
    }
    plan = Py_BuildValue("()N()", PyList_AsTuple(jumps));
done:
    Py_XDECREF(bytecode);
    Py_XDECREF(jumps);
    return plan;
}

static PyMethodDef module_methods[] = {
    {"conditional_jumps", conditional_jumps, METH_O, conditional_jumps_doc},
    {NULL, NULL}
};

static PyObject *
unsupported_opcodes(void)
{
    PyObject *opcodes = PyFrozenSet_New(NULL);
    for (int opcode = 0; opcodes != NULL && opcode < 256; opcode++) {
        if (!PyCodeProbe_IsSupported(opcode)) {
            PyObject *item = PyLong_FromLong(opcode);
            if (item == NULL || PySet_Add(opcodes, item) < 0) {
                Py_CLEAR(opcodes);
            }
            Py_XDECREF(item);
        }
    }
    return opcodes;
}

static int
module_exec(PyObject *module)
{
    PyObject *opcodes = unsupported_opcodes();
    int err = PyModule_AddObjectRef(module, "UNSUPPORTED_OPCODES", opcodes);
    Py_XDECREF(opcodes);
    if (err < 0 || PyModule_AddIntMacro(module, MAX_CONDITIONS) < 0) {
        return -1;
    }
    PyObject *type = PyType_FromModuleAndSpec(module, &recorder_spec, NULL);
    if (type == NULL) {
        return -1;
    }
    err = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return err;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL}
};

PyDoc_STRVAR(module_doc,
"Record executed code and the outcomes of its conditions, at low cost.");

static struct PyModuleDef codeprobes_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "codeprobes",
    .m_doc = module_doc,
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC
PyInit_codeprobes(void)
{
    return PyModuleDef_Init(&codeprobes_module);
}
