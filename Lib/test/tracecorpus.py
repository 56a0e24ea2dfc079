"""Code to be traced: a corpus for the tests of sys.settracestate().

CORPUS lists functions without arguments.  Each executes the same instructions
in every call, in any CPython 3.11.  The first part covers the ways into,
through and out of a frame; the second runs modules of the standard library.
"""

import ast
import asyncio
import calendar
import collections
import configparser
import contextlib
import csv
import dataclasses
import datetime
import difflib
import email
import enum
import fractions
import functools
import gettext
import graphlib
import html.parser
import inspect
import io
import ipaddress
import json
import json.scanner
import numbers
import pprint
import random
import re
import shlex
import statistics
import string
import textwrap
import tokenize
import types
import typing
import urllib.parse
import xml.etree.ElementTree
import zipfile

import _pydecimal

CORPUS = []


def corpus(function):
    CORPUS.append(function)
    return function


# --- Ways into, through and out of a frame ---------------------------------

@corpus
def straight():
    a = 1
    b = a + 2
    return a, b


@corpus
def branches():
    result = []
    for x in range(4):
        for y in (0, None, 'y'):
            result.append(x and y or x if y is not None else not x)
            if x < 2 < x + 2 != 3:
                result.append(x)
            elif x == 3 and (y or x):
                result.append(y)
    return result


@corpus
def loops():
    n = 0
    while True:
        n += 1
        if n % 2:
            continue
        if n > 6:
            break
    else:
        n = -1
    for i in range(3):
        for j in range(i):
            if j:
                break
        else:
            n += i
    while n > 5: n -= 1
    return n


@corpus
def one_line_loop():
    for i in range(3): pass
    while i: i -= 1


def raises(what):
    if what is not None:
        raise what


@corpus
def handlers():
    result = []
    for what in (None, ValueError(1), KeyError(2), OSError(3)):
        try:
            try:
                result.append(what)
                raises(what)
                int(result and 'x' if what is None else '1')
                1 // (what is None)
            except (ValueError, ArithmeticError) as e:
                result.append(e)
                if isinstance(e, ArithmeticError):
                    raise
            except KeyError:
                raise RuntimeError from None
            else:
                result.append('else')
            finally:
                result.append('finally')
        except (RuntimeError, OSError, ArithmeticError):
            result.append('outer')
    return len(result)


@corpus
def returns_from_finally():
    def inner(n):
        for i in range(3):
            try:
                if i == n:
                    return i
                if i > n:
                    1 / 0
            except ZeroDivisionError:
                continue
            finally:
                if n == 2:
                    return -1
    return [inner(n) for n in range(3)]


@corpus
def nested_reraise():
    def inner(depth):
        try:
            if depth:
                inner(depth - 1)
            else:
                {}['missing']
        except LookupError:
            try:
                raise
            except KeyError as e:
                del e
                raise
            finally:
                depth = 0
        finally:
            depth = None
    try:
        inner(3)
    except KeyError:
        pass


@corpus
def exception_groups():
    result = []
    for excs in ([ValueError()], [ValueError(), TypeError()], [OSError()]):
        try:
            try:
                raise ExceptionGroup('group', excs)
            except* ValueError as e:
                result.append(len(e.exceptions))
            except* TypeError:
                result.append('t')
        except* OSError:
            result.append('o')
    return result


class Manager:
    def __init__(self, suppress):
        self.suppress = suppress

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        return self.suppress


@corpus
def with_statements():
    for suppress in (False, True):
        for what in (None, ValueError()):
            try:
                with Manager(suppress) as a, Manager(False) as b:
                    raises(what)
            except ValueError:
                pass
    with contextlib.suppress(KeyError), contextlib.ExitStack() as stack:
        stack.callback(len, ())
        raise KeyError
    for i in range(2):
        with Manager(True):
            if i:
                continue
            break


def generator(n):
    received = []
    for i in range(n):
        try:
            received.append((yield i))
        except ValueError:
            received.append('ValueError')
        finally:
            received.append('finally')
    return received


