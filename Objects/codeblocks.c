/* Information about the instructions of a code object, for tracing.

   It is computed on first use, kept in the code object's co_extra and freed
   with it.  This leaves the layout of PyCodeObject unchanged, and an
   untraced program pays nothing. */

#include "Python.h"
#include "pycore_codeblocks.h"
#include "pycore_code.h"          // _PyCode_CODE()
#include "pycore_codeprobes.h"    // _PyCode_BaseOpcode()
#include "opcode.h"               // EXTENDED_ARG
#include "pycore_opcode.h"        // _PyOpcode_Caches
#include <stddef.h>               // offsetof()

int
_PyCodeBlocks_Init(void)
{
    Py_ssize_t index = _PyEval_RequestCodeExtraIndex(PyMem_Free);
    if (index != 0) {
        PyErr_SetString(PyExc_SystemError,
                        "the first co_extra index is already in use");
        return -1;
    }
    return 0;
}

static void
find_starts(PyCodeObject *code, _PyCodeBlocks *blocks)
{
    int start = 0;
    for (int unit = 0; unit < blocks->size; ) {
        int opcode = _PyCode_BaseOpcode(code, unit);
        int next = unit + 1 + _PyOpcode_Caches[opcode];
        for (; unit < next && unit < blocks->size; unit++) {
            int distance = unit - start;
            // A longer distance is walked in steps of this size.
            blocks->units[unit] = (uint8_t)Py_MIN(distance,
                                                  _PyCodeBlocks_DISTANCE);
        }
        if (opcode != EXTENDED_ARG) {
            start = unit;
        }
    }
}

/* Targets of jumps and handlers can be anywhere in hand-written code. */
static inline void
mark(_PyCodeBlocks *blocks, int unit, int flags)
{
    if (0 <= unit && unit < blocks->size) {
        blocks->units[unit] |= flags;
    }
}

/* Does the next instruction start a basic block? */
static inline int
ends_block(int opcode)
{
    switch (opcode) {
        case FOR_ITER:
        case JUMP_IF_FALSE_OR_POP:
        case JUMP_IF_TRUE_OR_POP:
        case SEND:
        case YIELD_VALUE:
            return 1;
        default:
            return _PyOpcode_PopsAndJumps(opcode);
    }
}

/* Read a number of the exception table, whose format is described in
   Objects/exception_handling_notes.txt.  codeobject.c and ceval.c have readers
   of their own, which are static and rely on tables made by the
   compiler. */
static const unsigned char *
read_varint(const unsigned char *p, const unsigned char *end, int *value)
{
    int more = 1;
    unsigned int bits = 0;      // a hand-written table may overflow it
    while (more && p < end) {
        bits = bits << 6 | (*p & 63);
        more = *p++ & 64;
    }
    *value = (int)bits;
    return p;
}

int
_PyCode_NextExceptionEntry(PyCodeObject *code, const unsigned char **position,
                           _PyExceptionEntry *entry)
{
    const unsigned char *p =
        (unsigned char *)PyBytes_AS_STRING(code->co_exceptiontable);
    const unsigned char *end = p + PyBytes_GET_SIZE(code->co_exceptiontable);
    if (*position != NULL) {
        p = *position;
    }
    if (p >= end) {
        return 0;
    }
    int size, depth_and_lasti;
    p = read_varint(p, end, &entry->start);
    p = read_varint(p, end, &size);
    p = read_varint(p, end, &entry->handler);
    p = read_varint(p, end, &depth_and_lasti);
    // Unsigned, for a table made by hand.
    entry->end = (int)((unsigned int)entry->start + (unsigned int)size);
    entry->depth = depth_and_lasti >> 1;
    entry->lasti = depth_and_lasti & 1;
    *position = p;
    return 1;
}

static void
find_leaders(PyCodeObject *code, _PyCodeBlocks *blocks)
{
    mark(blocks, code->_co_firsttraceable, _PyCodeBlocks_LEADER);
    int next;
    for (int start = 0; start < blocks->size; start = next) {
        int operation = _PyCodeBlocks_Operation(code, start);
        int opcode = _PyCode_BaseOpcode(code, operation);
        next = operation + 1 + _PyOpcode_Caches[opcode];
        mark(blocks, _PyCodeBlocks_Target(code, start), _PyCodeBlocks_LEADER);
        if (opcode == RESUME) {
            mark(blocks, start, _PyCodeBlocks_LEADER | _PyCodeBlocks_RESUME);
        }
        if (ends_block(opcode)) {
            mark(blocks, next, _PyCodeBlocks_LEADER);
        }
    }
    _PyExceptionEntry entry;
    const unsigned char *table = NULL;
    while (_PyCode_NextExceptionEntry(code, &table, &entry)) {
        mark(blocks, entry.handler, _PyCodeBlocks_LEADER);
    }
}

