/* The eval loop of threads that are recorded and not traced.  See evalloops.h,
   and Python/recording.c for what it records. */

#undef TRACED_LOOP
#undef EVAL_FRAME
#define EVAL_FRAME eval_recorded_frame

/* 'serial' is the tstate->rec_serial that 'marks' is valid for: recording can
   be started anew while a frame executes an instruction.  It is NEW_CODE, an
   odd number, if the recorders have not seen the code object. */
#define NEW_CODE 1

#undef DECLARE_MARKS
#define DECLARE_MARKS() \
    uintptr_t marks; \
    unsigned int serial = tstate->rec_serial

#undef LOAD_MARKS
#define LOAD_MARKS(code) \
    (marks = load_recorded_marks(tstate, code, &serial))

/* 0 if the code object is not recorded. */
static inline uintptr_t
load_recorded_marks(PyThreadState *tstate, PyCodeObject *code,
                    unsigned int *serial)
{
    const _PyCodeBlocks *blocks = _PyCodeBlocks_Peek(code);
    if (_PyRecording_IsNew(tstate, blocks)) {
        *serial = NEW_CODE;
        return 0;
    }
    *serial = tstate->rec_serial;
    return _PyRecording_IsWanted(blocks) ? marks_of(code, blocks) : 0;
}

/* The instruction at 'instr' is about to be executed. */
#define RECORD(instr) \
    do { \
        if (marks != 0) { \
            _PyRecording_Add(tstate, frame->prev_instr, instr, MARKS(instr)); \
            frame->prev_instr = (instr); \
        } \
    } while (0)

/* The same for an instruction that is executed by a specialized form of an
   earlier one. */
#undef EXECUTED
#define EXECUTED(instr) \
    do { \
        if (tstate->rec_serial == serial) { \
            RECORD(instr); \
        } \
    } while (0)

#define FETCH() \
    do { \
        _Py_CODEUNIT word = *next_instr; \
        opcode = _Py_OPCODE(word); \
        oparg = _Py_OPARG(word); \
    } while (0)

#undef NEXTOPARG
#define NEXTOPARG() \
    do { \
        EXECUTED(next_instr); \
        FETCH(); \
    } while (0)

#undef DISPATCH
#define DISPATCH() \
    { \
        if (tstate->rec_loop != serial) { \
            goto switch_loop; \
        } \
        RECORD(next_instr); \
        FETCH(); \
        PRE_DISPATCH_GOTO(); \
        DISPATCH_GOTO(); \
    }

#undef DISPATCH_SAME_OPARG
#define DISPATCH_SAME_OPARG() \
    { \
        opcode = _Py_OPCODE(*next_instr); \
        PRE_DISPATCH_GOTO(); \
        DISPATCH_GOTO(); \
    }

#undef DISPATCH_FIRST
#define DISPATCH_FIRST() \
    { \
        FIND_RAISING(); \
        DISPATCH(); \
    }

/* The thread is traced, or no longer recorded; or it has come to a code object
   that the recorders have not seen, or recording was started anew. */
#undef SWITCH_LOOP
#define SWITCH_LOOP() \
    switch_loop: \
        if (tstate->rec_loop == 0) { \
            RETURN_TO_OTHER_LOOP(); \
        } \
        if (INSTR_OFFSET() < frame->f_code->_co_firsttraceable) { \
            /* Before the RESUME, the frame is not visible. */ \
            FETCH(); \
            PRE_DISPATCH_GOTO(); \
            DISPATCH_GOTO(); \
        } \
        unsigned int asked = tstate->rec_serial; \
        _Py_CODEUNIT *before = frame->prev_instr; \
        int raised = tstate->inst_raised; \
        tstate->inst_raised = 0; \
        frame->prev_instr = next_instr; \
        _PyFrame_SetStackPointer(frame, stack_pointer); \
        int err = _PyRecording_See(tstate, frame->f_code); \
        stack_pointer = _PyFrame_GetStackPointer(frame); \
        frame->stacktop = -1; \
        if (err < 0) { \
            /* If the frame handles the exception, it is not recorded. */ \
            marks = 0; \
            serial = tstate->rec_serial; \
            tstate->inst_raised = 0; \
            next_instr++; \
            goto error; \
        } \
        frame->prev_instr = before; \
        tstate->inst_raised = raised; \
        LOAD_MARKS(frame->f_code); \
        if (serial == NEW_CODE && tstate->rec_serial == asked) { \
            /* Not seen, for lack of memory: this frame is not recorded. */ \
            serial = asked; \
        } \
        DISPATCH_FIRST()

/* If an exception has led here: have prev_instr point to the instruction that
   raised it. */
#define FIND_RAISING() \
    do { \
        if (tstate->inst_raised != 0 && tstate->rec_loop == serial) { \
            if (marks != 0) { \
                frame->prev_instr = first_instr + source_of( \
                    frame, INSTR_OFFSET(), tstate->inst_raised - 1); \
            } \
            tstate->inst_raised = 0; \
        } \
    } while (0)

#undef RAISED
#define RAISED() \
    do { \
        tstate->inst_raised = INSTR_OFFSET(); \
        JUMPTO(handler); \
        FIND_RAISING(); \
    } while (0)

#undef SKIP_CALL
#define SKIP_CALL() \
    JUMPBY(INLINE_CACHE_ENTRIES_PRECALL); \
    EXECUTED(next_instr); \
    JUMPBY(1 + INLINE_CACHE_ENTRIES_CALL)

/* A debugger that attaches to a thread writes its c_tracefunc. */
#undef CHECK_EVAL_BREAKER
#define CHECK_EVAL_BREAKER() \
    do { \
        _Py_CHECK_EMSCRIPTEN_SIGNALS_PERIODICALLY(); \
        if (_Py_atomic_load_relaxed_int32(eval_breaker) \
            || tstate->c_tracefunc != NULL) \
        { \
            goto handle_eval_breaker; \
        } \
    } while (0)

#undef AT_EVAL_BREAKER
#define AT_EVAL_BREAKER() \
    do { \
        if (tstate->c_tracefunc != NULL) { \
            _PyThreadState_UpdateTracingState(tstate); \
        } \
    } while (0)

/* There is nobody to tell. */
#undef TRACE_YIELD
#define TRACE_YIELD() ((void)0)
#undef TRACE_FUNCTION_EXIT
#define TRACE_FUNCTION_EXIT() ((void)0)
#define trace_call_function(tstate, func, args, nargs, kwnames) \
    PyObject_Vectorcall(func, args, \
                        (nargs) | PY_VECTORCALL_ARGUMENTS_OFFSET, kwnames)
#define do_call_core(tstate, func, args, kwargs, use_tracing) \
    do_call_core(tstate, func, args, kwargs, 0)
