/* Setting frame.f_lineno and frame.f_lasti: what is on the evaluation stack at
   each instruction, which jumps that allows, and the jump.

   For f_lineno, frame_setlineno() in Objects/frameobject.c checks the event
   and finds the line.  The rules are CPython's own, but the model of the
   stack has no limit of depth, knows every opcode, and accepts any code that
   runs. */

#include "Python.h"
#include "pycore_code.h"          // _PyCode_CODE()
#include "pycore_codeblocks.h"    // _PyCodeBlocks_Get()
#include "pycore_codeprobes.h"    // _PyCode_BaseOpcode()
#include "pycore_frame.h"         // _PyInterpreterFrame
#include "pycore_framejump.h"
#include "pycore_opcode.h"        // _PyOpcode_Caches
#include "pycore_pystate.h"       // _PyThreadState_GET()
#include "opcode.h"

/* --- The model ----------------------------------------------------------- */

enum kind {
    OBJECT = 'O',
    ITERATOR = 'I',     // of a for loop
    EXCEPTION = 'E',    // handled before, or raised
    LASTI = 'L',        // where an exception was raised, for RERAISE
    NULL_OR_SELF = 'N', // below a callable
    TO_RERAISE = 'R',   // what PREP_RERAISE_STAR leaves: an exception or None
};

/* A stack is its top and the stack below.  Values are never changed, so stacks
   share what they have in common. */
typedef struct value {
    const struct value *below;
    int depth;                  // 0 for an empty stack
    char kind;
} value;

static const value empty_stack;

/* Two ways lead to the instruction, with different stacks. */
static const value unknown_stack;

#define CHUNK 200

typedef struct chunk {
    struct chunk *next;
    value values[CHUNK];
} chunk;

typedef struct {
    PyCodeObject *code;
    const _PyCodeBlocks *blocks;
    const value **stacks;       // before each instruction, by the code units
                                // of its prefixes and opcode; NULL elsewhere,
                                // and where nothing leads to
    chunk *chunks;
    int used;                   // of the first chunk
    int failed;                 // no memory
    int again;                  // an instruction was reached that the scan has
                                // passed already
} model;

static const value *
push(model *m, const value *stack, char kind)
{
    if (m->chunks == NULL || m->used == CHUNK) {
        chunk *fresh = PyMem_New(chunk, 1);
        if (fresh == NULL) {
            m->failed = 1;
            return stack;
        }
        fresh->next = m->chunks;
        m->chunks = fresh;
        m->used = 0;
    }
    value *top = &m->chunks->values[m->used++];
    *top = (value){stack, stack->depth + 1, kind};
    return top;
}

static const value *
pop(const value *stack, int n)
{
    while (n-- > 0 && stack->depth > 0) {
        stack = stack->below;
    }
    return stack;
}

/* The stack with its n-th value, the top being the first, of another kind. */
static const value *
put(model *m, const value *stack, int n, char kind)
{
    if (n <= 1 || stack->depth <= 1) {
        return push(m, pop(stack, 1), kind);
    }
    return push(m, put(m, stack->below, n - 1, kind), stack->kind);
}

/* The kind of the n-th value. */
static char
peek(const value *stack, int n)
{
    stack = pop(stack, n - 1);
    return stack->depth > 0 ? stack->kind : OBJECT;
}

static int
same(const value *a, const value *b)
{
    while (a != b) {
        if (a->depth != b->depth || a->kind != b->kind) {
            return 0;
        }
        a = a->below;
        b = b->below;
    }
    return 1;
}

/* Control goes from the instruction at 'from' to the one at 'unit' with this
   stack. */
static void
flow(model *m, int from, int unit, const value *stack)
{
    if (unit < 0 || unit >= m->blocks->size || m->failed) {
        return;
    }
    unit = _PyCodeBlocks_Start(m->blocks, unit);
    const value *known = m->stacks[unit];
    if (known != NULL) {
        if (known == &unknown_stack
            || (stack != &unknown_stack && same(known, stack)))
        {
            return;
        }
        stack = &unknown_stack;
    }
    int operation = _PyCodeBlocks_Operation(m->code, unit);
    for (int i = unit; i <= operation; i++) {
        m->stacks[i] = stack;
    }
    if (unit <= from) {
        m->again = 1;
    }
}

/* Does the instruction push nothing, so that the values below those that it
   pops are the same as before? */
