#ifndef Py_INTERNAL_RECORDING_H
#define Py_INTERNAL_RECORDING_H
#ifdef __cplusplus
extern "C" {
#endif

#ifndef Py_BUILD_CORE
#  error "this header requires Py_BUILD_CORE define"
#endif

#include "pycore_code.h"          // _PyCode_CODE()
#include "pycore_codeblocks.h"    // _PyCodeBlocks
#include "pycore_interp.h"        // PyInterpreterState

/* Recording of executed instructions.  See Python/recording.c.

   Everything here needs the GIL, except _PyRecording_InitThread() and what the
   handler of a fatal signal calls. */

/* An executed instruction. */
typedef struct _PyRecordEntry {
    /* The instruction that the frame executed before: its opcode, after
       EXTENDED_ARG prefixes.  It is before code->_co_firsttraceable if that is
       the frame's first RESUME. */
    _Py_CODEUNIT *from;
    /* The instruction: its first prefix.  Bit 0 is set if a basic block starts
       there. */
    uintptr_t to;
} _PyRecordEntry;

#define _PyRecordEntry_IS_LEADER(entry) ((entry)->to & 1)
#define _PyRecordEntry_TO(entry) \
    ((_Py_CODEUNIT *)((entry)->to & ~(uintptr_t)1))

/* Where an exception was raised: its innermost traceback, which can only be
   compared, and the number of instructions that the ring held until then. */
typedef struct {
    const void *traceback;      // NULL: it was freed
    uint64_t total;
} _PyRecordRaise;

#define _PyRecording_MAX_RAISES 64

/* The instructions of a thread.  A full ring begins again at its start. */
typedef struct _PyRecordRing {
    struct _PyRecordRing *next;         // the next older one
    PyThreadState *tstate;              // NULL: detached from its thread
    uint64_t id;                        // of the thread state
    unsigned long ident;
    uint64_t number;                    // in order of creation
    uint64_t ended;                     // for the recorder that keeps the ring
    Py_ssize_t size;
    uint64_t laps;                      // how often it was full
    _PyRecordEntry *end;                // where it goes on, if detached
    _PyRecordEntry *read;               // the recorders have read up to here
    unsigned int nraises;
    _PyRecordRaise raises[_PyRecording_MAX_RAISES];
    _PyRecordEntry entries[1];
} _PyRecordRing;

/* Code objects that a recorder keeps alive.  The first 'nsorted' are in the
   order of their addresses. */
typedef struct {
    Py_ssize_t nsorted;
    Py_ssize_t count;
    Py_ssize_t size;
    PyCodeObject **codes;
} _PyRecordedCode;

static inline int
_PyRecordedCode_Contains(PyCodeObject *code, const _Py_CODEUNIT *instr)
{
    _Py_CODEUNIT *start = _PyCode_CODE(code);
    return start <= instr && instr < start + Py_SIZE(code);
}

/* The index of the code object that contains an instruction, or -1. */
PyAPI_FUNC(Py_ssize_t) _PyRecordedCode_Find(const _PyRecordedCode *set,
                                            const _Py_CODEUNIT *instr);

/* Add a code object that is not in the set.  Return -1, without an exception,
   if there is no memory. */
PyAPI_FUNC(int) _PyRecordedCode_Add(_PyRecordedCode *set, PyCodeObject *code);

/* Make the set empty.  May run any code. */
PyAPI_FUNC(void) _PyRecordedCode_Clear(_PyRecordedCode *set);

static inline int
_PyRecordedCode_Has(const _PyRecordedCode *set, PyCodeObject *code)
{
    return _PyRecordedCode_Find(set, _PyCode_CODE(code)) >= 0;
}

#define _PyRecording_NO_MEMORY 2

/* What reads the recorded instructions. */
typedef struct _PyRecorder {
    struct _PyRecorder *next;
    PyInterpreterState *interp; // while it is running
    PyObject *owner;            // a reference while it is running, or NULL
    Py_ssize_t size;            // of the rings, at least
    /* The _PyCodeBlocks flags of the instructions to record. */
    uint8_t marks;
    uint64_t thread;            // the id of a thread state; 0: all threads
    int running;
    int lost;                   // for lack of memory, something is missing
    /* Is the code object to be recorded?  It is asked before the code object
       is recorded for the first time, and again after any recorder was started
       or stopped.  May run any code.  Return 1 or 0, or -1 with an exception
       set on error, or _PyRecording_NO_MEMORY: then it is asked again. */
    int (*select)(struct _PyRecorder *, PyCodeObject *);
    /* Read entries, which may belong to code objects that only other recorders
       have selected.  Or NULL.  Must not run Python code. */
    void (*read)(struct _PyRecorder *, _PyRecordEntry *, _PyRecordEntry *);
    /* The ring is detached from its thread, which has ended if 'ended' is
       true.  Return 1 to own the ring.  Or NULL. */
    int (*detached)(struct _PyRecorder *, _PyRecordRing *, int ended);
} _PyRecorder;

/* Start a recorder that is not running, in the current interpreter, and stop
   one that is.  With 'anew', the rings of all threads are detached first.  No
   Python code runs, unless stopping releases the owner.  _PyRecording_Start()
   returns -1 with an exception set if it fails.  Raise the audit event
   sys.settrace before. */
PyAPI_FUNC(int) _PyRecording_Start(_PyRecorder *recorder, int anew);
PyAPI_FUNC(void) _PyRecording_Stop(_PyRecorder *recorder, int anew);

/* Let the recorders of the current interpreter read all entries. */
PyAPI_FUNC(void) _PyRecording_Read(void);

/* Where the ring goes on, and how many entries were written to it. */
static inline _PyRecordEntry *
_PyRecordRing_End(_PyRecordRing *ring)
{
    return ring->tstate != NULL ? ring->tstate->rec_next : ring->end;
}

static inline uint64_t
_PyRecordRing_Total(_PyRecordRing *ring)
{
    return ring->laps * (uint64_t)ring->size
           + (uint64_t)(_PyRecordRing_End(ring) - ring->entries);
}

/* The handler of a fatal signal reads rings and what describes them, perhaps
   without the GIL.  Changes are made between _PyRecording_BeginChange() and
   _PyRecording_EndChange(), which can be nested.  BeginCrash() returns 0 if
   the handler cannot read, because a change does not end. */
PyAPI_FUNC(void) _PyRecording_BeginChange(void);
PyAPI_FUNC(void) _PyRecording_EndChange(void);
PyAPI_FUNC(int) _PyRecording_BeginCrash(void);
PyAPI_FUNC(void) _PyRecording_EndCrash(void);

/* --- For the interpreter ------------------------------------------------- */

/* A thread state is being initialized, with the interpreter's lock. */
extern void _PyRecording_InitThread(PyThreadState *tstate);

/* The thread state is being cleared. */
extern void _PyRecording_ClearThread(PyThreadState *tstate);

/* Recording was started or stopped: give the current thread a ring, or none.
   Return -1, without an exception, if there is no memory for it: then the
   thread is not recorded. */
extern int _PyRecording_Follow(PyThreadState *tstate);

/* For lack of memory, instructions of the thread are not recorded. */
extern void _PyRecording_Lose(PyThreadState *tstate);

/* Ask the recorders about a code object.  May run any code.  Return -1 with an
   exception set on error.  The code object can be new afterwards, too. */
extern int _PyRecording_See(PyThreadState *tstate, PyCodeObject *code);

/* The ring of the thread is full.  Return where it goes on. */
extern _PyRecordEntry *_PyRecording_Wrap(PyThreadState *tstate);

/* The number of instructions in the ring of the thread. */
static inline uint64_t
_PyRecording_Executed(PyThreadState *tstate)
{
    _PyRecordRing *ring = tstate->rec_ring;
    return ring != NULL ? _PyRecordRing_Total(ring) : 0;
}

/* Note that the current exception was raised after 'executed' instructions. */
extern void _PyRecording_NoteRaise(PyThreadState *tstate, uint64_t executed);

/* Stop all recorders, during the finalization of an interpreter. */
extern void _PyRecording_Fini(PyInterpreterState *interp);

/* _PyCodeBlocks.recording is the serial number of the recording that the code
   object was shown to, an even number, plus 1 if it is to be recorded. */
static inline int
_PyRecording_IsNew(PyThreadState *tstate, const _PyCodeBlocks *blocks)
{
    return blocks == NULL || (blocks->recording & ~1u) != tstate->rec_serial;
}

static inline int
_PyRecording_IsWanted(const _PyCodeBlocks *blocks)
{
    return blocks->recording & 1;
}

static inline void
_PyRecording_Add(PyThreadState *tstate, _Py_CODEUNIT *from, _Py_CODEUNIT *to,
                 uint8_t marks)
{
    Py_BUILD_ASSERT(_PyCodeBlocks_LEADER == 0x80);
    if (marks & tstate->rec_marks) {
        _PyRecordEntry *entry = tstate->rec_next;
        entry->from = from;
        entry->to = (uintptr_t)to | marks >> 7;
        if (++entry == tstate->rec_end) {
            entry = _PyRecording_Wrap(tstate);
        }
        tstate->rec_next = entry;
    }
}

#ifdef __cplusplus
}
#endif
#endif  /* !Py_INTERNAL_RECORDING_H */
