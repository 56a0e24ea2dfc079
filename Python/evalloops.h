/* The three compilations of the eval loop.

   Python/ceval.c includes itself twice, with EVAL_LOOP defined as the header
   that changes the macros of its loop:

   tracedloop.h     eval_traced_frame() checks each instruction for events
                    before it executes it.
   recordedloop.h   eval_recorded_frame() writes down each instruction, in
                    threads that are recorded and not traced.

   Tracing and recording therefore cost nothing when they are off.  When they
   are on, specialized instructions are not replaced by general ones.

   When a frame is entered, _PyEval_EvalFrame() calls the loop that is right
   for the thread, so that there is one C frame of a loop for it.  When another
   loop has to continue later, because tracing or recording begins or ends,
   the loops take turns, until the entry frame is left. */

#include "traceevents.h"

/* The variables that the loops pass to each other, in addition to the
   frame. */
typedef struct {
    _Py_CODEUNIT *next_instr;
    PyObject *kwnames;
#ifdef LLTRACE
    int lltrace;
#endif
} loop_variables;

/* A value of throwflag: continue a frame of another loop, with its variables
   in tstate->inst_loop. */
#define CONTINUE_FRAME 2

/* Return the result of the entry frame.  If another loop has to continue
   before that, return other_loop, and the frame to continue in
   tstate->cframe->current_frame. */
static PyObject *eval_traced_frame(PyThreadState *tstate,
                                   _PyInterpreterFrame *frame,
                                   loop_variables *other_loop);
static PyObject *eval_recorded_frame(PyThreadState *tstate,
                                     _PyInterpreterFrame *frame,
                                     loop_variables *other_loop);

/* Continue in the loop that is right for a thread that is traced or
   recorded. */
static inline PyObject *
eval_in_other_loop(PyThreadState *tstate, _PyInterpreterFrame *frame,
                   loop_variables *loop)
{
    if (tstate->rec_changed && _PyRecording_Follow(tstate) < 0) {
        _PyRecording_Lose(tstate);
    }
    if (tstate->rec_loop && tstate->c_tracefunc != NULL) {
        // A debugger that attaches has written it.
        _PyThreadState_UpdateTracingState(tstate);
    }
    return tstate->rec_loop ? eval_recorded_frame(tstate, frame, loop)
                            : eval_traced_frame(tstate, frame, loop);
}

#ifdef LLTRACE
#  define SAVE_LLTRACE(loop) ((loop)->lltrace = lltrace)
#  define LOAD_LLTRACE(loop) (lltrace = (loop)->lltrace)
#else
#  define SAVE_LLTRACE(loop) ((void)0)
#  define LOAD_LLTRACE(loop) ((void)0)
#endif

#define SAVE_LOOP(loop) \
    do { \
        _PyFrame_SetStackPointer(frame, stack_pointer); \
        (loop)->next_instr = next_instr; \
        (loop)->kwnames = call_shape.kwnames; \
        SAVE_LLTRACE(loop); \
    } while (0)

#define LOAD_LOOP(loop) \
    do { \
        SET_LOCALS_FROM_FRAME(); \
        next_instr = (loop)->next_instr; \
        call_shape.kwnames = (loop)->kwnames; \
        LOAD_LLTRACE(loop); \
    } while (0)

/* Continue a frame of another loop.  This loop has its own _PyCFrame, between
   its frames and the other's _PyCFrame. */
#define CONTINUE() \
    do { \
        cframe.current_frame = frame; \
        prev_cframe->current_frame = prev_cframe->previous->current_frame; \
        LOAD_LOOP(other_loop); \
        DISPATCH_FIRST(); \
    } while (0)

#define RETURN_TO_OTHER_LOOP() \
    do { \
        SAVE_LOOP(other_loop); \
        prev_cframe->current_frame = frame; \
        prev_cframe->use_tracing = cframe.use_tracing; \
        tstate->cframe = prev_cframe; \
        if (!cframe.use_tracing) { \
            tstate->inst_raised = 0; \
        } \
        return (PyObject *)other_loop; \
    } while (0)