static int
pushes_nothing(int opcode, int oparg)
{
    switch (opcode) {
        case COPY_FREE_VARS:
        case DELETE_ATTR:
        case DELETE_DEREF:
        case DELETE_FAST:
        case DELETE_GLOBAL:
        case DELETE_NAME:
        case DELETE_SUBSCR:
        case DICT_MERGE:
        case DICT_UPDATE:
        case END_ASYNC_FOR:
        case IMPORT_STAR:
        case JUMP_IF_FALSE_OR_POP:
        case JUMP_IF_TRUE_OR_POP:
        case KW_NAMES:
        case LIST_APPEND:
        case LIST_EXTEND:
        case MAKE_CELL:
        case MAP_ADD:
        case NOP:
        case POP_EXCEPT:
        case POP_TOP:
        case PRINT_EXPR:
        case RESUME:
        case RETURN_GENERATOR:
        case SETUP_ANNOTATIONS:
        case SET_ADD:
        case SET_UPDATE:
        case STORE_ATTR:
        case STORE_DEREF:
        case STORE_FAST:
        case STORE_GLOBAL:
        case STORE_NAME:
        case STORE_SUBSCR:
            return 1;
        case UNPACK_SEQUENCE:
            return oparg == 0;
        default:
            return _PyOpcode_PopsAndJumps(opcode);
    }
}

/* The stack after an instruction that does not jump, as the eval loop leaves
   it. */
static const value *
after(model *m, const value *stack, int opcode, int oparg)
{
    switch (opcode) {
        case GET_ITER:
        case GET_AITER:
            return push(m, pop(stack, 1), ITERATOR);
        case PUSH_EXC_INFO:
            return push(m, stack, EXCEPTION);
        case PREP_RERAISE_STAR:
            return push(m, pop(stack, 2), TO_RERAISE);
        case PUSH_NULL:
            return push(m, stack, NULL_OR_SELF);
        case LOAD_GLOBAL:
            if (oparg & 1) {
                stack = push(m, stack, NULL_OR_SELF);
            }
            return push(m, stack, OBJECT);
        case LOAD_METHOD:
            return push(m, push(m, pop(stack, 1), NULL_OR_SELF), OBJECT);
        case PRECALL:           // leaves the arguments to CALL
            return stack;
        case CALL:
            return push(m, pop(pop(stack, oparg), 2), OBJECT);
        case CALL_FUNCTION_EX:
            return push(m, pop(stack, 3 + (oparg & 1)), OBJECT);
        case SWAP: {
            char top = peek(stack, 1);
            char other = peek(stack, oparg);
            return put(m, put(m, stack, oparg, top), 1, other);
        }
        case COPY:
            return push(m, stack, peek(stack, oparg));
        default: {
            int effect = PyCompile_OpcodeStackEffectWithJump(opcode, oparg, 0);
            if (effect == PY_INVALID_STACK_EFFECT) {
                return &unknown_stack;
            }
            stack = pop(stack, -effect);
            if (effect <= 0 && !pushes_nothing(opcode, oparg)) {
                return push(m, pop(stack, 1), OBJECT);
            }
            for (; effect > 0; effect--) {
                stack = push(m, stack, OBJECT);
            }
            return stack;
        }
    }
}

static void
execute(model *m, int start, int operation)
{
    const value *stack = m->stacks[start];
    int opcode = _PyCode_BaseOpcode(m->code, operation);
    int target = _PyCodeBlocks_Target(m->code, start);
    int next = operation + 1 + _PyOpcode_Caches[opcode];
    if (target >= 0) {
        const value *there = stack;
        if (stack != &unknown_stack && (opcode == FOR_ITER || opcode == SEND
                                        || _PyOpcode_PopsAndJumps(opcode)))
        {
            there = pop(stack, 1);
        }
        flow(m, start, target, there);
    }
    switch (opcode) {
        case JUMP_FORWARD:
        case JUMP_BACKWARD:
        case JUMP_BACKWARD_NO_INTERRUPT:
        case RETURN_VALUE:
        case RAISE_VARARGS:
        case RERAISE:
            return;
    }
    if (stack != &unknown_stack) {
        int oparg = (int)_PyCodeBlocks_Oparg(m->code, start, operation);
        stack = after(m, stack, opcode, oparg);
    }
    flow(m, start, next, stack);
}