@corpus
def generators():
    g = generator(4)
    next(g)
    g.send('a')
    g.throw(ValueError)
    g.close()
    g = generator(2)
    next(g)
    try:
        g.throw(KeyError)
    except KeyError:
        pass
    try:
        generator(1).throw(KeyError)
    except KeyError:
        pass
    return list(generator(3)), sum(x * x for x in generator(3))


class Iterator:
    def __iter__(self):
        return self

    def __next__(self):
        return 1

    def throw(self, *args):
        raise StopIteration(len(args))


def delegating(iterable):
    try:
        result = yield from iterable
    except ValueError as e:
        result = yield e
    return result, (yield from ())


@corpus
def yield_from():
    list(delegating(generator(3)))
    list(delegating([1, 2]))
    for g in delegating(generator(3)), delegating(delegating(generator(3))):
        next(g)
        g.send(1)
        g.throw(ValueError)
        g.close()
    for target in generator(1), [1, 2], Iterator():
        g = delegating(target)
        next(g)
        try:
            g.throw(ValueError)
            next(g)
        except StopIteration:
            pass


class Awaitable:
    def __init__(self, value):
        self.value = value

    def __await__(self):
        got = yield self.value
        return got


async def agenerator(n):
    for i in range(n):
        try:
            yield await Awaitable(i)
        finally:
            await Awaitable(-i)


class AsyncManager:
    async def __aenter__(self):
        return await Awaitable('enter')

    async def __aexit__(self, *exc_info):
        await Awaitable('exit')
        return exc_info[0] is KeyError


async def coroutine():
    result = [x async for x in agenerator(3) if x]
    async for x in agenerator(2):
        result.append(x)
    else:
        result.append('else')
    async with AsyncManager() as m:
        result.append(m)
        raise KeyError
    early = agenerator(4)
    async for x in early:
        if x == 1:
            break
    await early.aclose()
    try:
        async with AsyncManager():
            raise ValueError
    except ValueError:
        pass
    return result, await Awaitable(1), {k: v async for k in agenerator(1)
                                        for v in [await Awaitable(k)]}


@corpus
def coroutines():
    def finish(c):
        try:
            value = None
            while True:
                value = c.send(value)
        except StopIteration as e:
            return e.value
        except ValueError:
            return None
    result = finish(coroutine())
    for steps in range(1, 20):
        c = coroutine()
        for i in range(steps):
            c.send(None)
        try:
            c.throw(ValueError)
        except ValueError:
            continue
        finish(c)
    return result


@corpus
def comprehensions():
    return ([x for x in range(5) if x % 2 if x > 1], {x for x in 'ab'},
            {k: v for k in range(2) for v in 'xy'}, [*(y for y in (1, 2))],
            [[z for z in range(w)] for w in range(3)])


@corpus
def class_bodies():
    x = 1
    class Meta(type):
        def __new__(cls, name, bases, ns, **kwargs):
            return super().__new__(cls, name, bases, ns)
    class A(metaclass=Meta, option=x):
        y = x
        z: int = 2
        class B:
            w = [i for i in range(2)]
        def method(self):
            return __class__
    return A().method()


@corpus
def matches():
    def match(subject):
        match subject:
            case 0 | 1:
                return 'bool'
            case int(n) if n > 5:
                return n
            case [a, b, *rest] if rest:
                return a, b, rest
            case {'k': v, **others}:
                return v, others
            case Manager(suppress=s):
                return s
            case None | str():
                return 'other'
            case _:
                return 'default'
    return [match(s) for s in (0, 1, 7, 3, [1, 2, 3], [1, 2], {'k': 1, 'l': 2},
                               Manager(4), None, 's', 1.5)]


@corpus
def calls():
    def many(a, b=2, /, *args, c, d=4, **kwargs):
        return locals()
    partial = functools.partial(many, 1, c=3)
    partial()
    partial(5, 6, d=7, e=8)
    many(*[1, 2, 3], **{'c': 1, 'z': 2})
    many(1,
         c=many(2,
                c=3),
         d=[x for x in (1,)])
    try:
        many()
    except TypeError:
        pass
    print(*map(str, range(3)), sep=',', end='', file=io.StringIO())
    return sorted([3, 1, 2], key=lambda x: -x), max(1, 2, key=abs)


