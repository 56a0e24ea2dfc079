"""Values as text, at most LONGEST characters long.

Unlike repr(), this runs no code of the program: the program must do the same with and without a recording.
"""

import builtins
import datetime
import decimal
import enum
import fractions
import pathlib
import re
import sys
import types
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from gc import get_referents
from itertools import islice

from _bytecodeview import cut, plain, printable, type_name
from _ownmodules import __builtins__

LONGEST = 240                               # characters; the page shortens it further, until the reader opens it
_MOST = 40                                  # items of a container
_DEEPEST = 4                                # containers within containers

# Values that never change, and for which two equal ones are as good as the same.
_ATOMS = (int, float, bool, type(None), type(Ellipsis), type(NotImplemented), str, bytes, complex, range,
          type(sys.stack_null))
# Types are known by their id(), because the metaclass of a program's class can define __hash__.
ATOMS = frozenset(map(id, _ATOMS))
_ITERATORS = tuple(type(iter(x)) for x in ([], (), '', b'', {}, {}.values(), {}.items(), set(), range(0),
                                               range(1 << 70), bytearray(), reversed([]), reversed({})))
_FUNDAMENTAL = (dict, list, set, frozenset, tuple, deque, str, bytes, int, float)

_mro_of = type.__dict__['__mro__'].__get__
_dict_of = type.__dict__['__dict__'].__get__
_qualname_of = type.__dict__['__qualname__'].__get__
_args_of = BaseException.__dict__['args'].__get__


def _name_of(function):
    """Return the name that the function was defined with, which functools.wraps() does not change."""
    return plain(function.__code__.co_qualname)


def _method(x):
    function = x.__func__
    return f'<bound method {_name_of(function) if type(function) is types.FunctionType else "?"}>'


def _builtin(x):
    owner = x.__self__
    if owner is None or issubclass(type(owner), types.ModuleType):
        return f'<built-in function {x.__name__}>'
    return f'<built-in method {_class_name(owner if issubclass(type(owner), type) else type(owner))}.{x.__name__}>'


def _module(x):
    name = types.ModuleType.__dict__['__dict__'].__get__(x).get('__name__')
    return f'<module {name if type(name) is str else "?"}>'


def _class_name(kind):
    return cut(plain(_qualname_of(kind)), 60)


# Objects that are known by their name.  Their repr() has an address, which differs from run to run.
_NAMED = {
    types.FunctionType: lambda x: f'<function {_name_of(x)}>',
    types.MethodType: _method,
    types.BuiltinFunctionType: _builtin,
    types.CodeType: lambda x: f'<code object {x.co_name}>',
    types.ModuleType: _module,
    types.GeneratorType: lambda x: f'<generator object {plain(x.__qualname__)}>',
    types.CoroutineType: lambda x: f'<coroutine object {plain(x.__qualname__)}>',
    types.AsyncGeneratorType: lambda x: f'<async_generator object {plain(x.__qualname__)}>',
}
# Types of objects whose text never changes.
CONSTANT = frozenset(map(id, [*_NAMED, type]))


def atom(x):
    """Return the text of a value whose type is in ATOMS."""
    kind = type(x)
    if kind is int:
        if -1 << 64 < x < 1 << 64:
            return repr(x)
        # Conversion may be slow, and Python limits the number of digits.
        return cut(repr(x), LONGEST) if x.bit_length() <= 1000 else f'<int of {x.bit_length()} bits>'
    if kind is str or kind is bytes:
        if len(x) > LONGEST - 3:
            return cut(repr(x[:LONGEST]), LONGEST - 20) + f'... {len(x)} in all'
        text = repr(x)
        return text if len(text) <= LONGEST and text.isprintable() else cut(text, LONGEST)
    if kind is range:
        ends = [x.start, x.stop] if x.step == 1 else [x.start, x.stop, x.step]
        return f'range({", ".join(map(atom, ends))})'
    return cut(repr(x), LONGEST)


def describe(x):
    """Return the text of any value."""
    kind = type(x)
    if id(kind) in ATOMS:
        return atom(x)
    if (kind is list or kind is tuple) and len(x) <= _MOST and _all_atoms(x):
        text = repr(x)
    else:
        writer = _Writer()
        try:
            writer.write(x, 0)
            text = ''.join(writer.parts)
        except Exception:                   # too deep, or another thread changes it, or whatever its type raises
            text = f'<{type_name(x)} object>'
    return text if len(text) <= LONGEST and text.isprintable() else _cut_end(text)


def _all_atoms(items):
    """Return whether repr() of all items is quick."""
    for item in items:
        kind = type(item)
        if id(kind) not in ATOMS or kind is range or kind is int and not -1 << 64 < item < 1 << 64 \
                or (kind is str or kind is bytes) and len(item) > LONGEST:
            return False
    return True


def _first(items):
    """Return the first items, one more than are shown."""
    return list(islice(items, _MOST + 1))


def _cut_end(text):
    return printable(text if len(text) <= LONGEST else text[:LONGEST - 3] + '...')


