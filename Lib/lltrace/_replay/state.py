"""What is visible at a step: variables, value stacks, and the objects in them.

Only changes are stored.  A *place* holds a value: a variable, an entry of a value stack, the result of a frame, or the
text of an object.  A *reference* is what a place holds: 0 for nothing, the number of a text for an atom, or the
negative number of an object.  Objects are known by their id() as long as a place holds them, and are never kept alive.
"""

import dis
import sys

from _ownmodules import __builtins__
from lltrace._replay import values

ATOMS, CONSTANT = values.ATOMS, values.CONSTANT
NULL = sys.stack_null
# Variables that every module or class has.
_HIDDEN = frozenset(('__annotations__', '__builtins__', '__cached__', '__classcell__', '__doc__', '__file__',
                     '__loader__', '__module__', '__name__', '__package__', '__path__', '__qualname__', '__spec__'))
NAMED = 1 << 28                             # added to the number of a variable that is known by name, to get its place

# Instructions that change no object themselves.  Code of the program that they run has steps of its own.
_QUIET_NAMES = '''
    ASYNC_GEN_WRAP BINARY_SUBSCR BUILD_CONST_KEY_MAP BUILD_LIST BUILD_MAP BUILD_SET BUILD_SLICE BUILD_STRING BUILD_TUPLE
    CHECK_EXC_MATCH COMPARE_OP CONTAINS_OP COPY COPY_FREE_VARS FORMAT_VALUE GET_ITER GET_LEN IS_OP JUMP_BACKWARD
    JUMP_BACKWARD_NO_INTERRUPT JUMP_FORWARD JUMP_IF_FALSE_OR_POP JUMP_IF_TRUE_OR_POP KW_NAMES LIST_TO_TUPLE
    LOAD_ASSERTION_ERROR LOAD_ATTR LOAD_BUILD_CLASS LOAD_CLASSDEREF LOAD_CLOSURE LOAD_CONST LOAD_DEREF LOAD_FAST
    LOAD_GLOBAL LOAD_METHOD LOAD_NAME MAKE_CELL MAKE_FUNCTION NOP POP_EXCEPT POP_TOP PRECALL PUSH_EXC_INFO PUSH_NULL
    RESUME STORE_DEREF STORE_FAST SWAP UNARY_INVERT UNARY_NEGATIVE UNARY_NOT UNARY_POSITIVE UNPACK_EX UNPACK_SEQUENCE
    '''.split()
QUIET = frozenset(dis.opmap[name] for name in _QUIET_NAMES) | {
    opcode for name, opcode in dis.opmap.items() if name.startswith('POP_JUMP_')}
# It changes the iterator at the top of the stack.
FOR_ITER = dis.opmap['FOR_ITER']
BINARY_OP = dis.opmap['BINARY_OP']
_IN_PLACE = 13                              # the first argument of BINARY_OP that stands for += and the like


def is_quiet(opcodes, offset):
    """Return whether an instruction, in the bytes of a code object, changes no object that the program can see."""
    opcode = opcodes[offset]
    return opcode in QUIET or opcode == FOR_ITER or opcode == BINARY_OP and opcodes[offset + 1] < _IN_PLACE


class _Object:
    """An object that at least one place holds."""

    __slots__ = ('number', 'key', 'kind', 'uses', 'text', 'seen')

    def __init__(self, number, key, kind):
        self.number = number
        self.key = key                      # its id()
        self.kind = kind                    # the id() of its type
        self.uses = 0                       # how many places hold it
        self.text = None
        self.seen = -1                      # the step at which its text was last made


class FrameState:
    """What the places of a frame hold: 0 is the result, then the variables, then the value stack."""

    __slots__ = ('number', 'references', 'local_ids', 'stack_ids', 'bottom', 'names', 'storing', 'epoch')

    def __init__(self, number, variables, stack):
        self.number = number
        self.references = [0] * (1 + variables + stack)
        self.bottom = 1 + variables         # the place of the deepest value on the stack
        self.local_ids = self.stack_ids = ()
        self.epoch = -1                     # the State.epoch when its objects were last read
        self.names = None                   # of a class body: {name: number of the variable}
        self.storing = None                 # (name, reference) that the last instruction, a STORE_NAME, stores


