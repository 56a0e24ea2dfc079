/* The eval loop of traced threads.

   Python/ceval.c includes itself with TRACED_LOOP defined, to compile its loop
   a second time, as eval_traced_frame().  This checks each instruction before
   it executes it.  Tracing therefore costs nothing when it is off.  When it is
   on, instructions without events cost little, because specialized
   instructions are not replaced by general ones.

   When a frame is entered, _PyEval_EvalFrame() calls the loop that is right
   for the thread, so that there is one C frame of a loop for it.  When tracing
   begins or ends later, the other loop continues, until the entry frame is
   left or tracing changes again. */

#ifndef TRACED_LOOP

#include "traceevents.h"

/* The variables that the two loops pass to each other, in addition to the
   frame. */
typedef struct {
    _Py_CODEUNIT *next_instr;
    PyObject *kwnames;
#ifdef LLTRACE
    int lltrace;
#endif
} traced_loop;

/* A value of throwflag: continue a frame of another loop, with its variables
   in tstate->inst_loop. */
#define CONTINUE_FRAME 2

/* Return the result of the entry frame.  If tracing has ended before that,
   return other_loop, and the frame to continue in
   tstate->cframe->current_frame. */
static PyObject *eval_traced_frame(PyThreadState *tstate,
                                   _PyInterpreterFrame *frame,
                                   traced_loop *other_loop);

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

/* Continue a frame of the other loop.  This loop has its own _PyCFrame,
   between its frames and the other's _PyCFrame. */
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
        return (PyObject *)other_loop; \
    } while (0)

/* In the untraced loop: let the traced one continue at the next
   instruction. */
#define ENTER_TRACED_LOOP() \
    do { \
        if (other_loop != NULL) { \
            RETURN_TO_OTHER_LOOP(); \
        } \
        traced_loop loop; \
        SAVE_LOOP(&loop); \
        PyObject *result = eval_traced_frame(tstate, frame, &loop); \
        if (result != (PyObject *)&loop) { \
            tstate->cframe = cframe.previous; \
            tstate->cframe->use_tracing = cframe.use_tracing; \
            return result; \
        } \
        frame = cframe.current_frame; \
        LOAD_LOOP(&loop); \
        DISPATCH(); \
    } while (0)

/* Like _PyEval_EvalFrameDefault(), in a traced thread.  The two loops take
   turns. */
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

    traced_loop loop = {.next_instr = frame->prev_instr + 1};
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
    for (;;) {
        result = eval_traced_frame(tstate, cframe.current_frame, &loop);
        if (result != (PyObject *)&loop) {
            break;
        }
        tstate->inst_loop = &loop;
        result = _PyEval_EvalFrameDefault(tstate, cframe.current_frame,
                                          CONTINUE_FRAME);
        if (result != (PyObject *)&loop) {
            break;
        }
    }
exit:
    tstate->cframe = cframe.previous;
    tstate->cframe->use_tracing = cframe.use_tracing;
    return result;
}

#define DISPATCH_FIRST() DISPATCH()
#define TRACE_YIELD() TRACE_FUNCTION_EXIT()
#define AT_EVAL_BREAKER() ((void)0)
#define DECLARE_MARKS() /* only in the traced loop */
#define LOAD_MARKS(code) ((void)0)

/* An exception is about to enter its handler. */
#define RAISED() \
    do { \
        if (cframe.use_tracing) { \
            tstate->inst_raised = INSTR_OFFSET(); \
        } \
    } while (0)

#else  /* TRACED_LOOP */

/* Specialized instructions assert that tracing is off, but this loop executes
   them with tracing on.  Their assertions can only be recognized by their
   text; changing each in ceval.c would make the patch longer and moving to a
   new release harder. */
