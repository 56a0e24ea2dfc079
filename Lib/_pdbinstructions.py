"""The pdb commands for bytecode instructions."""

import bdb
import functools
import sys

import _bytecodeview
from _ownmodules import __builtins__
from _debugtracing import is_resumed


def without_flags(method):
    """Decorate a method of a debugger that executes commands at a prompt.

    Commands may save and restore the trace function.  sys.gettrace() raises an
    exception if there are flags, so there are none while the method runs.
    """
    @functools.wraps(method)
    def wrapper(self, *args, **kwargs):
        thread = self._thread
        outer, thread.at_prompt = thread.at_prompt, True
        self._set_flags()
        state = None
        try:
            sys.gettrace()
        except RuntimeError:
            # A post-mortem debugger, in a program that has set flags.
            state = sys.gettracestate()
            sys.settrace(None)
        try:
            return method(self, *args, **kwargs)
        finally:
            thread.at_prompt = outer
            if state is None:
                self._set_flags()
            else:
                tracefunc = sys.gettracestate()['tracefunc']
                if tracefunc is None or self._is_mine(tracefunc):
                    sys.settracestate(**state)
    return wrapper


class InstructionCommands:
    """The instruction commands: a base class of pdb.Pdb."""

    # How many stops a count still skips, and the method that continues to the next.
    _stops_left = 0
    _step_on = None
    _interrupted = False
    # The event that the debugger stopped at, and whether to show the instruction.
    _event = None
    _shows_instruction = False
    _at_break = False
    # Whether to print the value stack at each stop.
    _displays_stack = False
    # Where 'listi' continues: code object, offset of the current instruction, index.
    _listi_next = (None, None, 0)

    # --- Stopping ---

    def stops_at(self, frame, event):
        """Return whether to stop; if not, continue to the next stop of a count."""
        if self._stops_left and event != 'exception' and not self._breaks_at(frame, event):
            self._stops_left -= 1
            self._step_on(frame)
            return False
        self._stops_left = 0
        self._interrupted = False
        if event == 'call' and not is_resumed(frame):
            event = 'exception'     # generator.throw()
        self._event = event
        self._shows_instruction = event == 'instruction' or self._at_break
        self._at_break = False
        return True

    def break_at_instruction(self, frame):
        self._at_break = super().break_at_instruction(frame)
        return self._at_break

    def _breaks_at(self, frame, event):
        """Return whether a breakpoint or an interrupt ends the count here."""
        if frame.f_code.co_name == 'sigint_handler':
            return False        # not part of the program
        if self._interrupted or not self.stop_here(frame):
            return True
        if event == 'return':
            return False
        return (event == 'line' and self.break_here(frame)
                or self.break_at_instruction(frame))

    def end_count(self):
        self._interrupted = True
        self._stops_left = 0

    def user_instruction(self, frame):
        """This function is called when we stop or break at an instruction."""
        if self._wait_for_mainpyfile:
            return
        if self.stops_at(frame, 'instruction') and self.bp_commands(frame):
            self.interaction(frame, None)

    def next_index(self, code):
        """Return the index in code, a _bytecodeview.Code, of the instruction
        that the current frame is about to execute, or None."""
        if (self._event in ('call', 'line', 'instruction') and self._is_tracing()
                and self.curindex == len(self.stack) - 1):
            return code.index(self.curframe.f_lasti)

    def print_next_instruction(self):
        """Print the next instruction below the line, and the value stack, if they should be shown."""
        if self.stopinstr or self._shows_instruction:
            code = _bytecodeview.Code(self.curframe.f_code)
            index = self.next_index(code)
            if index is not None:
                self.message(_bytecodeview.fit(f'    -> {code.offsets[index]} {code.format(index)}'))
        if self._displays_stack:
            self.do_stack('')

    # --- Commands ---

    def _step_instructions(self, arg, step_on):
        try:
            count = int(arg or 1)
        except ValueError:
            count = 0
        if count < 1:
            self.error('Bad count: %r (must be 1 or more)' % arg)
            return
        if not self._is_tracing():
            self.error('There is no next instruction: the program is not running')
            return
        if count > 1:
            self.catch_sigint()
        self._stops_left = count - 1
        self._step_on = step_on
        step_on(self.curframe)
        return 1

    def do_stepi(self, arg):
        """stepi | si [count]
        Execute the current bytecode instruction, stop before the next
        one, either in a function that is called or in the current
        function.  With a count, repeat that many times, or until a
        breakpoint is reached or an exception is raised.
        """
        return self._step_instructions(arg, lambda frame: self.set_stepinstr())
    do_si = do_stepi

    def do_nexti(self, arg):
        """nexti | ni [count]
        Continue execution until the next bytecode instruction in the
        current function is reached or it returns.  Unlike stepi, this
        does not stop in functions that are called.
        """
        return self._step_instructions(arg, self.set_nextinstr)
    do_ni = do_nexti

    def do_listi(self, arg):
        """listi | li [first [,last] | . | function]
        List bytecode instructions of the current function, each below
        its line of source code.  Without arguments, list 11
        instructions around the current one or continue the previous
        listing.  With . as argument, list 11 instructions around the
        current one.  With one number, list 11 instructions around that
        offset.  With two numbers, list the instructions from the first
        offset to the second; if the second is less than the first, it
        is a count.  With an expression for a function, method,
        generator, coroutine or code object, list all its instructions.

        The current instruction is indicated by "->": the next one to
        be executed or, in a caller or after an exception, the one that
        is or was being executed.  Jump targets and exception handlers
        are indicated by ">>", breakpoints by "B".
        """
        self.lastcmd = 'listi'
        code = _bytecodeview.Code(self.curframe.f_code)
        position = self.tb_lasti.get(self.curframe, self.curframe.f_lasti)
        first, last = None, None
        if arg and arg != '.':
            try:
                first, *rest = [int(part) for part in arg.split(',')]
                last, = rest or [None]
            except ValueError:
                code = self._code_of(arg)
                if code is None:
                    return
                first, last = 0, len(code.offsets)
            else:
                if last is None:
                    first = max(code.index(first) - 5, 0)
                elif last < first:
                    first = code.index(first)
                    last += first
                else:
                    first, last = code.index(first), code.index(last) + 1
        elif arg != '.' and self._listi_next[:2] == (code.code, position):
            first = self._listi_next[2]
        else:
            first = max(code.index(position) - 5, 0)
        last = min(first + 11 if last is None else last, len(code.offsets))
        self._list_instructions(code, first, last, position)
    do_li = do_listi

    def _code_of(self, arg):
        try:
            value = self._getval(arg)
        except:
            return None         # _getval() has displayed the error
        try:
            if isinstance(value, str):
                raise TypeError
            return _bytecodeview.Code(_bytecodeview.code_of(value))
        except TypeError:
            self.error('%r has no instructions: it is neither a number nor a function, '
                       'method, generator, coroutine or code object' % arg)
            return None

    def _list_instructions(self, code, first, last, position):
        current = None
        if code.code is self.curframe.f_code:
            current = code.index(position)
            self._listi_next = code.code, position, last
        filename = self.canonic(code.code.co_filename)
        breaks = {bp.offset for bp in bdb.Breakpoint.bpbynumber
                  if bp and bp.is_in_code(code.code)}
        line_breaks = [line for line in self.get_file_breaks(filename)
                       if self._has_line_break(filename, line)]
        try:
            for line in code.listing(first, last, current, breaks, line_breaks,
                                     self.curframe.f_globals):
                self.message(line)
            if last == len(code.offsets):
                self.message('[End of %s]' % code.code.co_name)
        except KeyboardInterrupt:
            pass

    def complete_listi(self, text, line, begidx, endidx):
        return self._complete_expression(text, line, begidx, endidx)
    complete_li = complete_listi

    def do_stack(self, arg):
        """stack [index]
        Print the value stack of the current frame, which holds the
        operands of bytecode instructions, with the top last.  The
        values that the next instruction uses are indicated by "*".
        <NULL> is an empty slot.  Each value is cut to the width of the
        terminal; with an index, print that value in full.

        To print a variable with this name, use "p stack".
        """
        if self._lost_stack():
            self.error('The value stack is not known: a frame does not keep it after an exception')
            return
        try:
            values = self.curframe.f_valuestack
        except RuntimeError:
            self.error('The value stack is not known here: the frame is executing '
                       'an instruction')
            return
        if arg:
            try:
                value = values[int(arg)]
            except (ValueError, IndexError):
                self.error('Bad index: %r (the stack has %d value%s)'
                           % (arg, len(values), '' if len(values) == 1 else 's'))
            else:
                self.message(_bytecodeview.format_value(value))
            return
        if not values:
            self.message('The value stack is empty.')
            return
        code = _bytecodeview.Code(self.curframe.f_code)
        index = self.next_index(code)
        instruction = None if index is None else code.instructions[index]
        for line in _bytecodeview.stack_lines(values, instruction):
            self.message(line)

    def _lost_stack(self):
        """Return whether an exception has left the instruction that the traceback shows."""
        frame = self.curframe
        if frame not in self.tb_lasti:
            return False
        running = sys._getframe()
        while running is not None and running is not frame:
            running = running.f_back
        return running is None or self.tb_lasti[frame] != frame.f_lasti

    def display_stack(self, on):
        """'display *stack', 'undisplay *stack'"""
        if on:
            self.do_stack('')
        elif not self._displays_stack:
            self.error('not displaying *stack')
        self._displays_stack = on

    # --- Offsets ---

    def _offset(self, arg):
        """Return the offset that arg is for.  If there is none, print an error and return None."""
        try:
            return int(arg)
        except ValueError:
            self.error('Bad offset: %s' % arg)
            return None

    def until_offset(self, arg):
        """'until *offset'"""
        offset = self._offset(arg)
        if offset is None:
            return
        if not self._is_tracing():
            self.error('There is no next instruction: the program is not running')
        elif offset <= self.curframe.f_lasti:
            self.error('The offset must be greater than %d, where the function is now'
                       % self.curframe.f_lasti)
        else:
            self.set_untilinstr(self.curframe, offset)
            return 1

    def jump_to_offset(self, arg):
        """'jump *offset'"""
        offset = self._offset(arg)
        if offset is None:
            return
        frame = self.curframe
        try:
            frame.f_lasti = offset
        except ValueError as e:
            self.error('Jump failed: %s' % e)
            return
        self.stack[self.curindex] = frame, self.get_lineno(frame)
        self.jumped_to = frame, offset
        self._shows_instruction = True
        self.print_stack_entry(self.stack[self.curindex])
        self.print_next_instruction()

    def clear_at_offset(self, arg):
        """'clear *offset'"""
        offset = self._offset(arg)
        if offset is None:
            return
        code = self.curframe.f_code
        breaks = self.get_instruction_breaks(code, offset)
        err = self.clear_instruction_break(code, offset)
        if err:
            self.error(err)
        for bp in breaks:
            self.message('Deleted %s' % bp)

    def break_at_offset(self, arg, temporary, cond):
        """'break *offset'"""
        offset = self._offset(arg)
        if offset is None:
            return
        err = self.set_instruction_break(self.curframe.f_code, offset, temporary, cond)
        if err:
            self.error(err)
        else:
            self.message('B' + str(bdb.Breakpoint.bpbynumber[-1])[1:])
