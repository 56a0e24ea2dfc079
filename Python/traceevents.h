/* The 'instruction', 'branch' and 'line' events of a thread's trace state.

   Included by Python/ceval.c, because inlining makes it faster: the loop of
   Python/tracedloop.h calls trace_instruction(). */

#include "frameobject.h"          // PyFrame_LocalsToFast()

/* --- The trace function -------------------------------------------------- */

/* Call a Python function with three positional arguments, in an interpreter
   with the default frame evaluator.  This does the same as
   _PyFunction_Vectorcall(), without its checks of the arguments, and with less
   for the frame: that would add 198 machine instructions to each event, which
   takes 443 ('instruction'), 576 ('line') or 621 ('branch'). */
static inline PyObject *
call_function(PyThreadState *tstate, PyFunctionObject *func, PyObject *first,
              PyObject *second, PyObject *third)
{
    PyCodeObject *code = (PyCodeObject *)func->func_code;
    size_t size = code->co_nlocalsplus + code->co_stacksize
                  + FRAME_SPECIALS_SIZE;
    _PyInterpreterFrame *frame = _PyThreadState_BumpFramePointer(tstate, size);
    if (frame == NULL) {
        return PyErr_NoMemory();
    }
    _PyFrame_InitializeSpecials(frame, (PyFunctionObject *)Py_NewRef(func),
                                NULL, code->co_nlocalsplus);
    frame->localsplus[0] = Py_NewRef(first);
    frame->localsplus[1] = Py_NewRef(second);
    frame->localsplus[2] = Py_NewRef(third);
    for (int i = 3; i < code->co_nlocalsplus; i++) {
        frame->localsplus[i] = NULL;
    }
    // The thread is not traced now.
    PyObject *result = _PyEval_EvalFrameDefault(tstate, frame, 0);

    tstate->recursion_remaining--;
    if (frame->frame_obj == NULL) {
        // Like _PyFrame_Clear() for a frame without a frame object.
        Py_XDECREF(frame->localsplus[0]);
        Py_XDECREF(frame->localsplus[1]);
        Py_XDECREF(frame->localsplus[2]);
        for (int i = 3; i < frame->stacktop; i++) {
            Py_XDECREF(frame->localsplus[i]);
        }
        Py_XDECREF(frame->f_locals);
        Py_DECREF(frame->f_func);
        Py_DECREF(frame->f_code);
    }
    else {
        _PyFrame_Clear(frame);
    }
    tstate->recursion_remaining++;
    if ((PyObject **)frame == &tstate->datastack_chunk->data[0]) {
        _PyThreadState_PopFrame(tstate, frame);
    }
    else {
        tstate->datastack_top = (PyObject **)frame;
    }
    return result;
}

static inline int
takes_three_arguments(PyFunctionObject *func)
{
    PyCodeObject *code = (PyCodeObject *)func->func_code;
    const int flags = CO_OPTIMIZED | CO_NEWLOCALS | CO_VARARGS | CO_VARKEYWORDS
                      | CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR;
    return code->co_argcount == 3 && code->co_kwonlyargcount == 0
           && (code->co_flags & flags) == (CO_OPTIMIZED | CO_NEWLOCALS)
           && func->vectorcall == _PyFunction_Vectorcall;
}

/* Call callback(frame, event, arg).  Its result becomes the local trace
   function. */