/* A handler finds the stack of the instructions that it is for, down to some
   depth, and what the eval loop pushes. */
static void
enter_handlers(model *m)
{
    _PyExceptionEntry entry;
    const unsigned char *table = NULL;
    while (_PyCode_NextExceptionEntry(m->code, &table, &entry)) {
        const value *stack = NULL;
        int end = Py_MIN(entry.end, m->blocks->size);
        for (int unit = entry.start; unit < end && stack == NULL; unit++) {
            stack = m->stacks[unit];
        }
        if (stack == NULL) {
            continue;
        }
        if (stack != &unknown_stack) {
            stack = pop(stack, stack->depth - entry.depth);
            if (entry.lasti) {
                stack = push(m, stack, LASTI);
            }
            stack = push(m, stack, EXCEPTION);
        }
        flow(m, m->blocks->size, entry.handler, stack);
    }
}

static void
free_model(model *m)
{
    PyMem_Free(m->stacks);
    while (m->chunks != NULL) {
        chunk *next = m->chunks->next;
        PyMem_Free(m->chunks);
        m->chunks = next;
    }
}

static int
make_model(model *m, PyCodeObject *code)
{
    *m = (model){.code = code, .blocks = _PyCodeBlocks_Get(code)};
    if (m->blocks == NULL) {
        return -1;
    }
    int size = m->blocks->size;
    m->stacks = PyMem_Calloc(Py_MAX(size, 1), sizeof(*m->stacks));
    m->failed = m->stacks == NULL;
    if (code->co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR)) {
        // The None that starts a generator is there after RETURN_GENERATOR.
        flow(m, 0, 0, push(m, &empty_stack, OBJECT));
    }
    else {
        flow(m, 0, 0, &empty_stack);
    }
    do {
        m->again = 0;
        for (int start = 0; start < size && !m->failed; ) {
            int operation = _PyCodeBlocks_Operation(code, start);
            int opcode = _PyCode_BaseOpcode(code, operation);
            if (m->stacks[start] != NULL) {
                execute(m, start, operation);
            }
            start = operation + 1 + _PyOpcode_Caches[opcode];
        }
        if (!m->failed) {
            enter_handlers(m);
        }
    } while (m->again && !m->failed);
    if (m->failed) {
        free_model(m);
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}


/* --- The jump ------------------------------------------------------------ */

/* The instruction that makes the exception on the stack the handled one. */
static int
is_handler_entry(PyCodeObject *code, int unit)
{
    int opcode = _PyCode_BaseOpcode(code, unit);
    return opcode == PUSH_EXC_INFO || opcode == END_ASYNC_FOR;
}

static int
compatible_kinds(char from, char to)
{
    switch (to) {
        case OBJECT:
            return from != NULL_OR_SELF && from != TO_RERAISE;
        case NULL_OR_SELF:
            return 1;
        default:
            return from == to;
    }
}

/* Is 'to' what is left of 'from' without some of its topmost values? */
static int
compatible_stacks(const value *from, const value *to)
{
    if (from == NULL || to == NULL
        || from == &unknown_stack || to == &unknown_stack
        || from->depth < to->depth)
    {
        return 0;
    }
    from = pop(from, from->depth - to->depth);
    for (; to->depth > 0; to = to->below, from = from->below) {
        if (!compatible_kinds(from->kind, to->kind)) {
            return 0;
        }
    }
    return 1;
}

static const char *
explain(const value *from, const value *to)
{
    if (from == NULL) {
        return "can't jump from unreachable code";
    }
    if (to == NULL) {
        return "can't jump into an exception handler, or code may be "
               "unreachable";
    }
    switch (to->kind) {
        case EXCEPTION:
            return "can't jump into an 'except' block as there's no exception";
        case LASTI:
            return "can't jump into a re-raising block as there's no location";
        case ITERATOR:
            return "can't jump into the body of a for loop";
        default:
            return "incompatible stacks";
    }
}

/* Pop one value off the frame's own stack. */
static void
discard(_PyInterpreterFrame *frame, char kind)
{
    PyObject *popped = _PyFrame_StackPop(frame);
    if (kind == EXCEPTION) {
        // The one that was handled before is so again.
        _PyErr_StackItem *exc_info = _PyThreadState_GET()->exc_info;
        assert(PyExceptionInstance_Check(popped) || popped == Py_None);
        Py_XSETREF(exc_info->exc_value, popped);
        return;
    }
    Py_XDECREF(popped);
}

