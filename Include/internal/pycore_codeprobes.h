#ifndef Py_INTERNAL_CODEPROBES_H
#define Py_INTERNAL_CODEPROBES_H
#ifdef __cplusplus
extern "C" {
#endif

#ifndef Py_BUILD_CORE
#  error "this header requires Py_BUILD_CORE define"
#endif

#include "pycore_code.h"          // _PyCode_CODE()
#include "opcode.h"               // POP_JUMP_FORWARD_IF_TRUE
#include "pycore_opcode.h"        // _PyOpcode_Deopt

/* Stands in the place of an instruction's opcode in the bytecode that is
   executed, and nowhere else: co_code has what the compiler made. */
#define _PyOpcode_PROBE 254

/* Reserve the co_extra index, always 1, of the current interpreter. */
extern int _PyCodeProbes_Init(void);

/* Forget the watch of an interpreter that ends. */
extern void _PyCodeProbes_Fini(PyInterpreterState *interp);

/* For code objects that are not freed through code_dealloc(). */
extern void _PyCodeProbes_Clear(PyCodeObject *code);

/* Call the function of the watch, if that has not seen the code object. */
extern int _PyCodeProbes_Offer(PyThreadState *tstate, PyCodeObject *code);

/* Call the function of the probe at a code unit, and do as it says. */
extern void _PyCodeProbes_Hit(PyCodeObject *code, int unit, int what,
                              const void *activation);

/* The opcode that a probe at a code unit stands for, unspecialized.  It is
   _PyOpcode_PROBE itself, an unknown opcode, in code made by hand. */
static inline int
_PyCodeProbes_Opcode(PyCodeObject *code, int unit)
{
    // PyCode_SetProbes() has seen to it that the code object keeps its co_code.
    if (code->_co_code == NULL) {
        return _PyOpcode_PROBE;
    }
    return _Py_OPCODE(((_Py_CODEUNIT *)PyBytes_AS_STRING(code->_co_code))[unit]);
}

/* The opcode at a code unit that starts an instruction, unspecialized. */
static inline int
_PyCode_BaseOpcode(PyCodeObject *code, int unit)
{
    int opcode = _PyOpcode_Deopt[_Py_OPCODE(_PyCode_CODE(code)[unit])];
    return opcode == _PyOpcode_PROBE ? _PyCodeProbes_Opcode(code, unit) : opcode;
}

/* Does the instruction take a value off the stack, and jump if that is true,
   false, None or not None? */
static inline int
_PyOpcode_PopsAndJumps(int opcode)
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

#ifdef __cplusplus
}
#endif
#endif  /* !Py_INTERNAL_CODEPROBES_H */
