/* What the eval loop does at a probe.  ceval.c includes this; see
   Objects/codeprobes.c. */

/* Is what a conditional jump tests taken off the stack, jump or not? */
static inline int
pops_what_it_tests(int opcode)
{
    switch (opcode) {
        case POP_JUMP_BACKWARD_IF_FALSE:
        case POP_JUMP_BACKWARD_IF_NONE:
        case POP_JUMP_BACKWARD_IF_NOT_NONE:
        case POP_JUMP_BACKWARD_IF_TRUE:
        case POP_JUMP_FORWARD_IF_FALSE:
        case POP_JUMP_FORWARD_IF_NONE:
        case POP_JUMP_FORWARD_IF_NOT_NONE:
        case POP_JUMP_FORWARD_IF_TRUE:
            return 1;
        default:
            return 0;
    }
}

/* Does a value that is not None lead to a jump?  -1 with an exception set. */
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

/* Find out whether a POP_JUMP_... will jump.  Its truth is asked for here, once,
   and it finds the answer on the stack in place of the value. */
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
        // Either is as good, if the instruction gets the one that it asked for.
        int truth = truth_jumps(opcode, Py_True) ? jumps : !jumps;
        *top = Py_NewRef(truth ? Py_True : Py_False);
        Py_DECREF(value);
    }
    return jumps;
}

/* Execute all of a FOR_ITER or JUMP_IF_..._OR_POP but the jump.  Return whether
   it jumps, -1 with an exception set. */
static int
probe_other_jump(PyThreadState *tstate, _PyInterpreterFrame *frame, int opcode,
                 PyObject ***stack_pointer)
{
    PyObject *value = (*stack_pointer)[-1];
    if (opcode != FOR_ITER) {
        int jumps = truth_jumps(opcode, value);
        if (jumps == 0) {
            (*stack_pointer)--;
            Py_DECREF(value);
        }
        return jumps;
    }
    PyObject *item = Py_TYPE(value)->tp_iternext(value);
    if (item != NULL) {
        *(*stack_pointer)++ = item;
        return 0;
    }
    if (_PyErr_Occurred(tstate)) {
        if (!_PyErr_ExceptionMatches(tstate, PyExc_StopIteration)) {
            return -1;
        }
        if (tstate->c_tracefunc != NULL) {
            call_exc_trace(tstate->c_tracefunc, tstate->c_traceobj, tstate, frame);
        }
        _PyErr_Clear(tstate);
    }
    (*stack_pointer)--;
    Py_DECREF(value);
    return 1;
}

/* next_instr points to the instruction, whose opcode the probe has taken the
   place of.  Goes on after the macro if there is no probe. */
#define AT_PROBE() \
    do { \
        int unit = INSTR_OFFSET(); \
        int base = _PyCodeProbes_Opcode(frame->f_code, unit); \
        int jumps = PyCodeProbe_EXECUTE; \
        if (base == _PyOpcode_PROBE) { \
            break; \
        } \
        if (base == FOR_ITER || base == JUMP_IF_FALSE_OR_POP \
            || base == JUMP_IF_TRUE_OR_POP) \
        { \
            frame->prev_instr = next_instr++; \
            jumps = probe_other_jump(tstate, frame, base, &stack_pointer); \
            if (jumps < 0) { \
                goto error; \
            } \
            _PyCodeProbes_Hit(frame->f_code, unit, jumps, frame); \
            JUMPBY(jumps ? oparg : 0); \
            DISPATCH(); \
        } \
        if (pops_what_it_tests(base)) { \
            frame->prev_instr = next_instr; \
            jumps = probe_pop_jump(base, &stack_pointer[-1]); \
            if (jumps < 0) { \
                next_instr++; \
                Py_DECREF(POP()); \
                goto error; \
            } \
        } \
        _PyCodeProbes_Hit(frame->f_code, unit, jumps, frame); \
        opcode = base; \
        DISPATCH_GOTO(); \
    } while (0)
