/* The paths that evaluations take through the conditions of decisions.

   Included by the two recorders: codeprobesmodule.c, in which probes tell of
   the outcomes of conditions, and condcov's _monitoring_core.c, in which the
   events of sys.monitoring do.  It uses only the public C API. */

/* The truth value of a condition, as known from whether its jump is taken. */
enum { IS_FALSE, IS_TRUE, SAYS_NOTHING };

/* Conditions of one decision, each of which has a bit in a path. */
#define MAX_CONDITIONS 64
/* Unfinished evaluations of one decision, in addition to the current one.
   They include evaluations that were left by an exception. */
#define MAX_SUSPENDED 1000
/* Recorded paths through one decision. */
#define MAX_PATHS 10000

/* An index of the items of an array by their hash.  Both buckets and items are
   numbered from 0; -1 is no item. */
typedef struct {
    int first;                  // item of this bucket
    int next;                   // item in the same bucket as this item
    unsigned int hash;          // of this item
} index_entry;

typedef struct {
    index_entry *entries;
    Py_ssize_t size;            // of the index and the array, a power of two
} hash_index;

typedef struct {
    uint64_t evaluated;         // a bit for each condition
    uint64_t truth;
    int ended;                  // not left by an exception
    int fresh;                  // recorded since the last harvest
    uint64_t count;             // since the last harvest
} path;

typedef struct {
    const void *activation;     // NULL: no evaluation
    uint64_t evaluated;
    uint64_t truth;
    int awaited;                // the next condition
} evaluation;

/* In a list in the order of suspension; free items are in another one. */
typedef struct {
    evaluation evaluation;
    int older;
    int newer;
} suspended;

typedef struct {
    int n;                      // conditions
    int (*next)[2];             // after each is false or true; -1: the end
    Py_ssize_t total;           // number of complete paths, 0: unknown
    Py_ssize_t whole;           // number of complete paths seen
    int learned;                // there is nothing more to record
    path *paths;
    Py_ssize_t npaths;
    hash_index paths_index;
    evaluation current;
    suspended *suspended;       // the other unfinished evaluations
    Py_ssize_t nsuspended;
    hash_index suspended_index;
    int oldest;
    int newest;
    int free;                   // linked by 'newer'
    int unused;                 // the first item that was never used
} decision;

/* What the decisions of a code object share. */
typedef struct {
    int counts;                 // count how often each path is taken
    int fresh;                  // there is something to harvest
    int lost;                   // a path was lost for lack of memory
} recording;

static unsigned int
hash_of(uint64_t a, uint64_t b)
{
    // 2**64 divided by the golden ratio.  A product has the information of
    // low bits in its high bits only.
    const uint64_t factor = UINT64_C(0x9E3779B97F4A7C15);
    uint64_t hash = a * factor + b;
    hash = (hash ^ hash >> 32) * factor;
    return (unsigned int)(hash >> 32);
}

static int *
bucket_of(hash_index *index, unsigned int hash)
{
    return &index->entries[hash & (unsigned int)(index->size - 1)].first;
}

static int
first_item(hash_index *index, unsigned int hash)
{
    return index->size == 0 ? -1 : *bucket_of(index, hash);
}

static void
index_item(hash_index *index, int i, unsigned int hash)
{
    int *bucket = bucket_of(index, hash);
    index->entries[i].hash = hash;
    index->entries[i].next = *bucket;
    *bucket = i;
}

static void
forget_item(hash_index *index, int i)
{
    int *item = bucket_of(index, index->entries[i].hash);
    while (*item != i) {
        item = &index->entries[*item].next;
    }
    *item = index->entries[i].next;
}

static void
forget_items(hash_index *index)
{
    for (Py_ssize_t i = 0; i < index->size; i++) {
        index->entries[i].first = -1;
    }
}

/* Make room in an array, all of whose items are in use, and in its index.
   Return the array, or NULL if there is no memory. */
static void *
grow(recording *r, void *array, hash_index *index, size_t item)
{
    Py_ssize_t old_size = index->size, size = old_size ? 2 * old_size : 4;
    index_entry *entries = PyMem_RawRealloc(index->entries,
                                            size * sizeof(index_entry));
    if (entries != NULL) {
        index->entries = entries;
        array = PyMem_RawRealloc(array, size * item);
    }
    if (entries == NULL || array == NULL) {
        r->lost = 1;
        return NULL;
    }
    index->size = size;
    forget_items(index);
    for (int i = 0; i < old_size; i++) {
        index_item(index, i, entries[i].hash);
    }
    return array;
}