int
_PyFrame_IsYielding(_PyInterpreterFrame *frame)
{
    if (frame->owner != FRAME_OWNED_BY_GENERATOR) {
        return 0;
    }
    PyGenObject *gen = _PyFrame_GetGenerator(frame);
    return gen->gi_frame_state == FRAME_SUSPENDED || gen->gi_yield != 0;
}


/* Has the frame yielded the top of the stack at 'start'? */
static int
has_yielded(_PyInterpreterFrame *frame, int start)
{
    if (!_PyFrame_IsYielding(frame)) {
        return 0;
    }
    int yield = _PyFrame_GetGenerator(frame)->gi_yield;
    return yield == 0 || yield == start;
}

/* Go on at code unit 'target', whose stack is 'to'. */
static void
go_to(PyFrameObject *f, int target, const value *from, const value *to)
{
    _PyInterpreterFrame *frame = f->f_frame;
    int start = _PyInterpreterFrame_LASTI(frame);
    if (has_yielded(frame, start)) {
        _PyFrame_GetGenerator(frame)->gi_yield = start;
    }
    for (; from->depth > to->depth; from = from->below) {
        discard(frame, from->kind);
    }
    f->f_lineno = 0;
    frame->prev_instr = _PyCode_CODE(frame->f_code) + target;
}

/* The stack of a frame that is at the instruction at 'start'. */
static const value *
stack_before_jump(model *m, _PyInterpreterFrame *frame, int start)
{
    const value *stack = m->stacks[start];
    if (stack == NULL || stack == &unknown_stack) {
        return stack;
    }
    if (has_yielded(frame, start)) {
        return pop(stack, 1);
    }
    if (is_handler_entry(m->code, start)) {
        return push(m, pop(stack, 1), OBJECT);      // not yet the handled one
    }
    return stack;
}

/* Is the frame between two instructions, and its stack 'from', as the model
   says?  A call in progress keeps f_lasti in the inline cache of the CALL, or
   the depth of the stack to itself. */
static int
can_jump_from(model *m, _PyInterpreterFrame *frame, const value *from)
{
    if (m->failed) {
        PyErr_NoMemory();
        return 0;
    }
    int unit = _PyInterpreterFrame_LASTI(frame);
    int start = _PyCodeBlocks_Start(m->blocks, unit);
    if (frame->stacktop < 0
        || unit > _PyCodeBlocks_Operation(m->code, start))
    {
        PyErr_SetString(PyExc_ValueError,
                        "can't jump while the frame waits for a call");
        return 0;
    }
    int depth = frame->stacktop - m->code->co_nlocalsplus;
    if (frame->owner == FRAME_OWNED_BY_FRAME_OBJECT
        || (from != NULL && from != &unknown_stack && from->depth != depth))
    {
        PyErr_SetString(PyExc_ValueError,
                        "can't jump in a frame that is not executing");
        return 0;
    }
    return 1;
}

int
_PyFrame_JumpToLine(PyFrameObject *f, const int *lines, int line)
{
    _PyInterpreterFrame *frame = f->f_frame;
    PyCodeObject *code = frame->f_code;
    model m;
    if (make_model(&m, code) < 0) {
        return -1;
    }
    int start = _PyInterpreterFrame_LASTI(frame);
    const value *from = stack_before_jump(&m, frame, start);
    if (!can_jump_from(&m, frame, from)) {
        free_model(&m);
        return -1;
    }
    int best = -1;
    const char *message = "cannot find bytecode for specified line";
    for (int unit = code->_co_firsttraceable; unit < m.blocks->size; unit++) {
        if (lines[unit] != line
            || (unit != start && is_handler_entry(code, unit)))
        {
            continue;
        }
        const value *to = m.stacks[unit];
        if (!compatible_stacks(from, to)) {
            message = explain(from, to);
        }
        else if (best < 0 || to->depth > m.stacks[best]->depth) {
            best = unit;
        }
    }
    if (best < 0) {
        PyErr_SetString(PyExc_ValueError, message);
    }
    else {
        go_to(f, best, from, m.stacks[best]);
    }
    free_model(&m);
    return best < 0 ? -1 : 0;
}

