/* Recording of the instructions that threads execute.

   This is no trace function.  Threads that are recorded use an eval loop of
   their own (recordedloop.h) unless they are traced as well, and call nothing.
   It writes an entry to the thread's ring for each instruction, or only for
   the first one of each basic block if no recorder wants more.  Recorders read
   the rings later: flightrecorder the last entries, on request, and
   codeblocks.EdgeRecorder all of them, whenever a ring is full.

   Entries are pointers into bytecode.  A code object is therefore shown to the
   recorders before it is recorded, and those that want it keep it alive.

   What a thread executes in a trace or profile function is not recorded.

   PyThreadState has these fields:

   rec_next, rec_end    Where the next entry goes, and where the ring is full.
   rec_ring             NULL if the thread is not recorded.
   rec_marks            The _PyCodeBlocks flags of recorded instructions.
   rec_serial           Identifies the set of recorders; 0 without a ring.
   rec_loop             rec_serial if the eval loop of recordedloop.h is the
                        one for the thread, and otherwise 0.
   rec_changed          The set of recorders has changed, and the fields above
                        must follow.

   A thread follows at its next instruction. */

#include "Python.h"
#include "pycore_recording.h"
#include "pycore_atomic.h"        // _Py_atomic_int
#include "pycore_pystate.h"       // _PyThreadState_GET()
#include "pycore_runtime.h"       // _PyRuntime
#include "pycore_tracestate.h"    // _PyTraceState_Follow()
#include <stddef.h>               // offsetof()
#ifdef HAVE_SYS_SELECT_H
#  include <sys/select.h>
#endif

/* Entries of a ring, 16 bytes each: small enough for a processor's cache. */
#define MIN_SIZE 1024

static uint64_t nrings;

/* Serial numbers are even, and not 0. */
static unsigned int last_serial;


/* --- The code objects of a recorder -------------------------------------- */

/* So many new code objects are searched one by one before they are sorted. */
#define MAX_UNSORTED 256