static void
record_path(recording *r, decision *d, const evaluation *e, int ended)
{
    unsigned int hash = hash_of(e->evaluated, e->truth);
    for (int i = first_item(&d->paths_index, hash); i >= 0;
         i = d->paths_index.entries[i].next)
    {
        path *p = &d->paths[i];
        if (p->evaluated == e->evaluated && p->truth == e->truth
            && p->ended == ended)
        {
            if (r->counts) {
                p->count++;
                p->fresh = r->fresh = 1;
            }
            return;
        }
    }
    if (d->npaths == MAX_PATHS) {
        d->learned = 1;
        return;
    }
    if (d->npaths == d->paths_index.size) {
        path *paths = grow(r, d->paths, &d->paths_index,
                           sizeof(path));
        if (paths == NULL) {
            return;
        }
        d->paths = paths;
    }
    index_item(&d->paths_index, (int)d->npaths, hash);
    d->paths[d->npaths++] = (path){e->evaluated, e->truth, ended, 1, 1};
    r->fresh = 1;
    if (ended && ++d->whole == d->total) {
        d->learned = 1;
    }
}

static void
remove_suspended(decision *d, int i)
{
    suspended *s = &d->suspended[i];
    forget_item(&d->suspended_index, i);
    *(s->older < 0 ? &d->oldest : &d->suspended[s->older].newer) = s->newer;
    *(s->newer < 0 ? &d->newest : &d->suspended[s->newer].older) = s->older;
    s->newer = d->free;
    d->free = i;
    d->nsuspended--;
}

static void
remove_all_suspended(decision *d)
{
    if (d->nsuspended != 0) {
        forget_items(&d->suspended_index);
    }
    d->oldest = d->newest = d->free = -1;
    d->nsuspended = d->unused = 0;
}

static void
suspend(recording *r, decision *d)
{
    if (d->nsuspended == MAX_SUSPENDED) {
        int oldest = d->oldest;
        record_path(r, d, &d->suspended[oldest].evaluation, 0);
        remove_suspended(d, oldest);
    }
    int i = d->free;
    if (i >= 0) {
        d->free = d->suspended[i].newer;
    }
    else {
        if (d->unused == d->suspended_index.size) {
            suspended *array = grow(r, d->suspended,
                                    &d->suspended_index, sizeof(suspended));
            if (array == NULL) {
                return;
            }
            d->suspended = array;
        }
        i = d->unused++;
    }
    d->suspended[i] = (suspended){d->current, d->newest, -1};
    *(d->newest < 0 ? &d->oldest : &d->suspended[d->newest].newer) = i;
    d->newest = i;
    d->nsuspended++;
    index_item(&d->suspended_index, i,
               hash_of((uintptr_t)d->current.activation, 0));
}

/* Make the evaluation of this activation the current one.  Return 0 if there
   is none. */
static int
resume(recording *r, decision *d, const void *activation)
{
    if (d->current.activation == activation) {
        return 1;
    }
    if (d->nsuspended == 0) {
        return 0;
    }
    int i = first_item(&d->suspended_index,
                       hash_of((uintptr_t)activation, 0));
    while (i >= 0 && d->suspended[i].evaluation.activation != activation) {
        i = d->suspended_index.entries[i].next;
    }
    if (i < 0) {
        return 0;
    }
    evaluation found = d->suspended[i].evaluation;
    remove_suspended(d, i);
    if (d->current.activation != NULL) {
        suspend(r, d);
    }
    d->current = found;
    return 1;
}

/* Are the probes of the decision being removed?  Then evaluations are no
   longer seen to their end. */
static int
is_over(recording *r, decision *d)
{
    return d->learned && !r->counts;
}

static void
evaluate(recording *r, decision *d, int condition, int truth,
         const void *activation)
{
    evaluation *current = &d->current;
    if (is_over(r, d)) {
        return;
    }
    if (condition == 0) {
        if (resume(r, d, activation)) {
            // An exception has ended the previous one.
            record_path(r, d, current, 0);
        }
        else if (current->activation != NULL) {
            suspend(r, d);
        }
        *current = (evaluation){activation, 0, 0, 0};
    }
    else if (!resume(r, d, activation)) {
        return;                 // it began before the recording
    }
    if (current->awaited != condition) {
        return;                 // a second test of the same value
    }
    current->evaluated |= (uint64_t)1 << condition;
    current->truth |= (uint64_t)truth << condition;
    current->awaited = d->next[condition][truth];
    if (current->awaited < 0) {
        record_path(r, d, current, 1);
        current->activation = NULL;
    }
}

/* Record the unfinished evaluations as incomplete. */
static void
end_evaluations(recording *r, decision *d)
{
    if (d->current.activation != NULL && !is_over(r, d)) {
        record_path(r, d, &d->current, 0);
    }
    for (int j = d->oldest; j >= 0 && !is_over(r, d);
         j = d->suspended[j].newer)
    {
        record_path(r, d, &d->suspended[j].evaluation, 0);
    }
    d->current.activation = NULL;
    remove_all_suspended(d);
}

static void
forget_paths(decision *d)
{
    if (d->npaths != 0) {
        forget_items(&d->paths_index);
    }
    d->npaths = d->whole = 0;
    d->learned = 0;
}

