#ifndef Py_INTERNAL_FRAMEJUMP_H
#define Py_INTERNAL_FRAMEJUMP_H
#ifdef __cplusplus
extern "C" {
#endif

#ifndef Py_BUILD_CORE
#  error "this header requires Py_BUILD_CORE define"
#endif

#include "pycore_frame.h"         // _PyInterpreterFrame

/* Is the frame that of a generator that is suspended, or at the 'return' event
   of a yield? */
extern int _PyFrame_IsYielding(_PyInterpreterFrame *frame);

/* Have the frame continue at 'line'.  lines[i] is the line that starts at code
   unit i, or -1.  Return 0, or -1 with a ValueError set if the stack does not
   allow it. */
extern int _PyFrame_JumpToLine(PyFrameObject *f, const int *lines, int line);

/* Set frame.f_lasti: have the frame continue at the instruction with this
   offset. */
extern int _PyFrame_SetLasti(PyFrameObject *f, PyObject *value, void *closure);

/* A generator with gi_yield set is about to be resumed, with an exception or
   without. */
extern void _PyFrame_ResumeAfterJump(PyThreadState *tstate, PyGenObject *gen,
                                     int exc);

/* For tests: a list with the model of the evaluation stack before each code
   unit.  A string has a letter for each value, the deepest first; None stands
   for units that no instruction starts at or nothing leads to, "unknown" where
   two ways disagree. */
PyAPI_FUNC(PyObject *) _PyFrame_StackModel(PyCodeObject *code);

#ifdef __cplusplus
}
#endif
#endif  /* !Py_INTERNAL_FRAMEJUMP_H */
