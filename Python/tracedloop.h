/* The eval loop of traced threads.  See evalloops.h. */

#define TRACED_LOOP
#define EVAL_FRAME eval_traced_frame

#undef assert
#define assert(expr) loop_assert(expr)

/* GCC inlines these functions into the untraced loop, as in stock CPython,
   only if no other loop calls them.  That is 0.4 % of the machine
   instructions of an optimized build with tracing off. */
#define INT_OPERATION(slot, left, right) \
    PyLong_Type.tp_as_number->slot((PyObject *)(left), (PyObject *)(right))
#define _PyLong_Add(left, right) INT_OPERATION(nb_add, left, right)
#define _PyLong_Subtract(left, right) INT_OPERATION(nb_subtract, left, right)
#define _PyLong_Multiply(left, right) INT_OPERATION(nb_multiply, left, right)

/* Must this loop go on? */
#define IS_TRACED() \
    ((cframe.use_tracing && !tstate->rec_loop && !tstate->rec_changed) \
     || PyDTrace_LINE_ENABLED())

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

/* Making the traceback can run the garbage collector, and so others. */
#undef BEFORE_TRACEBACK
#define BEFORE_TRACEBACK() uint64_t executed = _PyRecording_Executed(tstate)
#undef AFTER_TRACEBACK
#define AFTER_TRACEBACK() \
    do { \
        if (tstate->rec_ring != NULL) { \
            _PyRecording_NoteRaise(tstate, executed); \
        } \
    } while (0)

#undef RAISED
#define RAISED() \
    do { \
        tstate->inst_raised = INSTR_OFFSET(); \
        JUMPTO(handler); \
        goto traced_instruction; \
    } while (0)

#undef DECLARE_MARKS
#define DECLARE_MARKS() uintptr_t marks
#undef LOAD_MARKS
#define LOAD_MARKS(code) (marks = load_marks(tstate, code))

static inline uintptr_t
load_marks(PyThreadState *tstate, PyCodeObject *code)
{
    const _PyCodeBlocks *blocks = _PyCodeBlocks_TryGet(code);
    if (blocks == NULL) {
        _PyRecording_Lose(tstate);
        return 0;
    }
    return marks_of(code, blocks);
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

/* A fast path for most events: the thread is traced for instructions only, for
   branches only, or for lines by sys.settrace(), and the instruction is not
   reached by an exception. */
#define TRACE_ONE_EVENT() \
    do { \
        if (_PyTraceState_IsReplaced(tstate)) { \
            _PyTraceState_Follow(tstate); \
            _PyThreadState_UpdateTracingState(tstate); \
        } \
        if (cframe.use_tracing && marks != 0 \
            && (MARKS(next_instr) & tstate->inst_single) \
            && !(MARKS(next_instr) & _PyCodeBlocks_RESUME) \
            && tstate->inst_raised == 0 \
            && frame->frame_obj != NULL \
            && !frame->frame_obj->f_trace_opcodes \
            && !PyDTrace_LINE_ENABLED()) \
        { \
            int prev = MARKS(next_instr) & tstate->inst_single \
                       & _PyCodeBlocks_INSIDE \
                ? (int)(instruction_before(marks, next_instr) - first_instr) \
                : -1; \
            _PyFrame_SetStackPointer(frame, stack_pointer); \
            PyObject **old_stack_pointer = stack_pointer; \
            int moved = trace_one_event(tstate, frame, next_instr, prev); \
            stack_pointer = _PyFrame_GetStackPointer(frame); \
            frame->stacktop = -1; \
            if (moved < 0) { \
                GO_WITH_STACK(old_stack_pointer); \
                next_instr++; \
                goto error; \
            } \
            if (moved) { \
                call_shape.kwnames = NULL; \
                next_instr = frame->prev_instr; \
            } \
            TRACING_NEXTOPARG(); \
            PRE_DISPATCH_GOTO(); \
            DISPATCH_GOTO(); \
        } \
    } while (0)

/* A thread that is traced can also be recorded.  Each instruction that is
   recorded passes here, because of tstate->inst_marks: before its events, and
   before it is executed.  If the trace function starts recording, that begins
   with the next instruction, except at the first one of the frame. */
#define UNKNOWN (-2)

#define BEGIN_RECORD() \
    int source = tstate->rec_ring == NULL || marks == 0 \
        ? UNKNOWN : source_of(frame, INSTR_OFFSET(), raised)

#define RECORD_TRACED() \
    do { \
        if (tstate->rec_ring != NULL && marks != 0 \
            && INSTR_OFFSET() >= frame->f_code->_co_firsttraceable \
            && (source != UNKNOWN \
                || INSTR_OFFSET() == frame->f_code->_co_firsttraceable)) \
        { \
            frame->prev_instr = next_instr; \
            _PyFrame_SetStackPointer(frame, stack_pointer); \
            int err = record_traced(tstate, frame->f_code, \
                                    first_instr + Py_MAX(source, -1), \
                                    next_instr); \
            stack_pointer = _PyFrame_GetStackPointer(frame); \
            frame->stacktop = -1; \
            if (err) { \
                next_instr++; \
                goto error; \
            } \
        } \
    } while (0)

/* The code unit of the opcode of the instruction that the frame executed
   before the one at 'unit', or -1 if it has executed none. */
static int
source_of(_PyInterpreterFrame *frame, int unit, int raised)
{
    PyCodeObject *code = frame->f_code;
    const _PyCodeBlocks *blocks = _PyCodeBlocks_Peek(code);
    int before = _PyInterpreterFrame_LASTI(frame), source;
    if (unit < code->_co_firsttraceable) {
        return -1;
    }
    if (blocks->units[unit] & _PyCodeBlocks_RESUME) {
        // See trace_instruction().
        source = unit == code->_co_firsttraceable
                 ? -1 : _PyCodeBlocks_Start(blocks, unit - 1);
    }
    else {
        source = raised < -1 ? -raised - 1
                 : previous_unit(code, blocks, unit, before, raised);
    }
    return source < 0 ? -1 : _PyCodeBlocks_Operation(code, source);
}

static int
record_traced(PyThreadState *tstate, PyCodeObject *code, _Py_CODEUNIT *from,
              _Py_CODEUNIT *to)
{
    const _PyCodeBlocks *blocks = _PyCodeBlocks_Peek(code);
    if (_PyRecording_IsNew(tstate, blocks)) {
        if (_PyRecording_See(tstate, code) < 0) {
            return -1;
        }
        if (tstate->rec_ring == NULL || _PyRecording_IsNew(tstate, blocks)) {
            return 0;
        }
    }
    if (_PyRecording_IsWanted(blocks)) {
        uintptr_t marks = marks_of(code, blocks);
        _PyRecording_Add(tstate, from, to, MARKS(to));
    }
    return 0;
}

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
