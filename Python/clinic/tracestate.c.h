/*[clinic input]
preserve
[clinic start generated code]*/

PyDoc_STRVAR(sys_settracestate__doc__,
"settracestate($module, /, tracefunc, *, trace_lines=True,\n"
"              trace_instructions=False, trace_branches=False,\n"
"              instruction_filter=None)\n"
"--\n"
"\n"
"Set the trace function of the current thread and the events it receives.\n"
"\n"
"  tracefunc\n"
"    The global trace function, as for sys.settrace(), or None.\n"
"  trace_lines\n"
"    Call it for \'line\' events.\n"
"  trace_instructions\n"
"    Call it for \'instruction\' events: before each bytecode instruction\n"
"    that has no \'line\' event.  The argument is the byte offset of the\n"
"    instruction that the frame executed before.\n"
"  trace_branches\n"
"    Call it for \'branch\' events: before the first instruction of each\n"
"    basic block.  The argument is a tuple of the offset of the instruction\n"
"    that the frame executed before, or -1, and the offset of this one.\n"
"  instruction_filter\n"
"    An iterable of the opcodes, as in dis.opmap, that have \'instruction\'\n"
"    events.  None: all opcodes.\n"
"\n"
"sys.settracestate(f) is the same as sys.settrace(f).  If tracefunc is None,\n"
"switch tracing off and reset all flags.  Raises the auditing event\n"
"sys.settrace.\n"
"\n"
"To save and restore the whole state:\n"
"\n"
"    saved = sys.gettracestate()\n"
"    ...\n"
"    sys.settracestate(**saved)");

#define SYS_SETTRACESTATE_METHODDEF    \
    {"settracestate", _PyCFunction_CAST(sys_settracestate), METH_FASTCALL|METH_KEYWORDS, sys_settracestate__doc__},

static PyObject *
sys_settracestate_impl(PyObject *module, PyObject *tracefunc,
                       int trace_lines, int trace_instructions,
                       int trace_branches, PyObject *instruction_filter);

static PyObject *
sys_settracestate(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *return_value = NULL;
    static const char * const _keywords[] = {"tracefunc", "trace_lines", "trace_instructions", "trace_branches", "instruction_filter", NULL};
    static _PyArg_Parser _parser = {NULL, _keywords, "settracestate", 0};
    PyObject *argsbuf[5];
    Py_ssize_t noptargs = nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0) - 1;
    PyObject *tracefunc;
    int trace_lines = 1;
    int trace_instructions = 0;
    int trace_branches = 0;
    PyObject *instruction_filter = Py_None;

    args = _PyArg_UnpackKeywords(args, nargs, NULL, kwnames, &_parser, 1, 1, 0, argsbuf);
    if (!args) {
        goto exit;
    }
    tracefunc = args[0];
    if (!noptargs) {
        goto skip_optional_kwonly;
    }
    if (args[1]) {
        trace_lines = PyObject_IsTrue(args[1]);
        if (trace_lines < 0) {
            goto exit;
        }
        if (!--noptargs) {
            goto skip_optional_kwonly;
        }
    }
    if (args[2]) {
        trace_instructions = PyObject_IsTrue(args[2]);
        if (trace_instructions < 0) {
            goto exit;
        }
        if (!--noptargs) {
            goto skip_optional_kwonly;
        }
    }
    if (args[3]) {
        trace_branches = PyObject_IsTrue(args[3]);
        if (trace_branches < 0) {
            goto exit;
        }
        if (!--noptargs) {
            goto skip_optional_kwonly;
        }
    }
    instruction_filter = args[4];
skip_optional_kwonly:
    return_value = sys_settracestate_impl(module, tracefunc, trace_lines, trace_instructions, trace_branches, instruction_filter);

exit:
    return return_value;
}

PyDoc_STRVAR(sys__settracestate_all_threads__doc__,
"_settracestate_all_threads($module, /, tracefunc, *, trace_lines=True,\n"
"                           trace_instructions=False,\n"
"                           trace_branches=False,\n"
"                           instruction_filter=None)\n"
"--\n"
"\n"
"Implement threading.settracestate_all_threads().");

#define SYS__SETTRACESTATE_ALL_THREADS_METHODDEF    \
    {"_settracestate_all_threads", _PyCFunction_CAST(sys__settracestate_all_threads), METH_FASTCALL|METH_KEYWORDS, sys__settracestate_all_threads__doc__},

static PyObject *
sys__settracestate_all_threads_impl(PyObject *module, PyObject *tracefunc,
                                    int trace_lines, int trace_instructions,
                                    int trace_branches,
                                    PyObject *instruction_filter);

static PyObject *
sys__settracestate_all_threads(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *return_value = NULL;
    static const char * const _keywords[] = {"tracefunc", "trace_lines", "trace_instructions", "trace_branches", "instruction_filter", NULL};
    static _PyArg_Parser _parser = {NULL, _keywords, "_settracestate_all_threads", 0};
    PyObject *argsbuf[5];
    Py_ssize_t noptargs = nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0) - 1;
    PyObject *tracefunc;
    int trace_lines = 1;
    int trace_instructions = 0;
    int trace_branches = 0;
    PyObject *instruction_filter = Py_None;

    args = _PyArg_UnpackKeywords(args, nargs, NULL, kwnames, &_parser, 1, 1, 0, argsbuf);
    if (!args) {
        goto exit;
    }
    tracefunc = args[0];
    if (!noptargs) {
        goto skip_optional_kwonly;
    }
    if (args[1]) {
        trace_lines = PyObject_IsTrue(args[1]);
        if (trace_lines < 0) {
            goto exit;
        }
        if (!--noptargs) {
            goto skip_optional_kwonly;
        }
    }
    if (args[2]) {
        trace_instructions = PyObject_IsTrue(args[2]);
        if (trace_instructions < 0) {
            goto exit;
        }
        if (!--noptargs) {
            goto skip_optional_kwonly;
        }
    }
    if (args[3]) {
        trace_branches = PyObject_IsTrue(args[3]);
        if (trace_branches < 0) {
            goto exit;
        }
        if (!--noptargs) {
            goto skip_optional_kwonly;
        }
    }
    instruction_filter = args[4];