Py_ssize_t
_PyRecordedCode_Find(const _PyRecordedCode *set, const _Py_CODEUNIT *instr)
{
    Py_ssize_t low = 0, high = set->nsorted;
    while (low < high) {
        Py_ssize_t middle = low + (high - low) / 2;
        if ((const void *)set->codes[middle] <= (const void *)instr) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    if (low > 0 && _PyRecordedCode_Contains(set->codes[low - 1], instr)) {
        return low - 1;
    }
    for (Py_ssize_t i = set->nsorted; i < set->count; i++) {
        if (_PyRecordedCode_Contains(set->codes[i], instr)) {
            return i;
        }
    }
    return -1;
}

static int
compare_addresses(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return (x > y) - (x < y);
}

/* Merge the new code objects into the sorted ones. */
static void
sort_codes(_PyRecordedCode *set)
{
    PyCodeObject *new[MAX_UNSORTED];
    Py_ssize_t n = set->count - set->nsorted;
    memcpy(new, &set->codes[set->nsorted], n * sizeof(new[0]));
    qsort(new, n, sizeof(new[0]), compare_addresses);
    Py_ssize_t old = set->nsorted;
    for (Py_ssize_t i = set->count; n > 0; ) {
        PyCodeObject *last = new[n - 1];
        if (old > 0 && (uintptr_t)set->codes[old - 1] > (uintptr_t)last) {
            set->codes[--i] = set->codes[--old];
        }
        else {
            set->codes[--i] = new[--n];
        }
    }
    set->nsorted = set->count;
}

int
_PyRecordedCode_Add(_PyRecordedCode *set, PyCodeObject *code)
{
    if (set->count == set->size) {
        Py_ssize_t size = set->size ? 2 * set->size : 64;
        PyCodeObject **codes = PyMem_RawRealloc(set->codes,
                                                size * sizeof(codes[0]));
        if (codes == NULL) {
            return -1;
        }
        set->codes = codes;
        set->size = size;
    }
    set->codes[set->count++] = (PyCodeObject *)Py_NewRef(code);
    if (set->count - set->nsorted == MAX_UNSORTED) {
        sort_codes(set);
    }
    return 0;
}

void
_PyRecordedCode_Clear(_PyRecordedCode *set)
{
    _PyRecordedCode old = *set;
    memset(set, 0, sizeof(*set));
    for (Py_ssize_t i = 0; i < old.count; i++) {
        Py_DECREF(old.codes[i]);
    }
    PyMem_RawFree(old.codes);
}


/* --- Changes, and handlers of fatal signals ------------------------------ */

static _Py_atomic_int changes;          // that are going on, nested
static _Py_atomic_int crashing;         // a handler is reading

/* In milliseconds: how long a change and a handler wait for each other. */
#define MAX_WAIT 500

/* Async-signal-safe. */
static void
wait_for_zero(_Py_atomic_int *value)
{
    for (int i = 0; i < MAX_WAIT / 10 && _Py_atomic_load(value) != 0; i++) {
        struct timeval delay = {0, 10000};
        (void)select(0, NULL, NULL, NULL, &delay);
    }
}

void
_PyRecording_BeginChange(void)
{
    int nested = _Py_atomic_load(&changes);
    _Py_atomic_store(&changes, nested + 1);
    if (!nested && _Py_atomic_load(&crashing)) {
        // Both have seen each other: the handler goes first.
        _Py_atomic_store(&changes, 0);
        wait_for_zero(&crashing);
        _Py_atomic_store(&changes, 1);
    }
}

void
_PyRecording_EndChange(void)
{
    _Py_atomic_store(&changes, _Py_atomic_load(&changes) - 1);
}

int
_PyRecording_BeginCrash(void)
{
    _Py_atomic_store(&crashing, 1);
    wait_for_zero(&changes);
    return _Py_atomic_load(&changes) == 0;
}

void
_PyRecording_EndCrash(void)
{
    _Py_atomic_store(&crashing, 0);
}


/* --- Rings --------------------------------------------------------------- */

static inline int
records(_PyRecorder *recorder, uint64_t thread)
{
    return recorder->thread == 0 || recorder->thread == thread;
}

/* Let the recorders read the entries up to 'end'. */
static void
read_ring(PyInterpreterState *interp, _PyRecordRing *ring,
          _PyRecordEntry *end)
{
    for (_PyRecorder *r = interp->recording.recorders; r; r = r->next) {
        if (r->read != NULL && ring->read != end) {
            r->read(r, ring->read, end);
        }
    }
    ring->read = end;
}

_PyRecordEntry *
_PyRecording_Wrap(PyThreadState *tstate)
{
    _PyRecordRing *ring = tstate->rec_ring;
    read_ring(tstate->interp, ring, ring->entries + ring->size);
    ring->laps++;
    ring->read = ring->entries;
    return ring->entries;
}

static int
attach(PyThreadState *tstate, Py_ssize_t size)
{
    _PyRecordRing *ring = PyMem_RawCalloc(
        1, offsetof(_PyRecordRing, entries) + size * sizeof(_PyRecordEntry));
    if (ring == NULL) {
        return -1;
    }
    ring->tstate = tstate;
    ring->id = tstate->id;
    ring->ident = tstate->thread_id;
    ring->number = ++nrings;
    ring->size = size;
    ring->read = ring->entries;
    tstate->rec_next = ring->entries;
    tstate->rec_end = ring->entries + size;
    tstate->rec_ring = ring;
    _PyRecording_BeginChange();
    ring->next = tstate->interp->recording.rings;
    tstate->interp->recording.rings = ring;
    _PyRecording_EndChange();
    return 0;
}

static void
detach(PyThreadState *tstate, int ended)
{
    _PyRecordRing *ring = tstate->rec_ring;
    PyInterpreterState *interp = tstate->interp;
    read_ring(interp, ring, tstate->rec_next);
    _PyRecording_BeginChange();
    _PyRecordRing **p = &interp->recording.rings;
    while (*p != ring) {
        p = &(*p)->next;
    }
    *p = ring->next;
    ring->end = tstate->rec_next;
    // Idents change in the child process of a fork.
    ring->ident = tstate->thread_id;
    ring->tstate = NULL;
    tstate->rec_next = tstate->rec_end = NULL;
    tstate->rec_ring = NULL;
    tstate->rec_marks = 0;
    tstate->rec_serial = tstate->rec_loop = 0;
    int owned = 0;
    for (_PyRecorder *r = interp->recording.recorders; r != NULL && !owned;
         r = r->next)
    {
        owned = r->detached != NULL && records(r, ring->id)
                && r->detached(r, ring, ended);
    }
    if (!owned) {
        PyMem_RawFree(ring);
    }
    _PyRecording_EndChange();
}

static void
read_rings(PyInterpreterState *interp)
{
    for (_PyRecordRing *ring = interp->recording.rings; ring != NULL;
         ring = ring->next)
    {
        read_ring(interp, ring, ring->tstate->rec_next);
    }
}

void
_PyRecording_Read(void)
{
    read_rings(_PyInterpreterState_GET());
}


/* --- Recorders and threads ----------------------------------------------- */

/* Choose the eval loop for the thread, and where it stops. */
static void
choose_loop(PyThreadState *tstate)
{
    _PyTraceState_Follow(tstate);
    // While the runtime is finalized, other threads can have ended without
    // the GIL, and their C stacks are gone.
    if (_PyRuntimeState_GetFinalizing(&_PyRuntime) == NULL
        || tstate == _PyThreadState_GET())
    {
        _PyThreadState_UpdateTracingState(tstate);
    }
}

/* The set of recorders has changed: tell all threads. */
static void
set_changed(PyInterpreterState *interp)
{
    last_serial += 2;
    if (last_serial == 0) {
        last_serial = 2;
    }
    interp->recording.serial = last_serial;
    PyThread_type_lock lock = _PyRuntime.interpreters.mutex;
    PyThread_acquire_lock(lock, WAIT_LOCK);
    interp->recording.on = interp->recording.recorders != NULL;
    for (PyThreadState *ts = interp->threads.head; ts != NULL; ts = ts->next) {
        if (ts->rec_ring != NULL
            || (interp->recording.on && !ts->inst_cleared))
        {
            ts->rec_changed = 1;
            choose_loop(ts);
        }
    }
    PyThread_release_lock(lock);
}

void
_PyRecording_InitThread(PyThreadState *tstate)
{
    if (tstate->interp->recording.on) {
        tstate->rec_changed = 1;
        _PyThreadState_UpdateTracingState(tstate);
    }
}

void
_PyRecording_ClearThread(PyThreadState *tstate)
{
    tstate->rec_changed = 0;
    if (tstate->rec_ring != NULL) {
        detach(tstate, 1);
    }
}

int
_PyRecording_Follow(PyThreadState *tstate)
{
    uint8_t marks = 0;
    Py_ssize_t size = MIN_SIZE;
    PyInterpreterState *interp = tstate->interp;
    for (_PyRecorder *r = interp->recording.recorders; r; r = r->next) {
        if (records(r, tstate->id)) {
            marks |= r->marks;
            size = Py_MAX(size, r->size);
        }
    }
    int err = 0;
    tstate->rec_changed = 0;
    if (marks == 0) {
        if (tstate->rec_ring != NULL) {
            detach(tstate, 0);
        }
    }
    else if (tstate->rec_ring == NULL && !tstate->inst_cleared) {
        err = attach(tstate, size);
    }
    if (tstate->rec_ring != NULL) {
        tstate->rec_marks = marks;
        tstate->rec_serial = interp->recording.serial;
    }
    choose_loop(tstate);
    return err;
}

void
_PyRecording_Lose(PyThreadState *tstate)
{
    PyInterpreterState *interp = tstate->interp;
    for (_PyRecorder *r = interp->recording.recorders; r; r = r->next) {
        if (records(r, tstate->id)) {
            r->lost = 1;
        }
    }
}

static void
detach_all(PyInterpreterState *interp)
{
    while (interp->recording.rings != NULL) {
        PyThreadState *tstate = interp->recording.rings->tstate;
        detach(tstate, 0);
        choose_loop(tstate);
    }
}

int
_PyRecording_Start(_PyRecorder *recorder, int anew)
{
    PyThreadState *tstate = _PyThreadState_GET();
    PyInterpreterState *interp = tstate->interp;
    assert(!recorder->running);
    read_rings(interp);
    if (anew) {
        detach_all(interp);
    }
    Py_XINCREF(recorder->owner);
    recorder->running = 1;
    recorder->interp = interp;
    recorder->next = interp->recording.recorders;
    interp->recording.recorders = recorder;
    set_changed(interp);
    if (_PyRecording_Follow(tstate) < 0) {
        _PyRecording_Stop(recorder, anew);
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static void
stop(_PyRecorder *recorder)
{
    PyInterpreterState *interp = recorder->interp;
    _PyRecorder **p = &interp->recording.recorders;
    while (*p != recorder) {
        p = &(*p)->next;
    }
    *p = recorder->next;
    recorder->running = 0;
    set_changed(interp);
    Py_XDECREF(recorder->owner);
}

void
_PyRecording_Stop(_PyRecorder *recorder, int anew)
{
    // Not always the current one: in the child process of a fork, the main
    // interpreter's thread clears the other interpreters.
    read_rings(recorder->interp);
    if (anew) {
        detach_all(recorder->interp);
    }
    stop(recorder);
}

void
_PyRecording_Fini(PyInterpreterState *interp)
{
    while (interp->recording.recorders != NULL) {
        stop(interp->recording.recorders);
    }
    detach_all(interp);
}

int
_PyRecording_See(PyThreadState *tstate, PyCodeObject *code)
{
    PyInterpreterState *interp = tstate->interp;
    unsigned int set = interp->recording.serial, serial = tstate->rec_serial;
    _PyCodeBlocks *blocks = (_PyCodeBlocks *)_PyCodeBlocks_TryGet(code);
    if (blocks == NULL) {
        _PyRecording_Lose(tstate);
        return 0;
    }
    if (!_PyRecording_IsNew(tstate, blocks)) {
        return 0;
    }
    int wanted = 0;
    for (_PyRecorder *r = interp->recording.recorders; r; r = r->next) {
        int selected = r->select(r, code);
        if (selected < 0) {
            return -1;
        }
        if (interp->recording.serial != set) {
            return 0;           // the recorders are others now
        }
        if (selected == _PyRecording_NO_MEMORY) {
            _PyRecording_Lose(tstate);
            return 0;
        }
        wanted |= selected;
    }
    blocks->recording = serial | wanted;
    return 0;
}

void
_PyRecording_NoteRaise(PyThreadState *tstate, uint64_t executed)
{
    PyTracebackObject *tb = (PyTracebackObject *)tstate->curexc_traceback;
    if (tstate->tracing || tb == NULL || tb->tb_next != NULL) {
        return;
    }
    _PyRecordRing *ring = tstate->rec_ring;
    ring->raises[ring->nraises++ % _PyRecording_MAX_RAISES] =
        (_PyRecordRaise){tb, Py_MIN(executed, _PyRecordRing_Total(ring))};
}