def exception(error):
    """Return the type and message of an exception, as in the last line of a traceback."""
    args = _args_of(error)
    if id(type(error)) in _BUILTIN_EXCEPTIONS and _all_atoms(args) and _all_atoms(_attributes_of(error)):
        try:
            message = str(error)
        except Exception:
            message = ''
    else:
        message = args[0] if len(args) == 1 and type(args[0]) is str else ', '.join(map(describe, args))
    name = type_name(error)
    return cut(f'{name}: {message}' if message else name, LONGEST)


_BUILTIN_EXCEPTIONS = frozenset(id(x) for x in vars(builtins).values()
                                if type(x) is type and issubclass(x, BaseException))


def _attributes_of(error):
    """Return the attributes that str() of a built-in exception reads."""
    for kind, names in ((OSError, ('filename', 'filename2')), (SyntaxError, ('msg', 'filename', 'lineno')),
                        (ImportError, ('msg',))):
        if issubclass(type(error), kind):
            return [kind.__dict__[name].__get__(error) for name in names]
    return ()


def _find(kind, name):
    """Return an attribute of a class, without running a metaclass."""
    for base in _mro_of(kind):
        namespace = _dict_of(base)
        if name in namespace:
            return namespace[name]
    return None


class _Kind:
    """How to describe the objects of a type."""

    __slots__ = ('type', 'write', 'name', 'slots', 'namespace')

    def __init__(self, kind):
        self.type = kind                    # keeps its id() valid
        self.name = cut(plain(type.__dict__['__name__'].__get__(kind)), 40)
        self.write = _way(kind)
        self.slots = [(name, found.__get__) for base in _mro_of(kind) for name, found in _dict_of(base).items()
                      if type(found) is types.MemberDescriptorType and type(name) is str
                      and not name.startswith('__')]
        self.namespace = None               # a function that returns the __dict__ of an object
        for base in _mro_of(kind):
            found = _dict_of(base).get('__dict__')
            if type(found) is types.GetSetDescriptorType:
                self.namespace = found.__get__
                break

    def attributes(self, x):
        """Return (name, value) for each attribute that the object itself holds, without running properties."""
        found = []
        for name, get in self.slots:
            try:
                found.append((name, get(x)))
            except AttributeError:          # it has no value
                pass
        if self.namespace is not None:
            namespace = self.namespace(x)
            if type(namespace) is dict:
                found += islice(namespace.items(), _MOST + 1)
        return found


_kinds = {}                                 # id() of a type: _Kind


def _kind_of(kind):
    found = _kinds.get(id(kind))
    if found is None:
        found = _kinds[id(kind)] = _Kind(kind)
    return found


class _Writer:
    """Writes one value, and the values that it contains, to `parts`."""

    def __init__(self):
        self.parts = []
        self.room = LONGEST                 # a rough count of the characters left
        self.open = []                      # the ids of the containers around the value

    def add(self, text):
        self.parts.append(text)
        self.room -= len(text)

    def write(self, x, level):
        kind = type(x)
        if id(kind) in ATOMS:
            self.add(atom(x))
        elif id(x) in self.open:
            self.add('<itself>')
        elif level > _DEEPEST:
            self.add('...')
        else:
            found = _kind_of(kind)
            self.open.append(id(x))
            found.write(self, found, x, level + 1)
            self.open.pop()

    def items(self, open, items, close, level):
        self.add(open)
        for i, item in enumerate(items):
            if i:
                self.add(', ')
            if i >= _MOST or self.room <= 0:
                self.add('...')
                break
            self.write(item, level)
        self.add(close)

    def pairs(self, open, pairs, close, level, between=': '):
        self.add(open)
        for i, (name, item) in enumerate(pairs):
            if i:
                self.add(', ')
            if i >= _MOST or self.room <= 0:
                self.add('...')
                break
            if between == ': ':
                self.write(name, level)
            else:
                self.add(name if type(name) is str else '?')
            self.add(between)
            self.write(item, level)
        self.add(close)


# The ways to write a value: functions of a writer, a _Kind, the value, and how deep it is in others.

def _way(kind):
    """Return the way for the objects of a type."""
    for known, way in _WAYS_BY_TYPE.items():
        if kind is known:
            return way
    for base, way in _WAYS_BY_BASE:
        if issubclass(kind, base):
            return way
    if issubclass(kind, tuple) and type(_find(kind, '_fields')) is tuple:
        return _write_named_tuple
    for base in _FUNDAMENTAL:
        if issubclass(kind, base):
            return _write_derived
    return _write_dataclass if type(_find(kind, '__dataclass_fields__')) is dict else _write_instance


def _write_named(writer, kind, x, level):
    writer.add(cut(_NAMED[kind.type](x), LONGEST))


def _write_class(writer, kind, x, level):
    writer.add(f"<class '{_class_name(x)}'>")