#ifndef NDEBUG
#  undef assert
#  define assert(expr) \
    ((expr) || strcmp(#expr, "cframe.use_tracing == 0") == 0 \
     ? (void)0 \
     : Py_FatalError("assertion failed in the traced loop: " #expr))
#endif

#ifdef WITH_DTRACE
#  define IS_TRACED() (cframe.use_tracing || PyDTrace_LINE_ENABLED())
#else
#  define IS_TRACED() (cframe.use_tracing)
#endif

#undef DISPATCH_FIRST
#define DISPATCH_FIRST() goto traced_instruction

/* The 'return' event of a yield.  The generator executes until that is over: a
   trace function must neither resume nor close it, nor clear its frame. */
#undef TRACE_YIELD
#define TRACE_YIELD() \
    do { \
        if (cframe.use_tracing) { \
            PyGenObject *gen = _PyFrame_GetGenerator(frame); \
            _Py_CODEUNIT *yield = frame->prev_instr; \
            gen->gi_frame_state = FRAME_EXECUTING; \
            gen->gi_yield = _PyInterpreterFrame_LASTI(frame); \
            TRACE_FUNCTION_EXIT(); \
            gen->gi_frame_state = FRAME_SUSPENDED; \
            if (frame->prev_instr == yield) { \
                gen->gi_yield = 0; \
            } \
        } \
    } while (0)

#undef RAISED
#define RAISED() \
    do { \
        tstate->inst_raised = INSTR_OFFSET(); \
        JUMPTO(handler); \
        goto traced_instruction; \
    } while (0)

/* The address of the _PyCodeBlocks flags of the frame's code, minus half the
   address of its bytecode, so that MARKS() maps a pointer to an instruction to
   its flags in one step.  0 if there was no memory for them. */
#undef DECLARE_MARKS
#define DECLARE_MARKS() uintptr_t marks
#undef LOAD_MARKS
#define LOAD_MARKS(code) (marks = load_marks(code))
#define MARKS(instr) (*(const uint8_t *)(marks + ((uintptr_t)(instr) >> 1)))

static inline uintptr_t
load_marks(PyCodeObject *code)
{
    const _PyCodeBlocks *blocks = _PyCodeBlocks_Peek(code);
    if (blocks == NULL) {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        blocks = _PyCodeBlocks_Compute(code);
        PyErr_Restore(type, value, traceback);
        if (blocks == NULL) {
            return 0;
        }
    }
    Py_BUILD_ASSERT(sizeof(_Py_CODEUNIT) == 2);
    return (uintptr_t)blocks->units - ((uintptr_t)_PyCode_CODE(code) >> 1);
}

/* Could the instruction at instr, whose opcode is not in tstate->inst_opcodes,
   have an event?  This can be true for instructions without events. */
#define IS_EVENT(instr) \
    (marks == 0 \
     || (MARKS(instr) & tstate->inst_marks) \
     || (frame->frame_obj != NULL && frame->frame_obj->f_trace_opcodes) \
     || PyDTrace_LINE_ENABLED())

/* Before an error: if the trace function jumped and so popped values, look for
   a handler at the target of the jump. */
#define GO_WITH_STACK(old_stack_pointer) \
    do { \
        if (stack_pointer != (old_stack_pointer)) { \
            next_instr = frame->prev_instr; \
        } \
    } while (0)

/* The instruction before the one at instr, which must not be the first one of
   a basic block. */
static inline _Py_CODEUNIT *
instruction_before(uintptr_t marks, _Py_CODEUNIT *instr)
{
    int distance;
    instr--;
    while ((distance = MARKS(instr) & _PyCodeBlocks_DISTANCE) != 0) {
        instr -= distance;
    }
    return instr;
}

/* Execute only one instruction: replace a specialized form that includes the
   next one. */
#define UNFUSE() \
    do { \
        if (_PyTraceState_Fused[opcode]) { \
            opcode = _PyOpcode_Deopt[opcode]; \
        } \
    } while (0)

/* A trace function can be replaced wherever other threads run.  Instructions
   without events do not look, but loops and calls do. */
#undef CHECK_EVAL_BREAKER
#define CHECK_EVAL_BREAKER() \
    do { \
        _Py_CHECK_EMSCRIPTEN_SIGNALS_PERIODICALLY(); \
        if (_Py_atomic_load_relaxed_int32(eval_breaker) \
            || _PyTraceState_IsReplaced(tstate)) \
        { \
            goto handle_eval_breaker; \
        } \
    } while (0)

/* A fast path for most events: the thread is traced for instructions only, or
   for branches only, and the instruction is not reached by an exception. */
#define TRACE_ONE_EVENT() \
    do { \
        if (cframe.use_tracing && marks != 0 \
            && (MARKS(next_instr) & tstate->inst_single) \
            && !(MARKS(next_instr) & _PyCodeBlocks_RESUME) \
            && tstate->inst_raised == 0 \
            && frame->frame_obj != NULL \
            && !frame->frame_obj->f_trace_opcodes) \
        { \
            int prev = MARKS(next_instr) & _PyCodeBlocks_INSIDE \
                ? (int)(instruction_before(marks, next_instr) - first_instr) \
                : previous_of_leader( \
                    frame->f_code, _PyCodeBlocks_Peek(frame->f_code), \
                    INSTR_OFFSET(), _PyInterpreterFrame_LASTI(frame), -1); \
            frame->prev_instr = next_instr; \
            _PyFrame_SetStackPointer(frame, stack_pointer); \
            PyObject **old_stack_pointer = stack_pointer; \
            int err = trace_one_event(tstate, frame, INSTR_OFFSET(), prev); \
            stack_pointer = _PyFrame_GetStackPointer(frame); \
            frame->stacktop = -1; \
            if (err) { \
                GO_WITH_STACK(old_stack_pointer); \
                next_instr++; \
                goto error; \
            } \
            if (next_instr != frame->prev_instr) { \
                call_shape.kwnames = NULL; \
                next_instr = frame->prev_instr; \
            } \
            TRACING_NEXTOPARG(); \
            PRE_DISPATCH_GOTO(); \
            DISPATCH_GOTO(); \
        } \
        _PyTraceState_FollowIfReplaced(tstate); \
    } while (0)

#undef TRACING_NEXTOPARG
#define TRACING_NEXTOPARG() do { \
        NEXTOPARG(); \
        UNFUSE(); \
    } while (0)

#undef DISPATCH
#define DISPATCH() \
    { \
        NEXTOPARG(); \
        if (!cframe.use_tracing || tstate->inst_opcodes[opcode] \
            || IS_EVENT(next_instr)) \
        { \
            goto traced_instruction; \
        } \
        if (_PyTraceState_Fused[opcode]) { \
            goto fused_instruction; \
        } \
        PRE_DISPATCH_GOTO(); \
        DISPATCH_GOTO(); \
    }

/* An instruction that would execute the next one too must not do so if that
   one has an event, or is a call in a thread with a profile function. */
#define DISPATCH_FUSED() \
    do { \
        int distance = _PyTraceState_Fused[opcode]; \
        const _Py_CODEUNIT *second = next_instr + distance; \
        if (distance == _PyTraceState_NEVER_FUSED \
            || tstate->c_profilefunc != NULL \
            || tstate->inst_opcodes[_Py_OPCODE(*second)] || IS_EVENT(second)) \
        { \
            opcode = _PyOpcode_Deopt[opcode]; \
        } \
        PRE_DISPATCH_GOTO(); \
        DISPATCH_GOTO(); \
    } while (0)

/* The event of this instruction was already sent. */
#undef DISPATCH_SAME_OPARG
#define DISPATCH_SAME_OPARG() \
    { \
        opcode = _Py_OPCODE(*next_instr); \
        UNFUSE(); \
        PRE_DISPATCH_GOTO(); \
        DISPATCH_GOTO(); \
    }

/* Signal handlers find f_lasti at the second half of a compare-and-jump,
   because they interrupt that half. */
#undef AT_EVAL_BREAKER
#define AT_EVAL_BREAKER() \
    do { \
        _PyTraceState_FollowIfReplaced(tstate); \
        int distance = _PyTraceState_Fused[_Py_OPCODE(*frame->prev_instr)]; \
        if (distance != _PyTraceState_NEVER_FUSED) { \
            frame->prev_instr += distance; \
        } \
    } while (0)

/* The called code finds f_lasti at the CALL, as if that had been executed. */
#undef SKIP_CALL
#define SKIP_CALL() \
    JUMPBY(INLINE_CACHE_ENTRIES_PRECALL + 1 + INLINE_CACHE_ENTRIES_CALL); \
    frame->prev_instr = next_instr - INLINE_CACHE_ENTRIES_CALL - 1

/* A predicted instruction can have an event, too. */
#undef PREDICT
#define PREDICT(op)             if (0) goto PREDICT_ID(op)

#endif  /* TRACED_LOOP */