static void
free_decision(decision *d)
{
    PyMem_Free(d->next);
    PyMem_RawFree(d->paths);
    PyMem_RawFree(d->paths_index.entries);
    PyMem_RawFree(d->suspended);
    PyMem_RawFree(d->suspended_index.entries);
}


/* --- Plans and harvests -------------------------------------------------- */

static int
truth_of(PyObject *value, unsigned char *truth)
{
    if (value == Py_None) {
        *truth = SAYS_NOTHING;
        return 0;
    }
    int is_true = PyObject_IsTrue(value);
    *truth = is_true ? IS_TRUE : IS_FALSE;
    return is_true < 0 ? -1 : 0;
}

static int
read_decision(decision *d, PyObject *item)
{
    PyObject *successors;
    if (!PyTuple_Check(item)) {
        PyErr_Format(PyExc_TypeError, "a decision must be a tuple, not %.100s",
                     Py_TYPE(item)->tp_name);
        return -1;
    }
    if (!PyArg_ParseTuple(item,
                          "O!n;a decision must be a tuple (successors, total)",
                          &PyTuple_Type, &successors, &d->total))
    {
        return -1;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(successors);
    if (n < 1 || n > MAX_CONDITIONS) {
        PyErr_Format(PyExc_ValueError,
                     "a decision must have 1 to %d conditions, not %zd",
                     MAX_CONDITIONS, n);
        return -1;
    }
    d->n = (int)n;
    remove_all_suspended(d);
    d->next = PyMem_Malloc(n * sizeof(*d->next));
    if (d->next == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *pair = PyTuple_GET_ITEM(successors, i);
        if (!PyTuple_Check(pair)) {
            PyErr_Format(PyExc_TypeError,
                         "successors must be tuples, not %.100s",
                         Py_TYPE(pair)->tp_name);
            return -1;
        }
        if (!PyArg_ParseTuple(pair, "ii;successors must be tuples "
                              "(on_true, on_false)",
                              &d->next[i][1], &d->next[i][0]))
        {
            return -1;
        }
        for (int truth = 0; truth < 2; truth++) {
            // Only forward, so that every evaluation ends.
            if (d->next[i][truth] >= n
                || (d->next[i][truth] >= 0 && d->next[i][truth] <= i))
            {
                PyErr_Format(PyExc_ValueError,
                             "the successor of condition %zd of %zd must be "
                             "-1 or a later condition, not %d",
                             i, n, d->next[i][truth]);
                return -1;
            }
        }
    }
    return 0;
}

/* Append a new reference, or NULL after an error, to a list. */
static int
append(PyObject *list, PyObject *item)
{
    if (item == NULL) {
        return -1;
    }
    int err = PyList_Append(list, item);
    Py_DECREF(item);
    return err;
}

/* Append the ways that a jump went since the last harvest. */
static int
harvest_ways(PyObject *jumps, int offset, unsigned char fresh[2],
             uint64_t counts[2])
{
    for (int way = 0; way < 2; way++) {
        if (fresh[way]) {
            unsigned long long count = counts[way];
            fresh[way] = 0;
            counts[way] = 0;
            PyObject *item = Py_BuildValue("iNK", offset,
                                           PyBool_FromLong(way), count);
            if (append(jumps, item) < 0) {
                return -1;
            }
        }
    }
    return 0;
}

/* Append the paths that were recorded since the last harvest. */
static int
harvest_paths(decision *d, Py_ssize_t number, PyObject *paths)
{
    for (Py_ssize_t j = 0; j < d->npaths; j++) {
        path p = d->paths[j];
        if (p.fresh) {
            d->paths[j].fresh = 0;
            d->paths[j].count = 0;
            PyObject *item = Py_BuildValue(
                "nKKNK", number, (unsigned long long)p.evaluated,
                (unsigned long long)p.truth, PyBool_FromLong(p.ended),
                (unsigned long long)p.count);
            if (append(paths, item) < 0) {
                return -1;
            }
        }
    }
    return 0;
}

static int
harvest_decisions(decision *decisions, Py_ssize_t n, PyObject *paths)
{
    for (Py_ssize_t i = 0; i < n; i++) {
        if (harvest_paths(&decisions[i], i, paths) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Return (code, lines, jumps, paths), with tuples made of the lists. */
static PyObject *
pack_harvest(PyCodeObject *code, PyObject *lines, PyObject *jumps,
             PyObject *paths)
{
    PyObject *result = NULL;
    PyObject *tuples[3] = {PyList_AsTuple(lines), PyList_AsTuple(jumps),
                           PyList_AsTuple(paths)};
    if (tuples[0] != NULL && tuples[1] != NULL && tuples[2] != NULL) {
        result = PyTuple_Pack(4, code, tuples[0], tuples[1], tuples[2]);
    }
    for (int i = 0; i < 3; i++) {
        Py_XDECREF(tuples[i]);
    }
    return result;
}