@corpus
def closures():
    def outer(n):
        def inner(k):
            nonlocal n
            n += k
            return lambda: (n, k, deeper)
        deeper = inner
        return inner(1)
    f = outer(1)
    f()
    del outer
    return f()


@corpus
def recursion():
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)
    def forever():
        return forever()
    fib(8)


@corpus
def compiled():
    ns = {'raises': raises}
    exec('a = 1\nfor i in range(3):\n  a += i\nclass C:\n  b = a\n', ns)
    exec('try:\n  raises(ValueError())\nexcept ValueError:\n  c = 1', ns)
    return eval('[a, i, c if a > 1 else 0, a > 2 > 1]', ns)


@corpus
def properties():
    class P:
        __slots__ = 'v',
        def __init__(self): self.v = [1]
        @property
        def p(self): return self.v
        def __getitem__(self, i): return self.v[i]
        def __getattr__(self, name): return name
        def __contains__(self, x): return x in self.v
        def __add__(self, other): return other or self
        def __bool__(self): return False
        def __del__(self): self.v = None
    total = 0
    for i in range(20):
        o = P()
        total += o.p[0] + o[0] + (1 in o) + len(o.name)
        o + None + 1 if False else o + o
        if not o: del o
    return total


@corpus
def many_constants():
    # Enough names, constants and code to need EXTENDED_ARG for each kind.
    source = ['def f(x):', ' for i in range(2):', '  try:', '   if x:']
    source += [f'    v{i} = {i + 1000} if x > {i} else not_{i}'
               for i in range(300)]
    source += ['    x = 0', '   else:', '    x = v299 and v1 or 1', '    del v299',
               '   x = x if v299 else None', '  except NameError:', '   x = 2',
               ' return x']
    ns = {}
    exec('\n'.join(source), ns)
    return ns['f'](1000), ns['f'](0)


@corpus
def annotations():
    def f(a: int, *, b: 'str' = 'x') -> list[int]:
        c: int = 1
        (d): int
        return [a, b, c]
    return f(1), f.__annotations__


@corpus
def assertions():
    try:
        assert True
        assert 1 == 2, 'message'
    except AssertionError as e:
        return str(e)


@corpus
def formatted():
    x = 1.5
    return f'{x!r:>{5}} {x:.2f}' f'{"a" if x else "b"}' + '%s %(k)s'[:2] % x


@corpus
def unpacking():
    a, (b, *c), d = 1, (2, 3, 4), 5
    a, b = b, a
    [a, *b] = 'xyz'
    (x := a)
    return {**{'k': a}, 'l': b}, [*c, *b], (d, x)


@corpus
def deletes():
    a = [1, 2, 3]
    del a[0], a[0:1]
    ns = types.SimpleNamespace(b=1)
    del ns.b
    try:
        ns.b
    except AttributeError:
        pass
    try:
        del undefined
    except NameError:
        return a


# --- The standard library ---------------------------------------------------


@corpus
def use_ast():
    tree = ast.parse(textwrap.dedent(inspect.getsource(handlers)))
    return ast.unparse(tree), len(list(ast.walk(tree))), ast.dump(tree)


@corpus
def use_tokenize():
    lines = io.StringIO(inspect.getsource(matches)).readline
    return len(list(tokenize.generate_tokens(lines)))


@corpus
def use_json():
    data = {'list': [1, 2.5, None, True], 'd': {'k': 'ä"\n'}, 'e': []}
    text = json.dumps(data, indent=2, sort_keys=True)
    decoder = json.JSONDecoder()
    decoder.scan_once = json.scanner.py_make_scanner(decoder)
    assert decoder.decode(text) == data
    return json.loads(text)


@corpus
def use_re():
    # The compiler is written in Python.  Bypass its cache.
    compile = re._compiler.compile
    for pattern in (r'(?P<name>\w+)\s*=\s*(?:"([^"]*)"|(\d+))(?!x)',
                    r'[a-z_][\w.]*?(?i:X|Y){2,3}$', r'(a|ab)(c|bcd)(d*)'):
        compile(pattern, re.M | re.X)
    return re.sub(r'(\w)(\w)', lambda m: m[2] + m[1], 'abcdef')


@corpus
def use_difflib():
    a, b = 'one two three four'.split(), 'one tree four five'.split()
    return list(difflib.ndiff(a, b)), difflib.get_close_matches('tree', a)