static void
mark_insides(PyCodeObject *code, _PyCodeBlocks *blocks)
{
    for (int unit = 0; unit < blocks->size; unit++) {
        uint8_t *flags = &blocks->units[unit];
        if (unit < code->_co_firsttraceable) {
            // Code before the first RESUME is never traced.
            *flags &= ~_PyCodeBlocks_LEADER;
        }
        else if (!(*flags & (_PyCodeBlocks_DISTANCE | _PyCodeBlocks_LEADER))) {
            *flags |= _PyCodeBlocks_INSIDE;
        }
    }
}

static void
find_lines(PyCodeObject *code, _PyCodeBlocks *blocks)
{
    int previous = -1;
    for (int unit = code->_co_firsttraceable; unit < blocks->size; unit++) {
        uint8_t *flags = &blocks->units[unit];
        if (*flags & _PyCodeBlocks_DISTANCE) {
            continue;
        }
        int line = _PyCode_LineNumberFromArray(code, unit);
        // The instruction after the first RESUME starts a line in any case.
        if (*flags & _PyCodeBlocks_LEADER || line != previous
            || unit == code->_co_firsttraceable + 1)
        {
            *flags |= _PyCodeBlocks_LINE;
        }
        previous = line;
    }
}

const _PyCodeBlocks *
_PyCodeBlocks_Compute(PyCodeObject *code)
{
    if (_PyCode_InitLineArray(code)) {
        return NULL;
    }
    int size = (int)Py_SIZE(code);
    _PyCodeBlocks *blocks = PyMem_Malloc(offsetof(_PyCodeBlocks, units)
                                         + size);
    if (blocks == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    blocks->size = size;
    blocks->recording = 0;
    blocks->refused = 0;
    find_starts(code, blocks);
    find_leaders(code, blocks);
    mark_insides(code, blocks);
    find_lines(code, blocks);
    if (_PyCode_SetExtra((PyObject *)code, 0, blocks) < 0) {
        PyMem_Free(blocks);
        if (!PyErr_Occurred()) {
            PyErr_NoMemory();
        }
        return NULL;
    }
    return blocks;
}

void
_PyCodeBlocks_Clear(PyCodeObject *code)
{
    void *blocks;
    if (_PyCode_GetExtra((PyObject *)code, 0, &blocks) == 0) {
        PyMem_Free(blocks);
    }
}

int
_PyCodeBlocks_Operation(PyCodeObject *code, int start)
{
    int last = (int)Py_SIZE(code) - 1;
    while (start < last && _PyCode_BaseOpcode(code, start) == EXTENDED_ARG) {
        start++;
    }
    return start;
}

int
_PyCodeBlocks_Target(PyCodeObject *code, int start)
{
    int unit = _PyCodeBlocks_Operation(code, start);
    unsigned int oparg = _PyCodeBlocks_Oparg(code, start, unit);
    // Unsigned, because the sum may overflow in hand-written code.
    unsigned int after = (unsigned int)unit + 1;
    switch (_PyCode_BaseOpcode(code, unit)) {
        case FOR_ITER:
        case JUMP_FORWARD:
        case JUMP_IF_FALSE_OR_POP:
        case JUMP_IF_TRUE_OR_POP:
        case POP_JUMP_FORWARD_IF_FALSE:
        case POP_JUMP_FORWARD_IF_TRUE:
        case POP_JUMP_FORWARD_IF_NOT_NONE:
        case POP_JUMP_FORWARD_IF_NONE:
        case SEND:
            return (int)(after + oparg);
        case JUMP_BACKWARD:
        case JUMP_BACKWARD_NO_INTERRUPT:
        case POP_JUMP_BACKWARD_IF_NOT_NONE:
        case POP_JUMP_BACKWARD_IF_NONE:
        case POP_JUMP_BACKWARD_IF_FALSE:
        case POP_JUMP_BACKWARD_IF_TRUE:
            return (int)(after - oparg);
        default:
            return -1;
    }
}

int
_PyCodeBlocks_Source(PyCodeObject *code, int unit, int target)
{
    int start = _PyCodeBlocks_Start(_PyCodeBlocks_Peek(code), unit);
    if (_PyCode_BaseOpcode(code, start) == JUMP_BACKWARD_NO_INTERRUPT) {
        // throw() has ended a 'yield from' or 'await' and moved prev_instr
        // past the loop of SEND, YIELD_VALUE, RESUME and this instruction.
        int send = _PyCodeBlocks_Target(code, start);
        if (0 <= send && send < start && send != target) {
            return send + 1;
        }
    }
    return start;
}
