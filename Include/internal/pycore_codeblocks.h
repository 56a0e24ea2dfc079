#ifndef Py_INTERNAL_CODEBLOCKS_H
#define Py_INTERNAL_CODEBLOCKS_H
#ifdef __cplusplus
extern "C" {
#endif

#ifndef Py_BUILD_CORE
#  error "this header requires Py_BUILD_CORE define"
#endif

/* Information about each code unit of a code object, for tracing.  It is
   computed on first use and kept in co_extra. */
typedef struct {
    int size;                   /* code units */
    unsigned int recording;     /* see pycore_recording.h */
    unsigned int refused;       /* by the EdgeRecorder with this number */
    uint8_t units[1];           /* for each code unit, the flags below */
} _PyCodeBlocks;

/* A mask for the distance, in code units, from the start of the instruction
   that the unit belongs to; larger distances are stored as this maximum.  (An
   instruction starts at its first EXTENDED_ARG and ends with its inline
   cache.) */
#define _PyCodeBlocks_DISTANCE 0x0f
/* The instruction is a RESUME. */
#define _PyCodeBlocks_RESUME 0x10
/* The instruction is in a basic block, and not the first one there. */
#define _PyCodeBlocks_INSIDE 0x20
/* A 'line' event is possible here: the instruction is a leader, or its line
   differs from that of the preceding instruction. */
#define _PyCodeBlocks_LINE 0x40
/* A basic block starts here. */
#define _PyCodeBlocks_LEADER 0x80

/* Reserve co_extra index 0 in the current interpreter.  The index must be the
   same in all interpreters, because they share the code objects of frozen
   modules. */
extern int _PyCodeBlocks_Init(void);

/* Return a pointer owned by the code object, or NULL with an exception set. */
extern const _PyCodeBlocks *_PyCodeBlocks_Compute(PyCodeObject *code);

/* What co_extra has at the index, or NULL.  Unlike _PyCode_GetExtra(), this
   cannot fail, and saves 2.5 % of the machine instructions of a loop that
   calls a function while it is traced or recorded. */
static inline void *
_PyCode_PeekExtra(PyCodeObject *code, Py_ssize_t index)
{
    // The layout of _PyCodeObjectExtra, which is private to codeobject.c.
    struct { Py_ssize_t size; void *extras[1]; } *extra = code->co_extra;
    return extra == NULL || extra->size <= index ? NULL : extra->extras[index];
}

/* Return NULL, without an exception, if nothing has been computed. */
static inline const _PyCodeBlocks *
_PyCodeBlocks_Peek(PyCodeObject *code)
{
    return (const _PyCodeBlocks *)_PyCode_PeekExtra(code, 0);
}

static inline const _PyCodeBlocks *
_PyCodeBlocks_Get(PyCodeObject *code)
{
    const _PyCodeBlocks *blocks = _PyCodeBlocks_Peek(code);
    return blocks != NULL ? blocks : _PyCodeBlocks_Compute(code);
}

/* The same without touching the current exception: return NULL if there is no
   memory. */
static inline const _PyCodeBlocks *
_PyCodeBlocks_TryGet(PyCodeObject *code)
{
    const _PyCodeBlocks *blocks = _PyCodeBlocks_Peek(code);
    if (blocks == NULL) {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        blocks = _PyCodeBlocks_Compute(code);
        PyErr_Restore(type, value, traceback);
    }
    return blocks;
}

/* For code objects that are not freed through code_dealloc(). */
extern void _PyCodeBlocks_Clear(PyCodeObject *code);

/* The first code unit of the instruction that 'unit' belongs to. */
static inline int
_PyCodeBlocks_Start(const _PyCodeBlocks *blocks, int unit)
{
    assert(0 <= unit && unit < blocks->size);
    int distance;
    while ((distance = blocks->units[unit] & _PyCodeBlocks_DISTANCE) != 0) {
        unit -= distance;
    }
    return unit;
}

/* The code unit of the opcode itself in the instruction that starts at
   'start', after its EXTENDED_ARG prefixes. */
PyAPI_FUNC(int) _PyCodeBlocks_Operation(PyCodeObject *code, int start);

/* The argument of that instruction: EXTENDED_ARG adds higher bytes. */
static inline unsigned int
_PyCodeBlocks_Oparg(PyCodeObject *code, int start, int operation)
{
    unsigned int oparg = 0;
    for (int unit = start; unit <= operation; unit++) {
        oparg = oparg << 8 | _Py_OPARG(_PyCode_CODE(code)[unit]);
    }
    return oparg;
}

/* The target of the jump that starts at 'start', or -1 if it is not a jump. */
extern int _PyCodeBlocks_Target(PyCodeObject *code, int start);

/* The first code unit of the instruction from which control has come to code
   unit 'target', according to frame->prev_instr, here 'unit'. */
PyAPI_FUNC(int) _PyCodeBlocks_Source(PyCodeObject *code, int unit, int target);

/* Exceptions of the instructions from code unit 'start' to before 'end' are
   handled at 'handler', with the stack cut to 'depth'.  If 'lasti' is true,
   the offset of the instruction is pushed below the exception. */
typedef struct {
    int start;
    int end;
    int handler;
    int depth;
    int lasti;
} _PyExceptionEntry;

/* Read the entry of the exception table at *position, NULL for the first, and
   move that on.  Return 0 where there is none left. */
extern int _PyCode_NextExceptionEntry(PyCodeObject *code,
                                      const unsigned char **position,
                                      _PyExceptionEntry *entry);

#ifdef __cplusplus
}
#endif
#endif  /* !Py_INTERNAL_CODEBLOCKS_H */
