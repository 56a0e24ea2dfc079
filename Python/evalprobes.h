/* How the eval loop executes a probe.  Included by ceval.c; see
   Objects/codeprobes.c. */

/* Does the instruction jump for this value, which is not None?  Return -1 with
   an exception set on error. */
static inline int
truth_jumps(int opcode, PyObject *value)
{
    int truth = PyObject_IsTrue(value);
    if (truth < 0) {
        return -1;
    }
    switch (opcode) {
        case JUMP_IF_TRUE_OR_POP:
        case POP_JUMP_BACKWARD_IF_TRUE:
        case POP_JUMP_FORWARD_IF_TRUE:
            return truth;
        default:
            return !truth;
    }
}

/* Find out whether a POP_JUMP_... will jump.  The truth value is evaluated
   only here, and replaces the value on the stack, so that the instruction does
   not evaluate it again. */
static int
probe_pop_jump(int opcode, PyObject **top)
{
    PyObject *value = *top;
    switch (opcode) {
        case POP_JUMP_BACKWARD_IF_NONE:
        case POP_JUMP_FORWARD_IF_NONE:
            return Py_IsNone(value);
        case POP_JUMP_BACKWARD_IF_NOT_NONE:
        case POP_JUMP_FORWARD_IF_NOT_NONE:
            return !Py_IsNone(value);
    }
    int jumps = truth_jumps(opcode, value);
    if (jumps >= 0 && !PyBool_Check(value)) {
        // Replace the value by one that has the same effect on the jump.
        int truth = truth_jumps(opcode, Py_True) ? jumps : !jumps;
        *top = Py_NewRef(truth ? Py_True : Py_False);
        Py_DECREF(value);
    }
    return jumps;
}

/* What the eval loop has to do next. */
typedef struct {
    short opcode;               // to execute, or a constant below
    short stack_effect;         // to apply first
    int jumps;                  // for PROBE_EXECUTED: whether to jump
} probe_result;

#define PROBE_EXECUTED -1       // the instruction was executed, except a jump
#define PROBE_ERROR -2          // an exception is set
#define PROBE_UNKNOWN -3        // there is no probe: an unknown opcode

static probe_result
probe_or_pop(int opcode, PyObject **stack_pointer)
{
    PyObject *value = stack_pointer[-1];
    int jumps = truth_jumps(opcode, value);
    if (jumps < 0) {
        return (probe_result){PROBE_ERROR};
    }
    if (jumps == 0) {
        Py_DECREF(value);
    }
    return (probe_result){PROBE_EXECUTED, jumps ? 0 : -1, jumps};
}

static probe_result
probe_for_iter(PyThreadState *tstate, _PyInterpreterFrame *frame,
               PyObject **stack_pointer)
{
    PyObject *iter = stack_pointer[-1];
    PyObject *item = Py_TYPE(iter)->tp_iternext(iter);
    if (item != NULL) {
        *stack_pointer = item;
        return (probe_result){PROBE_EXECUTED, 1, 0};
    }
    if (_PyErr_Occurred(tstate)) {
        if (!_PyErr_ExceptionMatches(tstate, PyExc_StopIteration)) {
            return (probe_result){PROBE_ERROR};
        }
        if (tstate->c_tracefunc != NULL) {
            call_exc_trace(tstate->c_tracefunc, tstate->c_traceobj, tstate,
                           frame);
        }
        _PyErr_Clear(tstate);
    }
    Py_DECREF(iter);
    return (probe_result){PROBE_EXECUTED, -1, 1};
}

/* Execute the probe at next_instr.  This is not inline, and takes no pointers
   to variables of the eval loop, so that they can stay in registers. */
static Py_NO_INLINE probe_result
at_probe(PyThreadState *tstate, _PyInterpreterFrame *frame,
         _Py_CODEUNIT *next_instr, PyObject **stack_pointer)
{
    PyCodeObject *code = frame->f_code;
    int unit = (int)(next_instr - _PyCode_CODE(code));
    int opcode = _PyCodeProbes_Opcode(code, unit);
    probe_result result = {opcode, 0, PyCodeProbe_EXECUTE};
    if (opcode == _PyOpcode_PROBE) {
        return (probe_result){PROBE_UNKNOWN};
    }
    if (_PyOpcode_PopsAndJumps(opcode)) {
        frame->prev_instr = next_instr;
        result.jumps = probe_pop_jump(opcode, &stack_pointer[-1]);
        if (result.jumps < 0) {
            Py_DECREF(stack_pointer[-1]);
            return (probe_result){PROBE_ERROR, -1};
        }
    }
    else if (opcode == FOR_ITER || opcode == JUMP_IF_FALSE_OR_POP
             || opcode == JUMP_IF_TRUE_OR_POP)
    {
        frame->prev_instr = next_instr;
        result = opcode == FOR_ITER
                 ? probe_for_iter(tstate, frame, stack_pointer)
                 : probe_or_pop(opcode, stack_pointer);
        if (result.opcode == PROBE_ERROR) {
            return result;
        }
    }
    else if (opcode == END_ASYNC_FOR) {
        // The loop ends unless another exception passes through.
        result.jumps = PyErr_GivenExceptionMatches(stack_pointer[-1],
                                                   PyExc_StopAsyncIteration);
    }
    _PyCodeProbes_Hit(code, unit, result.jumps, frame);
    return result;
}

/* For the eval loop.  Execution continues after the macro if there is no
   probe. */
#define AT_PROBE() \
    do { \
        probe_result probe = at_probe(tstate, frame, next_instr, \
                                      stack_pointer); \
        if (probe.opcode == PROBE_UNKNOWN) { \
            break; \
        } \
        stack_pointer += probe.stack_effect; \
        if (probe.opcode >= 0) { \
            opcode = probe.opcode; \
            DISPATCH_GOTO(); \
        } \
        next_instr++; \
        if (probe.opcode == PROBE_ERROR) { \
            goto error; \
        } \
        if (probe.jumps) { \
            JUMPBY(oparg); \
        } \
        DISPATCH(); \
    } while (0)