/* In the untraced loop: let another one continue at the next instruction. */
#define SWITCH_LOOP() \
    do { \
        if (other_loop != NULL) { \
            RETURN_TO_OTHER_LOOP(); \
        } \
        loop_variables loop; \
        SAVE_LOOP(&loop); \
        PyObject *result = eval_in_other_loop(tstate, frame, &loop); \
        if (result != (PyObject *)&loop) { \
            tstate->cframe = cframe.previous; \
            tstate->cframe->use_tracing = cframe.use_tracing; \
            return result; \
        } \
        frame = cframe.current_frame; \
        LOAD_LOOP(&loop); \
        DISPATCH(); \
    } while (0)

/* Like _PyEval_EvalFrameDefault(), in a thread that is traced or recorded.
   The loops take turns. */
PyObject * Py_NO_INLINE
_PyEval_EvalTracedFrame(PyThreadState *tstate, _PyInterpreterFrame *frame,
                        int throwflag)
{
    if (throwflag) {
        return _PyEval_EvalFrameDefault(tstate, frame, throwflag);
    }
    _PyCFrame cframe;
    cframe.use_tracing = tstate->cframe->use_tracing;
    cframe.previous = tstate->cframe;
    cframe.current_frame = frame;
    tstate->cframe = &cframe;
    frame->is_entry = true;
    frame->previous = cframe.previous->current_frame;

    loop_variables loop = {.next_instr = frame->prev_instr + 1};
    PyObject *result = NULL;
#ifdef LLTRACE
    loop.lltrace = PyDict_Contains(frame->f_globals, &_Py_ID(__lltrace__));
    if (loop.lltrace < 0) {
        goto exit;
    }
#endif
    if (_Py_EnterRecursiveCallTstate(tstate, "")) {
        goto exit;
    }
    do {
        if (cframe.use_tracing) {
            result = eval_in_other_loop(tstate, cframe.current_frame, &loop);
        }
        else {
            tstate->inst_loop = &loop;
            result = _PyEval_EvalFrameDefault(tstate, cframe.current_frame,
                                              CONTINUE_FRAME);
        }
    } while (result == (PyObject *)&loop);
exit:
    tstate->cframe = cframe.previous;
    tstate->cframe->use_tracing = cframe.use_tracing;
    return result;
}

/* The address of the _PyCodeBlocks flags of a code object, minus half the
   address of its bytecode, so that MARKS() maps a pointer to an instruction to
   its flags in one step.  0 if there are none. */
#define MARKS(instr) (*(const uint8_t *)(marks + ((uintptr_t)(instr) >> 1)))

static inline uintptr_t
marks_of(PyCodeObject *code, const _PyCodeBlocks *blocks)
{
    Py_BUILD_ASSERT(sizeof(_Py_CODEUNIT) == 2);
    return (uintptr_t)blocks->units - ((uintptr_t)_PyCode_CODE(code) >> 1);
}

/* --- The untraced loop --------------------------------------------------- */

#define DISPATCH_FIRST() DISPATCH()
#define TRACE_YIELD() TRACE_FUNCTION_EXIT()
#define AT_EVAL_BREAKER() ((void)0)
#define DECLARE_MARKS() /* only in the other loops */
#define LOAD_MARKS(code) ((void)0)
#define EXECUTED(instr) ((void)0)

/* The traceback of an exception is about to be made, and was made.  In this
   loop, the thread is only recorded for generator.throw(). */
#define BEFORE_TRACEBACK() ((void)0)
#define AFTER_TRACEBACK() \
    do { \
        if (cframe.use_tracing && tstate->rec_ring != NULL) { \
            _PyRecording_NoteRaise(tstate, _PyRecording_Executed(tstate)); \
        } \
    } while (0)

/* An exception is about to enter its handler. */
#define RAISED() \
    do { \
        if (cframe.use_tracing) { \
            tstate->inst_raised = INSTR_OFFSET(); \
        } \
    } while (0)

/* Specialized instructions assert that tracing is off, but the other loops
   execute them with tracing on.  Their assertions can only be recognized by
   their text; changing each in ceval.c would make the patch longer and moving
   to a new release harder. */
#ifdef NDEBUG
#  define loop_assert(expr) ((void)0)
#else
#  define loop_assert(expr) \
    ((expr) || strcmp(#expr, "cframe.use_tracing == 0") == 0 \
     ? (void)0 \
     : Py_FatalError("assertion failed in the traced or the recorded loop: " \
                     #expr))
#endif
