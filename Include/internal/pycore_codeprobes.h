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

/* Replaces the opcode of an instruction in the executed bytecode only; co_code
   keeps the opcode that the compiler generated. */
#define _PyOpcode_PROBE 254

/* Reserve co_extra index 1 in the current interpreter. */
extern int _PyCodeProbes_Init(void);

/* Remove the watches of an interpreter during its finalization. */
extern void _PyCodeProbes_Fini(PyInterpreterState *interp);

/* For code objects that are not freed through code_dealloc(): remove and free
   the probes.  The caller frees co_extra. */
extern void _PyCodeProbes_Clear(PyCodeObject *code);

/* Call the functions of the watches that have not seen the code object. */
extern int _PyCodeProbes_Offer(PyThreadState *tstate, PyCodeObject *code);

/* Call the function of the probe at a code unit.  Remove the probe if it
   returns 0. */
extern void _PyCodeProbes_Hit(PyCodeObject *code, int unit, int what,
                              const void *activation);

/* The opcode that a probe at a code unit replaces, unspecialized.  In
   hand-written code it can be _PyOpcode_PROBE itself, an unknown opcode. */
static inline int
_PyCodeProbes_Opcode(PyCodeObject *code, int unit)
{
    // PyCode_SetProbes() has made the code object cache its co_code.
    if (code->_co_code == NULL) {
        return _PyOpcode_PROBE;
    }
    _Py_CODEUNIT *original = (_Py_CODEUNIT *)PyBytes_AS_STRING(code->_co_code);
    return _Py_OPCODE(original[unit]);
}

/* The opcode at a code unit that starts an instruction, unspecialized. */
static inline int
_PyCode_BaseOpcode(PyCodeObject *code, int unit)
{
    int opcode = _PyOpcode_Deopt[_Py_OPCODE(_PyCode_CODE(code)[unit])];
    return opcode == _PyOpcode_PROBE ? _PyCodeProbes_Opcode(code, unit)
                                     : opcode;
}

/* Does the instruction pop a value, and jump if it is true, false, None or not
   None? */
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