def _write_iterator(writer, kind, x, level):
    try:
        writer.add(f'<{kind.name} object, {x.__length_hint__()} left>')
    except Exception:
        writer.add(f'<{kind.name} object>')


def _write_exception(writer, kind, x, level):
    writer.items(f'{kind.name}(', _args_of(x), ')', level)


def _write_enum(writer, kind, x, level):
    writer.add(f'<{kind.name}.{dict(kind.attributes(x)).get("_name_", "?")}>')


def _write_list(writer, kind, x, level):
    writer.items('[', x, ']', level)


def _write_tuple(writer, kind, x, level):
    writer.items('(', x, ',)' if len(x) == 1 else ')', level)


def _write_dict(writer, kind, x, level):
    bare = kind.type is dict
    writer.pairs('{' if bare else f'{kind.name}({{', _first(dict.items(x)), '}' if bare else '})', level)


def _write_set(writer, kind, x, level):
    items = _first(x)
    if not items:
        writer.add(f'{kind.name}()')
        return
    if len(x) <= _MOST and len({type(item) for item in items if id(type(item)) in ATOMS}) == 1 \
            and type(items[0]) in (int, str) and _all_atoms(items):
        items.sort()
    bare = kind.type is set
    writer.items('{' if bare else f'{kind.name}({{', items, '}' if bare else '})', level)


def _write_deque(writer, kind, x, level):
    writer.items('deque([', _first(x), '])', level)


def _write_size(writer, kind, x, level):
    writer.add(cut(repr(x), LONGEST) if len(x) <= _MOST else f'<{kind.name} of {len(x)} items>')


def _write_cell(writer, kind, x, level):
    contents = get_referents(x)
    if contents:
        writer.items('<cell of ', contents, '>', level)
    else:
        writer.add('<empty cell>')


def _write_by_repr(writer, kind, x, level):
    if _all_atoms(_REPR_READS[kind.type](x)):
        writer.add(cut(repr(x), 80))
    else:
        writer.add(f'<{kind.name} object>')


def _write_time(writer, kind, x, level):
    if x.tzinfo is None:
        writer.add(repr(x))
    else:                                   # whose class can be the program's
        writer.items(f'{repr(x.replace(tzinfo=None))[:-1]}, tzinfo=', [x.tzinfo], ')', level)


def _write_zone(writer, kind, x, level):
    writer.items('datetime.timezone(', x.__getinitargs__(), ')', level)


def _write_named_tuple(writer, kind, x, level):
    writer.pairs(f'{kind.name}(', zip(_find(kind.type, '_fields'), tuple.__iter__(x)), ')', level, '=')


def _write_dataclass(writer, kind, x, level):
    writer.pairs(f'{kind.name}(', kind.attributes(x), ')', level, '=')


def _write_instance(writer, kind, x, level):
    attributes = kind.attributes(x)
    if attributes:
        writer.pairs(f'<{kind.name} ', attributes, '>', level, '=')
    else:
        writer.add(f'<{kind.name} object>')


def _write_derived(writer, kind, x, level):
    """An object of a class derived from list, str, or the like: its content, read by the methods of the base."""
    for base in _FUNDAMENTAL:
        if issubclass(kind.type, base):
            break
    if base is dict:
        writer.pairs(f'{kind.name}({{', _first(dict.items(x)), '})', level)
    elif base is str or base is bytes:
        writer.add(f'{kind.name}({atom(base.__getitem__(x, slice(LONGEST)))})')
    elif base is int or base is float:
        writer.add(f'{kind.name}({atom(base.__add__(x, 0))})')
    else:
        writer.items(f'{kind.name}([', _first(base.__iter__(x)), '])', level)


# Types whose repr() is known to run no code of the program, and what it reads of an object besides atoms.
_REPR_READS = dict.fromkeys(
    (types.MethodDescriptorType, types.WrapperDescriptorType, types.ClassMethodDescriptorType,
     types.GetSetDescriptorType, types.MemberDescriptorType, datetime.date, datetime.timedelta, decimal.Decimal,
     fractions.Fraction, pathlib.PosixPath, pathlib.PurePosixPath, pathlib.PureWindowsPath), lambda x: ()) | {
    slice: lambda x: (x.start, x.stop, x.step), re.Pattern: lambda x: (x.pattern,), re.Match: lambda x: ()}

_WAYS_BY_TYPE = dict.fromkeys(_NAMED, _write_named) | dict.fromkeys(_ITERATORS, _write_iterator) \
    | dict.fromkeys(_REPR_READS, _write_by_repr) | {
    list: _write_list, tuple: _write_tuple, dict: _write_dict, OrderedDict: _write_dict, defaultdict: _write_dict,
    Counter: _write_dict, set: _write_set, frozenset: _write_set, deque: _write_deque, types.CellType: _write_cell,
    bytearray: _write_size, array: _write_size, datetime.datetime: _write_time, datetime.time: _write_time,
    datetime.timezone: _write_zone}
_WAYS_BY_BASE = (type, _write_class), (BaseException, _write_exception), (enum.Enum, _write_enum)