static inline int
call_callback(PyThreadState *tstate, PyObject *callback, PyFrameObject *frame,
              int what, PyObject *arg)
{
    // The code that runs below may delete frame.f_trace.
    Py_INCREF(callback);
    // Discard previous modifications of frame.f_locals.
    if (frame->f_fast_as_locals && PyFrame_FastToLocalsWithError(frame) < 0) {
        Py_DECREF(callback);
        goto error;
    }
    PyObject *name = _PyTraceState_EventNames[what];
    PyObject *result;
    if (PyFunction_Check(callback)
        && takes_three_arguments((PyFunctionObject *)callback)
        && tstate->interp->eval_frame == NULL)
    {
        result = call_function(tstate, (PyFunctionObject *)callback,
                               (PyObject *)frame, name, arg);
    }
    else {
        // A method uses the free slot before the arguments for its self.
        PyObject *stack[4] = {NULL, (PyObject *)frame, name, arg};
        result = PyObject_Vectorcall(callback, stack + 1,
                                     3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    Py_DECREF(callback);
    if (frame->f_fast_as_locals) {
        PyFrame_LocalsToFast(frame, 1);
    }
    if (result == NULL) {
        PyTraceBack_Here(frame);
        goto error;
    }
    if (result != Py_None && result != frame->f_trace) {
        Py_XSETREF(frame->f_trace, result);
    }
    else {
        Py_DECREF(result);
    }
    return 0;

error:
    _PyEval_SetTrace(tstate, NULL, NULL);
    Py_CLEAR(frame->f_trace);
    return -1;
}

int
_PyTraceState_Trampoline(PyObject *self, PyFrameObject *frame, int what,
                         PyObject *arg)
{
    PyObject *callback = (what == PyTrace_CALL) ? self : frame->f_trace;
    if (callback == NULL) {
        return 0;
    }
    return call_callback(_PyThreadState_GET(), callback, frame, what,
                         arg != NULL ? arg : Py_None);
}


/* --- The previous instruction -------------------------------------------- */

/* Is the instruction at 'start' a backward jump?  Such jumps check for signals
   and other pending work after they have jumped. */
static inline int
is_backward_jump(PyCodeObject *code, int start)
{
    int target = _PyCodeBlocks_Target(code, start);
    return target >= 0 && target <= start;
}

/* Return the first code unit of the instruction that the frame executed before
   the one at 'unit', which starts a basic block, or -1 if it has executed
   none.

   CPython keeps that instruction in frame->prev_instr, here instr_prev, except
   in the cases below.  'raised' is the unit for which the eval loop looked for
   a handler, if control came here by an exception, or -1. */
static Py_NO_INLINE int
find_previous_of_leader(PyCodeObject *code, const _PyCodeBlocks *blocks,
                        int unit, int instr_prev, int raised)
{
    if (instr_prev < code->_co_firsttraceable) {
        return -1;
    }
    int prev = _PyCodeBlocks_Start(blocks, instr_prev);
    if (raised >= 0) {
        // RERAISE sets prev_instr to the instruction that raised first.  But
        // an interrupted backward jump raises at the unit before its target,
        // which can be a RERAISE.
        int start = _PyCodeBlocks_Start(blocks, raised);
        int raising = _PyCodeBlocks_Operation(code, start);
        if (_PyCode_BaseOpcode(code, raising) == RERAISE
            && !(is_backward_jump(code, prev)
                 && _PyCodeBlocks_Target(code, prev) == raised + 1))
        {
            return start;
        }
    }
    int operation = _PyCodeBlocks_Operation(code, prev);
    int opcode = _PyCode_BaseOpcode(code, operation);
    if (raised < 0 && _PyTraceState_HasFused[opcode]) {
        // A specialized form has executed the next instruction, too.
        int second = operation + 1 + _PyOpcode_Caches[opcode];
        if (second != unit && second < blocks->size) {
            // PRECALL_NO_KW_LIST_APPEND has also executed a POP_TOP.
            int third = second + 1 + INLINE_CACHE_ENTRIES_CALL;
            return opcode == PRECALL && unit == third + 1 ? third : second;
        }
    }
    return _PyCodeBlocks_Source(code, prev, unit);
}

static inline int
previous_of_leader(PyCodeObject *code, const _PyCodeBlocks *blocks, int unit,
                   int instr_prev, int raised)
{
    if (raised < 0 && instr_prev >= code->_co_firsttraceable
        && !(blocks->units[instr_prev] & _PyCodeBlocks_DISTANCE))
    {
        // The most frequent cases, without the checks above.
        int opcode = _Py_OPCODE(_PyCode_CODE(code)[instr_prev]);
        switch (opcode) {
            case POP_JUMP_FORWARD_IF_FALSE:
            case POP_JUMP_FORWARD_IF_TRUE:
            case POP_JUMP_BACKWARD_IF_FALSE:
            case POP_JUMP_BACKWARD_IF_TRUE:
            case JUMP_FORWARD:
            case JUMP_BACKWARD:
            case JUMP_BACKWARD_QUICK:
            case FOR_ITER:
                return instr_prev;
        }
        int distance = _PyTraceState_Fused[opcode];
        if (distance != 0 && distance != _PyTraceState_NEVER_FUSED) {
            int second = instr_prev + distance;
            return second == unit ? instr_prev : second;
        }
    }
    return find_previous_of_leader(code, blocks, unit, instr_prev, raised);
}

/* The same for any instruction.  An instruction that does not start a basic
   block is always executed after the instruction that precedes it in the code,
   even if that is specialized. */
static inline int
previous_unit(PyCodeObject *code, const _PyCodeBlocks *blocks, int unit,
              int instr_prev, int raised)
{
    if (!(blocks->units[unit] & _PyCodeBlocks_INSIDE)) {
        return previous_of_leader(code, blocks, unit, instr_prev, raised);
    }
    return _PyCodeBlocks_Start(blocks, unit - 1);
}

/* PyThreadState_LeaveTracing(), inlined.  In the usual case it need not ask
   whether the thread is recorded: a traced thread has no rec_loop. */
static inline void
leave_tracing(PyThreadState *tstate)
{
    tstate->tracing--;
    if (tstate->tracing == 0 && tstate->c_tracefunc != NULL) {
        tstate->cframe->use_tracing = 255;
    }
    else {
        _PyThreadState_UpdateTracingState(tstate);
    }
}

/* Call the trace function of the thread, unless it was removed in the
   meantime. */
static inline int
call_tracefunc(PyThreadState *tstate, PyFrameObject *f, int what,
               PyObject *arg)
{
    Py_tracefunc func = tstate->c_tracefunc;
    PyObject *callback = f->f_trace;
    if (func == _PyTraceState_Trampoline ? callback == NULL : func == NULL) {
        return 0;
    }
    int old_what = tstate->tracing_what;
    tstate->tracing_what = what;
    // Inlined PyThreadState_EnterTracing() and PyThreadState_LeaveTracing().
    tstate->tracing++;
    tstate->cframe->use_tracing = 0;
    int err;
    if (func == _PyTraceState_Trampoline) {
        err = call_callback(tstate, callback, f, what, arg);
    }
    else {
        PyObject *obj = Py_XNewRef(tstate->c_traceobj);
        err = func(obj, f, what, arg);
        Py_XDECREF(obj);
    }
    leave_tracing(tstate);
    tstate->tracing_what = old_what;
    return err ? -1 : 0;        // any nonzero value is an error, as in CPython
}

/* The int objects of offsets.  They are kept until the process ends, like the
   small integers, whose range is too small for most functions. */
static PyObject *offset_objects[8192];

static PyObject *
make_offset_object(int unit)
{
    PyObject *offset = PyLong_FromLong(
        unit < 0 ? -1 : _PyTraceState_OFFSET(unit));
    if (offset != NULL && (size_t)unit < Py_ARRAY_LENGTH(offset_objects)) {
        offset_objects[unit] = Py_NewRef(offset);
    }
    return offset;
}

static inline PyObject *
offset_object(int unit)
{
    if ((size_t)unit < Py_ARRAY_LENGTH(offset_objects)
        && offset_objects[unit] != NULL)
    {
        return Py_NewRef(offset_objects[unit]);
    }
    return make_offset_object(unit);
}

static inline Py_ALWAYS_INLINE int
call_instruction(PyThreadState *tstate, PyFrameObject *f, int prev)
{
    PyObject *arg = offset_object(prev);
    if (arg == NULL) {
        return -1;
    }
    int err = call_tracefunc(tstate, f, PyTrace_INSTRUCTION, arg);
    Py_DECREF(arg);
    return err;
}

/* Return a tuple of the two offsets.  Like zip() and enumerate(), this reuses
   the last tuple if nobody else has a reference: a new one for each event
   would add 19 % to the machine instructions of a run with 'branch' events. */
static PyObject *
edge_object(PyThreadState *tstate, int prev, int unit)
{
    PyObject *from = offset_object(prev);
    PyObject *to = offset_object(unit);
    if (from == NULL || to == NULL) {
        goto error;
    }
    PyObject *edge = tstate->inst_edge;
    if (edge == NULL || Py_REFCNT(edge) != 1) {
        edge = PyTuple_New(2);
        if (edge == NULL) {
            goto error;
        }
        PyTuple_SET_ITEM(edge, 0, from);
        PyTuple_SET_ITEM(edge, 1, to);
        Py_XSETREF(tstate->inst_edge, edge);
        return Py_NewRef(edge);
    }
    PyObject *old_from = PyTuple_GET_ITEM(edge, 0);
    PyObject *old_to = PyTuple_GET_ITEM(edge, 1);
    PyTuple_SET_ITEM(edge, 0, from);
    PyTuple_SET_ITEM(edge, 1, to);
    Py_DECREF(old_from);
    Py_DECREF(old_to);
    return Py_NewRef(edge);

error:
    Py_XDECREF(from);
    Py_XDECREF(to);
    return NULL;
}

static int
call_branch(PyThreadState *tstate, PyFrameObject *f, int prev, int unit)
{
    PyObject *arg = edge_object(tstate, prev, unit);
    if (arg == NULL) {
        return -1;
    }
    _PyTraceState_FollowIfReplaced(tstate);
    if (!(tstate->inst_tracing & _PyTrace_BRANCHES)) {
        // The trace function of an 'instruction', or a finalizer while the
        // tuple was created, has set another state.
        Py_DECREF(arg);
        return 0;
    }
    int err = call_tracefunc(tstate, f, PyTrace_BRANCH, arg);
    Py_DECREF(arg);
    return err;
}

/* Return the line that starts at the frame's instruction, or -1.  The
   conditions are those of maybe_call_line_trace() in Python/ceval.c, which
   cannot be used here because it also calls the trace function. */
static int
line_started(_PyInterpreterFrame *frame, int instr_prev)
{
    PyCodeObject *code = frame->f_code;
    int unit = _PyInterpreterFrame_LASTI(frame);
    int line = _PyCode_LineNumberFromArray(code, unit);
    if (line == -1 || instr_prev <= code->_co_firsttraceable) {
        return line;
    }
    if (line != _PyCode_LineNumberFromArray(code, instr_prev)
        || (unit < instr_prev && _Py_OPCODE(*frame->prev_instr) != SEND))
    {
        return line;
    }
    return -1;
}

/* Send the 'line' event of the frame's instruction, if it has one.  Return
   whether it has, or -1 on an error. */
static inline int
trace_line(PyThreadState *tstate, _PyInterpreterFrame *frame, PyFrameObject *f,
           int instr_prev)
{
    int line = line_started(frame, instr_prev);
    if (line == -1) {
        return 0;
    }
    f->f_lineno = line;
    int err = call_tracefunc(tstate, f, PyTrace_LINE, Py_None);
    f->f_lineno = 0;
    return err < 0 ? -1 : 1;
}

/* Do the flags of the state request these events for an instruction?  'marks'
   are its _PyCodeBlocks flags. */
static inline int
wants_branch(int flags, int marks)
{
    return (flags & _PyTrace_BRANCHES) && (marks & _PyCodeBlocks_LEADER);
}

static inline int
wants_line(int flags, int marks)
{
    return !(flags & _PyTrace_NO_LINES) && (marks & _PyCodeBlocks_LINE);
}

static inline int
wants_instruction(PyThreadState *tstate, int flags, PyCodeObject *code,
                  int unit)
{
    if (!(flags & _PyTrace_INSTRUCTIONS) || !(flags & _PyTrace_FILTER)) {
        return flags & _PyTrace_INSTRUCTIONS;
    }
    unit = _PyCodeBlocks_Operation(code, unit);
    return _PyTraceFilter_Has(tstate->inst_filter,
                              _PyCode_BaseOpcode(code, unit));
}

/* Send the events of the instruction at frame->prev_instr, which was at 'unit'
   before the trace function was last called.  'announced' tells whether that
   call announced the instruction.  'flags' are those with which its events
   began: if the trace function adds some, they apply to the next one. */
static int
announce(PyThreadState *tstate, _PyInterpreterFrame *frame, PyFrameObject *f,
         const _PyCodeBlocks *blocks, int unit, int prev, int flags,
         int announced)
{
    PyCodeObject *code = frame->f_code;
    for (;;) {
        // The trace function may have set f_lineno: then announce the
        // instruction at the target of that jump.
        int now = _PyInterpreterFrame_LASTI(frame);
        if (now != unit) {
            unit = now;
            announced = 0;
            flags = tstate->inst_tracing;
        }
        if (_PyTraceState_IsReplaced(tstate)) {
            // The new function may not know these events.
            _PyTraceState_Follow(tstate);
            return 0;
        }
        if (!announced && wants_instruction(tstate, flags, code, unit)) {
            if (call_instruction(tstate, f, prev) < 0) {
                return -1;
            }
            if (unit != _PyInterpreterFrame_LASTI(frame)) {
                continue;
            }
        }
        announced = 1;
        if (!wants_branch(flags & tstate->inst_tracing, blocks->units[unit])) {
            return 0;
        }
        if (call_branch(tstate, f, prev, unit) < 0) {
            return -1;
        }
        if (unit == _PyInterpreterFrame_LASTI(frame)) {
            return 0;
        }
    }
}

/* Announce the instruction at frame->prev_instr to the trace function.
   instr_prev is the code unit to which frame->prev_instr pointed before.  If
   an exception is about to enter a handler, raised is the code unit for which
   the eval loop looked up the handler; otherwise it is -1, or less where
   f_lineno has led here from the yield at code unit -1 - raised. */
static inline int
trace_instruction(PyThreadState *tstate, _PyInterpreterFrame *frame,
                  int instr_prev, int raised)
{
    if (_PyTraceState_IsUntraced(tstate, frame)) {
        return 0;
    }
    if (!tstate->inst_tracing) {
        return maybe_call_line_trace(tstate->c_tracefunc, tstate->c_traceobj,
                                     tstate, frame, instr_prev);
    }
    PyCodeObject *code = frame->f_code;
    const _PyCodeBlocks *blocks = _PyCodeBlocks_Get(code);
    if (blocks == NULL) {
        return -1;
    }
    PyFrameObject *f = _PyFrame_GetFrameObject(frame);
    if (f == NULL) {
        return -1;
    }
    int unit = _PyInterpreterFrame_LASTI(frame);
    int marks = blocks->units[unit];
    int flags = tstate->inst_tracing;

    if (marks & _PyCodeBlocks_RESUME) {
        // Not instr_prev: that is this instruction itself if pending work has
        // made the eval loop dispatch it twice.
        int prev = (unit <= code->_co_firsttraceable)
                   ? -1 : _PyCodeBlocks_Start(blocks, unit - 1);
        if (announce(tstate, frame, f, blocks, unit, prev, flags, 1) < 0) {
            return -1;
        }
        if (f->f_trace_opcodes && unit != _PyInterpreterFrame_LASTI(frame)) {
            return call_tracefunc(tstate, f, PyTrace_OPCODE, Py_None);
        }
        return 0;
    }

    int prev = raised < -1 ? -raised - 1
               : previous_unit(code, blocks, unit, instr_prev, raised);
    int announced = 0;
    if (wants_line(flags, marks) && f->f_trace_lines) {
        announced = trace_line(tstate, frame, f, instr_prev);
        if (announced < 0) {
            return -1;
        }
    }
    if (announce(tstate, frame, f, blocks, unit, prev, flags, announced) < 0) {
        return -1;
    }
    if (f->f_trace_opcodes) {
        return call_tracefunc(tstate, f, PyTrace_OPCODE, Py_None);
    }
    return 0;
}

/* The rest of trace_one_event() if the trace function has jumped or asked for
   'opcode' events.  'unit' is where the frame was before. */
static Py_NO_INLINE int
after_one_event(PyThreadState *tstate, _PyInterpreterFrame *frame, int unit,
                int prev)
{
    PyFrameObject *f = frame->frame_obj;
    if (unit != _PyInterpreterFrame_LASTI(frame)
        && announce(tstate, frame, f, _PyCodeBlocks_Peek(frame->f_code), unit,
                    prev, tstate->inst_tracing, 1) < 0)
    {
        return -1;
    }
    if (f->f_trace_opcodes
        && call_tracefunc(tstate, f, PyTrace_OPCODE, Py_None) < 0)
    {
        return -1;
    }
    return unit != _PyInterpreterFrame_LASTI(frame);
}

/* trace_instruction() for an instruction that can have exactly one event, an
   'instruction', a 'branch' or, in the state of sys.settrace(), a 'line'.
   'prev' is the code unit of the instruction before it, if the event is an
   'instruction' and this is no leader; otherwise -1.  Return whether the frame
   has moved, or -1 on an error. */
static inline Py_ALWAYS_INLINE int
trace_one_event(PyThreadState *tstate, _PyInterpreterFrame *frame,
                _Py_CODEUNIT *instr, int prev)
{
    PyFrameObject *f = frame->frame_obj;
    int instr_prev = _PyInterpreterFrame_LASTI(frame);
    frame->prev_instr = instr;
    int unit = _PyInterpreterFrame_LASTI(frame), err;
    if (prev >= 0) {
        err = call_instruction(tstate, f, prev);
    }
    else if (tstate->inst_tracing) {
        PyCodeObject *code = frame->f_code;
        prev = previous_of_leader(code, _PyCodeBlocks_Peek(code), unit,
                                  instr_prev, -1);
        err = tstate->inst_tracing & _PyTrace_INSTRUCTIONS
              ? call_instruction(tstate, f, prev)
              : call_branch(tstate, f, prev, unit);
    }
    else {
        if (f->f_trace_lines && f->f_trace != NULL
            && trace_line(tstate, frame, f, instr_prev) < 0)
        {
            return -1;
        }
        // Like maybe_call_line_trace(), which does not ask whether the trace
        // function is still that of the thread.
        if (f->f_trace_opcodes
            && call_trace(_PyTraceState_Trampoline, NULL, tstate, frame,
                          PyTrace_OPCODE, Py_None))
        {
            return -1;
        }
        return frame->prev_instr != instr;
    }
    if (err < 0) {
        return -1;
    }
    if (frame->prev_instr == instr && !f->f_trace_opcodes) {
        return 0;
    }
    return after_one_event(tstate, frame, unit, prev);
}