skip_optional_kwonly:
    return_value = sys__settracestate_all_threads_impl(module, tracefunc, trace_lines, trace_instructions, trace_branches, instruction_filter);

exit:
    return return_value;
}

PyDoc_STRVAR(sys__make_tracestate__doc__,
"_make_tracestate($module, /, tracefunc, *, trace_lines=True,\n"
"                 trace_instructions=False, trace_branches=False,\n"
"                 instruction_filter=None)\n"
"--\n"
"\n"
"Return what sys.gettracestate() would return after setting this state.");

#define SYS__MAKE_TRACESTATE_METHODDEF    \
    {"_make_tracestate", _PyCFunction_CAST(sys__make_tracestate), METH_FASTCALL|METH_KEYWORDS, sys__make_tracestate__doc__},

static PyObject *
sys__make_tracestate_impl(PyObject *module, PyObject *tracefunc,
                          int trace_lines, int trace_instructions,
                          int trace_branches, PyObject *instruction_filter);

static PyObject *
sys__make_tracestate(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *return_value = NULL;
    static const char * const _keywords[] = {"tracefunc", "trace_lines", "trace_instructions", "trace_branches", "instruction_filter", NULL};
    static _PyArg_Parser _parser = {NULL, _keywords, "_make_tracestate", 0};
    PyObject *argsbuf[5];
    Py_ssize_t noptargs = nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0) - 1;
    PyObject *tracefunc;
    int trace_lines = 1;
    int trace_instructions = 0;
    int trace_branches = 0;
    PyObject *instruction_filter = Py_None;

    args = _PyArg_UnpackKeywords(args, nargs, NULL, kwnames, &_parser, 1, 1, 0, argsbuf);
    if (!args) {
        goto exit;
    }
    tracefunc = args[0];
    if (!noptargs) {
        goto skip_optional_kwonly;
    }
    if (args[1]) {
        trace_lines = PyObject_IsTrue(args[1]);
        if (trace_lines < 0) {
            goto exit;
        }
        if (!--noptargs) {
            goto skip_optional_kwonly;
        }
    }
    if (args[2]) {
        trace_instructions = PyObject_IsTrue(args[2]);
        if (trace_instructions < 0) {
            goto exit;
        }
        if (!--noptargs) {
            goto skip_optional_kwonly;
        }
    }
    if (args[3]) {
        trace_branches = PyObject_IsTrue(args[3]);
        if (trace_branches < 0) {
            goto exit;
        }
        if (!--noptargs) {
            goto skip_optional_kwonly;
        }
    }
    instruction_filter = args[4];
skip_optional_kwonly:
    return_value = sys__make_tracestate_impl(module, tracefunc, trace_lines, trace_instructions, trace_branches, instruction_filter);

exit:
    return return_value;
}

PyDoc_STRVAR(sys__raise_lost_flags__doc__,
"_raise_lost_flags($module, tracefunc, /)\n"
"--\n"
"\n"
"Raise the exception of threading.gettrace() for a state with flags.");

#define SYS__RAISE_LOST_FLAGS_METHODDEF    \
    {"_raise_lost_flags", (PyCFunction)sys__raise_lost_flags, METH_O, sys__raise_lost_flags__doc__},

PyDoc_STRVAR(sys_gettracestate__doc__,
"gettracestate($module, /)\n"
"--\n"
"\n"
"Return the trace state of the current thread.\n"
"\n"
"It is a dict of the arguments of sys.settracestate():\n"
"\n"
"    tracefunc           the trace function, or None\n"
"    trace_lines         bool\n"
"    trace_instructions  bool\n"
"    trace_branches      bool\n"
"    instruction_filter  frozenset of int, or None");

#define SYS_GETTRACESTATE_METHODDEF    \
    {"gettracestate", (PyCFunction)sys_gettracestate, METH_NOARGS, sys_gettracestate__doc__},

static PyObject *
sys_gettracestate_impl(PyObject *module);

static PyObject *
sys_gettracestate(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return sys_gettracestate_impl(module);
}

PyDoc_STRVAR(sys__getcodeleaders__doc__,
"_getcodeleaders($module, code, /)\n"
"--\n"
"\n"
"Return the byte offsets at which the basic blocks of a code object start.\n"
"\n"
"A tuple in ascending order, beginning with the code\'s first RESUME.  See the\n"
"codeblocks module.");

#define SYS__GETCODELEADERS_METHODDEF    \
    {"_getcodeleaders", (PyCFunction)sys__getcodeleaders, METH_O, sys__getcodeleaders__doc__},

static PyObject *
sys__getcodeleaders_impl(PyObject *module, PyCodeObject *code);

static PyObject *
sys__getcodeleaders(PyObject *module, PyObject *arg)
{
    PyObject *return_value = NULL;
    PyCodeObject *code;

    if (!PyObject_TypeCheck(arg, &PyCode_Type)) {
        _PyArg_BadArgument("_getcodeleaders", "argument", (&PyCode_Type)->tp_name, arg);
        goto exit;
    }
    code = (PyCodeObject *)arg;
    return_value = sys__getcodeleaders_impl(module, code);

exit:
    return return_value;
}
/*[clinic end generated code: output=84bd8902e8a522d7 input=a9049054013a1b77]*/