@corpus
def use_decimal():
    D = _pydecimal.Decimal
    with _pydecimal.localcontext() as context:
        context.prec = 12
        return (D(2).sqrt() / D('3.7')).quantize(D('0.001')), D(10).ln(), -D('1e3')


@corpus
def use_text():
    return (textwrap.fill('the quick brown fox ' * 5, 30), pprint.pformat(
                {i: list(range(i)) for i in range(12)}, width=30),
            string.Template('$a ${b}').substitute(a=1, b=2),
            shlex.split('a "b c" d\\ e'), '{0[k]!r:>{1}}'.format({'k': 1}, 5),
            string.Formatter().format('{0} {x.real}', 1, x=2))


@corpus
def use_parsers():
    parser = configparser.ConfigParser()
    parser.read_string('[a]\nx = 1\ny = %(x)s2\n[b]\nz: w\n')
    class P(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs): self.seen = tag, attrs
    p = P()
    p.feed('<p class="c">x &amp; y<br/></p><!-- comment -->')
    message = email.message_from_string(
        'From: a@b.example\nTo: =?utf-8?q?=C3=A9?= <c@d.example>\n\nbody\n')
    return (parser['a']['y'], p.seen, message['to'],
            urllib.parse.urlsplit('http://u:p@h.example:80/p;q?a=1&b=2#f'),
            urllib.parse.parse_qs('a=1&b=2&a=3'), urllib.parse.quote('a b/ü'),
            csv.Sniffer().sniff('a;b;c\n1;2;3\n').delimiter)


@corpus
def use_numbers():
    return (fractions.Fraction('3.25') + fractions.Fraction(1, 3),
            statistics.quantiles([1, 2, 4, 8, 16]), statistics.stdev([1, 2, 4]),
            ipaddress.ip_network('10.0.0.0/30').num_addresses,
            calendar.TextCalendar().formatmonth(2023, 2),
            random.Random(1).sample(range(50), 5),
            datetime.date.fromisoformat('2023-02-07').strftime('%Y'))


@corpus
def use_types():
    @dataclasses.dataclass(order=True)
    class D:
        a: int
        b: list = dataclasses.field(default_factory=list)
    class E(enum.Flag):
        X = enum.auto()
        Y = enum.auto()
    N = collections.namedtuple('N', 'a b', defaults=[1])
    @functools.singledispatch
    def f(x): return 'object'
    @f.register
    def _(x: int): return 'int'
    return (D(1) < D(2, [1]), E.X | E.Y, N(0)._replace(b=2), f(1), f('x'),
            inspect.signature(calls), typing.get_type_hints(D),
            collections.Counter('abca').most_common(1),
            collections.ChainMap({'a': 1}, {'b': 2})['b'],
            isinstance(1, numbers.Number))


@corpus
def use_graph():
    graph = graphlib.TopologicalSorter({'d': 'bc', 'b': 'a', 'c': 'a'})
    order = list(graph.static_order())
    try:
        graphlib.TopologicalSorter({'a': 'b', 'b': 'a'}).prepare()
    except graphlib.CycleError:
        return order


@corpus
def use_xml():
    root = xml.etree.ElementTree.XML('<a><b k="1">t</b><c/></a>')
    return (xml.etree.ElementTree.tostring(root), root.findall('.//b[@k]'),
            gettext.c2py('n%10==1 && n%100!=11 ? 0 : n != 0 ? 1 : 2')(21))


@corpus
def use_zip():
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w') as z:
        z.writestr(zipfile.ZipInfo('name'), 'data' * 10)
    with zipfile.ZipFile(file) as z:
        return z.read('name'), z.namelist()


@corpus
def use_asyncio():
    async def worker(queue, results):
        while (item := await queue.get()) is not None:
            results.append(item)
            await asyncio.sleep(0)
    async def main():
        queue, results = asyncio.Queue(), []
        async with asyncio.TaskGroup() as group:
            task = group.create_task(worker(queue, results))
            for i in range(3):
                await queue.put(i)
            await queue.put(None)
        return results
    # A new event loop, without the timing of a selector.
    coroutine = main()
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()