class _Module:
    """The global variables of a module when they were last looked at."""

    __slots__ = ('number', 'namespace', 'keys', 'key_ids', 'ids', 'variables', 'mutable', 'epoch')

    def __init__(self, number, namespace):
        self.number = number
        self.namespace = namespace          # keeps its id() valid
        self.keys, self.key_ids, self.ids = [], [], []      # comparing keys could call the program's __eq__
        self.variables = {}                 # {name: number}
        self.mutable = ()                   # names of variables whose objects can change
        self.epoch = -1


class State:
    """Compares what is visible with what was visible before, and appends the differences to a recording."""

    def __init__(self, recording):
        self._recording = recording
        self._objects = {}                  # id(): _Object
        self._numbered = {}                 # number: _Object
        self._released = []                 # numbers of objects that a place has ceased to hold in this step
        self._modules = {}                  # id() of the globals: _Module
        self._named = []                    # what the variables that are known by name hold
        self.epoch = 0                      # grows whenever objects may have changed
        self._result = None                 # the FrameState that was left in the last step
        self._changed, self._new = recording.places.append, recording.references.append
        self._text = recording.text

    # What a place holds

    def _object(self, x):
        """Return the _Object of x, and record its text if it was not visible."""
        key, kind = id(x), id(type(x))
        found = self._objects.get(key)
        if found is None or found.kind != kind:
            recording = self._recording
            recording.objects += 1
            found = self._objects[key] = self._numbered[recording.objects] = _Object(recording.objects, key, kind)
            self._describe(found, x)
        return found

    def _describe(self, found, x):
        text = values.describe(x)
        if text != found.text:
            found.text = text
            self._changed(-found.number)
            self._new(self._text(text))

    def reference(self, x):
        return self._text(values.atom(x)) if id(type(x)) in ATOMS else -self._object(x).number

    def put(self, frame_state, place, x):
        """Let a place of a frame hold a value."""
        self.put_reference(frame_state, place, self.reference(x))

    def put_reference(self, frame_state, place, new):
        old = frame_state.references[place]
        if new != old:
            frame_state.references[place] = new
            self._changed(place)
            self._new(new)
            self._count(old, new)

    def _put_named(self, number, new):
        """The same for a variable that is known by name."""
        old = self._named[number]
        if new != old:
            self._named[number] = new
            self._changed(NAMED + number)
            self._new(new)
            self._count(old, new)

    def _count(self, old, new):
        if new < 0:
            self._numbered[-new].uses += 1
        if old < 0:
            self._released.append(-old)

    def _release(self):
        """Forget objects that no place holds any more: their id() may come to belong to another object."""
        for number in self._released:
            found = self._numbered[number]
            found.uses -= 1
            if not found.uses:
                del self._numbered[number]
                if self._objects.get(found.key) is found:
                    del self._objects[found.key]
        self._released.clear()

    def hold(self, x):
        """Return the number of an object, and keep it until release()."""
        found = self._object(x)
        found.uses += 1
        return found.number

    def release(self, number):
        self._released.append(number)

    # The steps of a frame

    def update(self, frame_state, info, frame, iterated, entered):
        """Record the changes since the last step, and return the size of the value stack.

        iterated    whether the last instruction was FOR_ITER
        entered     whether an exception has led to this instruction
        """
        stack = frame.f_valuestack
        variables = frame.f_localvalues
        found = list(map(id, variables))
        if found != frame_state.local_ids:
            known, frame_state.local_ids = frame_state.local_ids or [None] * len(found), found
            for i, one in enumerate(found):
                if one != known[i]:
                    x = variables[i]
                    self.put_reference(frame_state, 1 + i, 0 if x is NULL else self.reference(x))
        found = list(map(id, stack))
        if found != frame_state.stack_ids or entered:
            self._compare_stack(frame_state, stack, found, entered)
        if frame_state.storing is not None:
            self._store(frame_state, entered)
        if frame_state.epoch != self.epoch:
            frame_state.epoch = self.epoch
            self._read_again(variables)
            self._read_again(stack)
        elif iterated:
            self._read_again(stack[-2:])
        module = self._modules.get(id(frame.f_globals))
        if module is None or module.epoch != self.epoch:
            self._compare_module(module, info, frame.f_globals)
        if self._released:
            self._release()
        if self._result is not None:        # the caller has read it by now
            self._count(self._result.references[0], 0)
            self._result.references[0] = 0
            self._result = None
        return len(found)

    def _compare_stack(self, frame_state, stack, found, entered):
        known, frame_state.stack_ids = frame_state.stack_ids, found
        bottom, same = frame_state.bottom, 0
        if not entered:                     # otherwise, values may have been freed before others were pushed
            least = min(len(found), len(known))
            while same < least and found[same] == known[same]:
                same += 1
        references = frame_state.references
        for i in range(same, len(found)):
            self.put_reference(frame_state, bottom + i, self.reference(stack[i]))
        for i in range(bottom + len(found), bottom + len(known)):
            if references[i] < 0:
                self._released.append(-references[i])
            references[i] = 0

    def leave(self, frame_state, reference, ends):
        """Record the result of a frame that returns or yields.  If it ends, its places no longer hold anything."""
        self.put_reference(frame_state, 0, reference)
        if ends:
            self._released += [-one for one in frame_state.references[1:] if one < 0]
            for number in (frame_state.names or {}).values():
                self._count(self._named[number], 0)
                self._named[number] = 0
            self._release()
        self._result = frame_state

    def _read_again(self, held):
        """Record the texts of objects that have changed."""
        step = len(self._recording.at)
        objects = self._objects
        for x in held:
            kind = id(type(x))
            if kind in ATOMS or kind in CONSTANT:
                continue
            found = objects.get(id(x))
            if found is not None and found.seen != step:
                found.seen = step
                self._describe(found, x)

    # Variables that are known by name

    def stores(self, frame_state, name, depth):
        """The next instruction stores the value at the top of the stack, of this size, in a variable known by name.

        It deletes the variable if depth is None.
        """
        frame_state.storing = name, 0 if depth is None else frame_state.references[frame_state.bottom + depth - 1]

    def _store(self, frame_state, entered):
        (name, reference), frame_state.storing = frame_state.storing, None
        if not entered and name not in _HIDDEN:
            if frame_state.names is None:
                frame_state.names = {}
            number = frame_state.names.get(name)
            if number is None:
                number = frame_state.names[name] = self._name(name, -1, frame_state.number)
            self._put_named(number, reference)

    def _name(self, name, module, frame=-1):
        self._named.append(0)
        self._recording.names.append((name, module, frame))
        return len(self._named) - 1

    def _compare_module(self, module, info, namespace):
        if module is None:
            module = self._modules[id(namespace)] = _Module(self._recording.module(info.module), namespace)
        module.epoch = self.epoch
        key_ids = list(map(id, dict.keys(namespace)))
        ids = list(map(id, dict.values(namespace)))
        if ids != module.ids or key_ids != module.key_ids:
            self._compare_names(module, namespace, key_ids, ids)
        if module.mutable:
            self._read_again([dict.get(namespace, name) for name in module.mutable])

    def _compare_names(self, module, namespace, key_ids, ids):
        keys = list(dict.keys(namespace))
        known = {name: one for name, one in zip(module.keys, module.ids) if type(name) is str}
        for name in known.keys() - {name for name in keys if type(name) is str}:
            if name in module.variables:
                self._put_named(module.variables[name], 0)
        mutable = []
        for name, one, x in zip(keys, ids, list(dict.values(namespace))):
            if type(name) is not str or name in _HIDDEN:
                continue
            if known.get(name) != one:
                number = module.variables.get(name)
                if number is None:
                    number = module.variables[name] = self._name(name, module.number)
                self._put_named(number, self.reference(x))
            if id(type(x)) not in ATOMS and id(type(x)) not in CONSTANT:
                mutable.append(name)
        module.keys, module.key_ids, module.ids, module.mutable = keys, key_ids, ids, mutable