static int
check_jump_event(PyFrameObject *f)
{
    switch (_PyThreadState_GET()->tracing_what) {
        case PyTrace_LINE:
        case PyTrace_INSTRUCTION:
        case PyTrace_BRANCH:
            break;
        case PyTrace_RETURN:
            if (_PyFrame_IsYielding(f->f_frame)) {
                break;
            }
            /* fall through */
        default:
            PyErr_SetString(PyExc_ValueError,
                            "f_lasti can only be set during a 'line', "
                            "'instruction' or 'branch' event");
            return -1;
    }
    if (f->f_trace == NULL) {
        PyErr_SetString(PyExc_ValueError,
                        "f_lasti can only be set by a trace function");
        return -1;
    }
    return 0;
}

/* Have the frame continue at code unit 'target', if that instruction finds
   values that the same instructions have pushed as on any other way to it.
   Otherwise, it could append to an integer. */
static int
jump_to_unit(PyFrameObject *f, model *m, Py_ssize_t target)
{
    PyCodeObject *code = m->code;
    int start = _PyInterpreterFrame_LASTI(f->f_frame);
    const value *from = stack_before_jump(m, f->f_frame, start);
    if (!can_jump_from(m, f->f_frame, from)) {
        return -1;
    }
    if (target < code->_co_firsttraceable || target >= m->blocks->size
        || m->stacks[target] == NULL
        || _PyCodeBlocks_Start(m->blocks, (int)target) != target)
    {
        PyErr_SetString(PyExc_ValueError,
                        "there is no instruction to jump to at this offset");
        return -1;
    }
    if (is_handler_entry(code, (int)target)) {
        PyErr_SetString(PyExc_ValueError,
                        "can't jump to the start of an exception handler");
        return -1;
    }
    const value *to = m->stacks[target];
    if (!compatible_stacks(from, to)) {
        PyErr_SetString(PyExc_ValueError, explain(from, to));
        return -1;
    }
    if (pop(from, from->depth - to->depth) != to) {
        PyErr_SetString(PyExc_ValueError, "incompatible stacks");
        return -1;
    }
    go_to(f, (int)target, from, to);
    return 0;
}

int
_PyFrame_SetLasti(PyFrameObject *f, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "cannot delete attribute");
        return -1;
    }
    if (!PyLong_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "f_lasti must be an integer");
        return -1;
    }
    if (check_jump_event(f) < 0) {
        return -1;
    }
    // Larger integers are clipped to values that are out of range, too.
    Py_ssize_t offset = PyNumber_AsSsize_t(value, NULL);
    Py_ssize_t target = offset % (Py_ssize_t)sizeof(_Py_CODEUNIT) == 0
                        ? offset / (Py_ssize_t)sizeof(_Py_CODEUNIT) : -1;
    model m;
    if (make_model(&m, f->f_frame->f_code) < 0) {
        return -1;
    }
    int err = jump_to_unit(f, &m, target);
    free_model(&m);
    return err;
}

void
_PyFrame_ResumeAfterJump(PyThreadState *tstate, PyGenObject *gen, int exc)
{
    /* The value that is sent goes where the yield has left, and the eval loop
       begins with the instruction after prev_instr.  An exception is raised at
       the line jumped to, as if its first instruction did it. */
    if (!exc) {
        _PyInterpreterFrame *frame = (_PyInterpreterFrame *)gen->gi_iframe;
        frame->prev_instr--;
        if (tstate->cframe->use_tracing) {
            tstate->inst_raised = -gen->gi_yield;
        }
    }
    gen->gi_yield = 0;
}

PyObject *
_PyFrame_StackModel(PyCodeObject *code)
{
    model m;
    if (make_model(&m, code) < 0) {
        return NULL;
    }
    PyObject *result = PyList_New(0);
    for (int unit = 0; result != NULL && unit < m.blocks->size; unit++) {
        const value *stack = m.stacks[unit];
        PyObject *item;
        if (stack == NULL) {
            item = Py_NewRef(Py_None);
        }
        else if (stack == &unknown_stack) {
            item = PyUnicode_FromString("unknown");
        }
        else {
            item = PyUnicode_New(stack->depth, 127);
            for (; item != NULL && stack->depth > 0; stack = stack->below) {
                PyUnicode_1BYTE_DATA(item)[stack->depth - 1] = stack->kind;
            }
        }
        if (item == NULL || PyList_Append(result, item) < 0) {
            Py_CLEAR(result);
        }
        Py_XDECREF(item);
    }
    free_model(&m);
    return result;
}
