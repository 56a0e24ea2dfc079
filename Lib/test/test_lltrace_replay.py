"""Tests of lltrace --replay: what is recorded.  tests/test_replay_page.py tests the page in a browser."""

import base64
import json
import os
import re
import signal
import unittest
import zipfile
import zlib
from array import array
from lltrace._replay import page
from lltrace._replay.recording import KINDS
from test.test_lltrace_module import ProgramTestCase, python

RECURSION = '''
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    def walk(tree, path=()):
        if isinstance(tree, list):
            for i, part in enumerate(tree):
                yield from walk(part, path + (i,))
        else:
            yield path, tree

    print(fib(5))
    found = dict(walk([1, [2, [3]], 'x']))
    print(len(found))
    '''

GENERATOR = '''
    def account(balance):
        log = []
        while True:
            try:
                amount = yield balance
                log.append(amount)
                balance += amount
            except ValueError as error:
                log.append(str(error))
                balance = 0
            except GeneratorExit:
                print('closed', log)
                raise

    a = account(10)
    b = account(0)
    print(next(a), next(b), a.send(5), b.send(7))
    print(a.throw(ValueError('reset')))
    a.send(1)
    try:
        a.throw(KeyError('lost'))
    except KeyError as e:
        print(e)
    b.close()
    unused = account(3)

    def never_started():
        yield 1
    try:
        never_started().throw(IndexError('early'))
    except IndexError:
        pass

    def delegate():
        try:
            yield from account(1)
        finally:
            print('end')
    d = delegate()
    next(d)
    d.send(2)
    try:
        d.throw(OSError(2, 'none'))
    except OSError:
        pass
    '''

FINALLY = '''
    def f(a, b):
        try:
            return a / b
        except TypeError as error:
            raise ValueError('bad') from error
        finally:
            print('f ends')

    def g(*arguments):
        try:
            try:
                return f(*arguments)
            finally:
                for i in range(2):
                    if i:
                        continue
        except ZeroDivisionError:
            return None
        except ValueError:
            try:
                raise
            finally:
                [].append(1)

    class Manager:
        def __enter__(self):
            return self
        def __exit__(self, *exception):
            return True

    print(g(1, 2), g(1, 0))
    with Manager() as m:
        g(1, 'x')
    f('y', 1)
    '''


class Replay:
    """Reads a page, and rebuilds the state at each step by applying the changes in order."""

    def __init__(self, text):
        found = re.search(r'<script type="text/plain" id="recording" data-packed="(.*?)">(.*?)</script>', text, re.S)
        data = base64.b64decode(found[2])
        if found[1] == 'deflate':
            data = zlib.decompress(data)
        size = int.from_bytes(data[:4], 'little')
        self.head = json.loads(data[4:4 + size])
        numbers, self.columns, start = array('i', data[4 + size:]), {}, 0
        for name, length in self.head['columns']:
            self.columns[name] = numbers[start:start + length]
            start += length
        self.texts = [None, *self.head['texts']]
        self.codes, self.files = self.head['codes'], self.head['files']
        self.steps = list(self._steps())

    def _steps(self):
        columns, last, end = self.columns, {}, 0
        sources = dict(self.head['sources'])
        frames = [[0] * self.codes[code]['size'] for code in columns['frame_code']]
        objects, names = {}, {}
        for i, at in enumerate(columns['at']):
            visit = columns['visit'][i]
            frame = columns['visit_frame'][visit]
            code = self.codes[columns['frame_code'][frame]]
            for change in range(end, columns['end'][i]):
                place, reference = columns['places'][change], columns['references'][change]
                if place < 0:
                    objects[-place] = self.texts[reference]
                elif place >= self.head['named']:
                    names[place - self.head['named']] = reference
                else:
                    frames[frame][place] = reference
            end = columns['end'][i]
            text = lambda reference: objects[-reference] if reference < 0 else self.texts[reference]
            places = frames[frame]
            bottom = 1 + len(code['variables'])
            depth, parent = 0, columns['visit_parent'][visit]
            while parent >= 0:
                depth, parent = depth + 1, columns['visit_parent'][parent]
            offset = at >> 2 & ~1
            instruction = [one for one in code['instructions'] if one[0] <= offset][-1]
            yield {'event': KINDS[at & 7], 'offset': offset, 'frame': frame, 'code': code, 'depth': depth,
                   'thread': columns['visit_thread'][visit], 'opname': instruction[1], 'arg': instruction[2],
                   'line': instruction[6], 'result': text(places[0]), 'source': sources.get(i, last.get(frame)),
                   'locals': {name: text(one) for name, one in zip(code['variables'], places[1:bottom]) if one},
                   'stack': list(map(text, places[bottom:bottom + columns['depth'][i]])),
                   'references': places[bottom:bottom + columns['depth'][i]],
                   'local_references': dict(zip(code['variables'], places[1:bottom])),
                   'globals': {self.head['names'][name][0]: text(one) for name, one in names.items() if one},
                   'printed': {stream: ''.join(text for when, number, text in self.head['printed']
                                               if number == stream and when <= i) for stream in (1, 2)}}
            if KINDS[at & 7] == 'instruction':
                last[frame] = offset


def agree(line, replay):
    """Whether a text of a JSON line is a shorter form of one in a replay."""
    line = re.sub(r' at 0x[0-9a-f.]+\.*.*>', '>', line)
    line = re.sub(r"<class '__main__\.", "<class '", line)
    replay = re.sub(r', \d+ left>', '>', replay)
    if '...' not in line:
        return line == replay or sorted(line) == sorted(replay)         # JSON lines have sorted dictionaries
    start, _, end = line.partition('...')
    return replay.startswith(start.split('...')[0][:3])


class ReplayTestCase(ProgramTestCase):

    def replay(self, *arguments, **how):
        self.done = self.lltrace('--replay', self.path('page.html'), *arguments, **how)
        with open(self.path('page.html'), encoding='utf-8') as file:
            return Replay(file.read())

    def run_text(self, text, *options, **how):
        return self.replay(*options, self.write('a.py', text), **how)


class JsonLinesTest(ReplayTestCase):
    """Each step is what a JSON line of the same run is."""

    def check(self, text, status=0):
        path = self.write('a.py', text)
        replay = self.replay(path, status=status)
        lines = self.objects('--stack', path, status=status)
        lines = [line for line in lines if line['event'] != 'thread']
        self.assertEqual(len(replay.steps), len(lines))
        raised = dict(zip(replay.columns['raise_step'], replay.columns['raise_text']))
        for i, (step, line) in enumerate(zip(replay.steps, lines)):
            with self.subTest(i, line=line):
                for field in 'event', 'offset', 'depth', 'line':
                    self.assertEqual(step[field], line[field])
                self.assertEqual(step['thread'] + 1, line['thread'])
                self.assertEqual(step['code']['name'], line['function'].rpartition('<locals>.')[2])
                if line['event'] == 'instruction':
                    self.assertEqual((step['opname'], step['arg']), (line['opname'], line['arg']))
                    self.assertEqual(step['source'], line['source'])
                    self.assertEqual(len(step['stack']), len(line['stack']))
                    for one, other in zip(line['stack'], step['stack']):
                        self.assertTrue(agree(one, other), (one, other))
                elif line['event'] in ('return', 'yield'):
                    self.assertTrue(agree(line['value'], step['result']), step['result'])
                else:
                    name, _, message = line['value'].partition(': ')
                    self.assertTrue(step['result'].startswith(name), step['result'])
                    self.assertIn(message.strip('"\''), step['result'].replace('(2, ', '[Errno 2] ').replace("'none'", 'none'))
        return replay

    def test_recursion(self):
        replay = self.check(RECURSION)
        self.assertEqual(max(step['depth'] for step in replay.steps), 5)

    def test_generator(self):
        replay = self.check(GENERATOR)
        self.assertEqual({step['event'] for step in replay.steps}, set(KINDS))

    def test_finally(self):
        self.check(FINALLY, status=1)



class ValuesTest(ReplayTestCase):
    """Values are recorded without running code of the program, and without keeping objects alive."""

    def last(self, text, **how):
        """Return the global variables at the end of a program."""
        return self.run_text(text, **how).steps[-1]['globals']

    def test_no_code_of_the_program_runs_behind_the_library(self):
        text = """
            import datetime, functools, itertools, os, threading, urllib.error, weakref
            calls = []
            class Meta(type):
                __repr__ = lambda cls: calls.append('meta') or ''
            class Loud(metaclass=Meta):
                __repr__ = lambda self: calls.append('repr') or ''
                __getattr__ = lambda self, name: calls.append('getattr')
            class Zone(datetime.tzinfo):
                __repr__ = lambda self: calls.append('zone') or ''
            class Unreachable(urllib.error.URLError):
                reason = property(lambda self: calls.append('reason'), lambda self, value: None)
            class Text(str):
                __repr__ = __str__ = lambda self: calls.append('text') or ''
                __format__ = lambda self, how: calls.append('format') or ''
                __len__ = lambda self: calls.append('len') or 0
            class Key:
                __hash__ = lambda self: calls.append('hash') or 1
                __eq__ = lambda self, other: calls.append('eq')
            class Named(threading.Thread):
                name = property(lambda self: calls.append('name') or '', lambda self, value: None)
            def function():
                pass
            one = Loud()
            values = [weakref.ref(one), datetime.datetime(2000, 1, 1, tzinfo=Zone()), itertools.repeat(Loud),
                      functools.partial(Loud), OSError(2, 'm', one), Unreachable(one), slice(one)]
            Loud.__qualname__ = Loud.__name__ = function.__qualname__ = Text('t')
            globals()[Key()] = 1
            calls.clear()
            other = 1
            thread = Named(target=function)
            calls.clear()
            thread.start()
            thread.join()
            for error in values[4:6]:
                try:
                    raise error
                except OSError:
                    pass
            exec('x = 1', {'__name__': Text('module')})
            print(calls)
            """
        self.last(text)
        self.assertEqual(self.done.stdout, '[]\n')

    def test_values_that_are_difficult_to_show(self):
        found = self.last("""
            import re
            a = range(10 ** 5000)
            b = [range(10 ** 5000), 1]
            c = type('C', (), {1: int.real})()
            d = ['x' * 1000, 1]
            e = re.compile('x'), re.match('.', 'abc')
            f = range(3), range(1, 9, 2), str.join
            """)
        self.assertEqual(found['a'], 'range(0, <int of 16610 bits>)')
        self.assertEqual(found['b'], '[range(0, <int of 16610 bits>), 1]')
        self.assertEqual(found['c'], '<C object>')
        self.assertLess(len(found['d']), 300)
        self.assertEqual(found['e'], "(re.compile('x'), <re.Match object; span=(0, 1), match='a'>)")
        self.assertEqual(found['f'], "(range(0, 3), range(1, 9, 2), <method 'join' of 'str' objects>)")

    def test_no_code_of_the_program_runs(self):
        text = """
            import collections, dataclasses, enum
            calls = []
            class Meta(type):
                def __getattribute__(cls, name):
                    calls.append(name)
                    return super().__getattribute__(name)
                def __instancecheck__(cls, x):
                    calls.append('instancecheck')
            class Loud(metaclass=Meta):
                __slots__ = ('slot', '__dict__')
                def __init__(self): self.x, self.slot = 1, 2
                def __getattribute__(self, name):
                    calls.append(name)
                    return super().__getattribute__(name)
                def _called(self, *arguments):
                    calls.append('called')
                    return 1
                __repr__ = __str__ = __eq__ = __bool__ = __len__ = __iter__ = __format__ = __index__ = __lt__ = _called
                __hash__ = __dir__ = __getattr__ = __contains__ = __getitem__ = __sizeof__ = __reduce__ = _called
                @property
                def __class__(self):
                    calls.append('class')
                    return list
            class LoudError(Exception):
                __str__ = __repr__ = lambda self: calls.append('str')
            class Text(str):
                __repr__ = __len__ = __eq__ = lambda *x: calls.append('text')
                __hash__ = str.__hash__
            class Numbers(list):
                __iter__ = __len__ = __repr__ = __getitem__ = lambda *x: calls.append('list')
            class Names(dict):
                items = keys = values = __iter__ = __getitem__ = __repr__ = lambda *x: calls.append('dict')
            one = object.__new__(Loud)
            object.__setattr__(one, 'x', 1)
            object.__setattr__(one, 'slot', 2)
            inside = [one, (one,), {'k': one}, collections.deque([one]), collections.OrderedDict(a=one), iter([one])]
            text, numbers, names = Text('t'), Numbers((1, 2)), Names(a=1)
            error = LoudError('message')
            views = [{1: one}.items(), {1: one}.values(), range(3), slice(one)]
            def f(parameter):
                return parameter
            f(one)
            bound = [one].append
            try:
                raise error
            except LoudError as e:
                pass
            known = list(calls)
            print(calls)
            """
        found = self.last(text)
        self.assertEqual(self.done.stdout, '[]\n')
        self.assertEqual(found['one'], '<Loud slot=2, x=1>')
        self.assertEqual(found['text'], "Text('t')")
        self.assertEqual(found['numbers'], 'Numbers([1, 2])')
        self.assertEqual(found['names'], "Names({'a': 1})")
        self.assertEqual(found['error'], "LoudError('message')")
        self.assertTrue(found['inside'].startswith('[<Loud slot=2, x=1>, (<Loud slot=2, x=1>,), {'), found['inside'])

    def test_texts(self):
        text = """
            import array, collections, dataclasses, datetime, enum, fractions, pathlib, re
            @dataclasses.dataclass
            class Point:
                x: int
                y: list
            class Color(enum.Enum):
                RED = 1
            class Plain: pass
            Pair = collections.namedtuple('Pair', 'left right')
            def function(): yield
            def outer():
                cell = [1]
                return lambda: cell
            v = dict(
                a=Point(1, [2]), b=Color.RED, c=Plain(), d=Pair(1, 'x'), e=function, f=function(), g=len, h=[].append,
                i=Plain, j=re, k=(1,), l=set(), m={3, 1, 2}, n=frozenset('a'), o=ValueError('bad', 1), p=iter([1, 2]),
                q=range(3), r=collections.deque([1]), s=collections.Counter('aab'), t=fractions.Fraction(1, 2),
                u=datetime.date(2026, 1, 2), v=array.array('i', [1]), w=pathlib.PurePosixPath('/a'), x=10**400,
                y=outer().__closure__[0], z=collections.defaultdict(list, a=[1]), tuple_=(), nested=[[[[[[1]]]]]])
            own = []
            own.append(own)
            globals().update({f'_{key}': value for key, value in v.items()})
            """
        found = self.last(text)
        expected = dict(
            a='Point(x=1, y=[2])', b='<Color.RED>', c='<Plain object>', d="Pair(left=1, right='x')", e='<function function>',
            f='<generator object function>', g='<built-in function len>', h='<built-in method list.append>',
            i="<class 'Plain'>", j='<module re>', k='(1,)', l='set()', m='{1, 2, 3}', n="frozenset({'a'})",
            o="ValueError('bad', 1)", p='<list_iterator object, 2 left>', q='range(0, 3)', r='deque([1])',
            s="Counter({'a': 2, 'b': 1})", t='Fraction(1, 2)', u='datetime.date(2026, 1, 2)', v="array('i', [1])",
            w="PurePosixPath('/a')", x='<int of 1329 bits>', y='<cell of [1]>', z="defaultdict({'a': [1]})", tuple_='()',
            nested='[[[[[...]]]]]')
        for name, text in expected.items():
            with self.subTest(name):
                self.assertEqual(found[f'_{name}'], text)
        self.assertEqual(found['own'], '[<itself>]')

    def test_functions_keep_their_names(self):
        replay = self.run_text('''
            import functools
            def deco(function):
                @functools.wraps(function)
                def wrapper():
                    return function()
                return wrapper
            @deco
            def hello():
                pass
            held = [hello]
            del hello
            hello = held.pop()
            ''')
        self.assertEqual({step['globals'].get('hello') for step in replay.steps}, {None, '<function deco.<locals>.wrapper>'})

    def test_times(self):
        found = self.last('''
            import datetime
            class Zone(datetime.tzinfo):
                pass
            a = datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc)
            b = datetime.time(3, tzinfo=datetime.timezone(datetime.timedelta(hours=1), 'CET'))
            c = datetime.datetime(2026, 1, 2, tzinfo=Zone())
            d = datetime.datetime(2026, 1, 2, 3)
            ''')
        self.assertEqual([found[name] for name in 'abcd'], [
            'datetime.datetime(2026, 1, 2, 0, 0, tzinfo=datetime.timezone(datetime.timedelta(0)))',
            "datetime.time(3, 0, tzinfo=datetime.timezone(datetime.timedelta(seconds=3600), 'CET'))",
            'datetime.datetime(2026, 1, 2, 0, 0, tzinfo=<Zone object>)', 'datetime.datetime(2026, 1, 2, 3, 0)'])

    def test_long_values(self):
        found = self.last("""
            text = 'x' * 100_000
            numbers = list(range(100_000))
            names = dict.fromkeys(map(str, range(100_000)))
            nested = [[list(range(1000))] * 1000] * 1000
            lines = 'a\\nb\\x00'
            """)
        for name in 'text', 'numbers', 'names', 'nested':
            self.assertLessEqual(len(found[name]), 280)
            self.assertIn('...', found[name])
        self.assertEqual(found['lines'], r"'a\nb\x00'")

    def test_objects_are_not_kept_alive(self):
        self.run_text("""
            import weakref
            class C:
                def __del__(self): print('deleted')
            def f():
                c = C()
                r = weakref.ref(c)
                del c
                print(r())
                C()
                print('temporary')
                return C()
            f()
            print('result')
            try:
                raise ValueError(C())
            except ValueError:
                pass
            print('exception')
            g = (c for c in [C()])
            next(g)
            del g
            print('generator')
            """)
        self.assertEqual(self.done.stdout.split(), 'deleted None deleted temporary deleted result deleted exception '
                                                   'deleted generator'.split())

    def test_identity(self):
        replay = self.run_text("""
            def f(x):
                y = [1]
                x.append(y)
                return x
            a = []
            b = f(a)
            for i in range(3):
                c = [i]
                del c
            """)
        inside = next(step for step in replay.steps if step['code']['name'] == 'f' and step['opname'] == 'RETURN_VALUE')
        self.assertEqual(inside['references'], [inside['local_references']['x']])
        self.assertNotEqual(inside['local_references']['x'], inside['local_references']['y'])
        self.assertEqual(inside['globals']['a'], '[[1]]')
        stored = [step['references'] for step in replay.steps if step['opname'] == 'STORE_NAME' and step['arg'] == 'b']
        self.assertEqual(stored, [inside['references']])
        # A new list gets a new number, although it has the address of the one before.
        lists = [step['references'][-1] for step in replay.steps if step['opname'] == 'STORE_NAME' and step['arg'] == 'c']
        self.assertEqual(len(set(lists)), 3)

    def test_variables(self):
        replay = self.run_text("""
            def outer(argument):
                shared = 1
                def inner():
                    nonlocal shared
                    shared += argument
                    global made
                    made = shared
                    return shared
                inner()
                del argument
                known = locals()
                later = 1
                return len(known)
            class K:
                attribute = 1
                def method(self): pass
                attribute = 2
                del attribute
            print(outer(5))
            """)
        self.assertEqual(self.done.stdout, '2\n')       # a recording leaves the dictionary of locals() alone
        of = lambda name, opname: [step for step in replay.steps if step['code']['name'] == name and step['opname'] == opname]
        self.assertEqual(of('outer.<locals>.inner'.rpartition('.')[2], 'RETURN_VALUE')[0]['locals'],
                         {'argument': '5', 'shared': '6'})
        self.assertEqual(of('inner', 'RETURN_VALUE')[0]['globals']['made'], '6')
        last = of('outer', 'RETURN_VALUE')[0]['locals']
        self.assertNotIn('argument', last)
        self.assertEqual((last['shared'], last['later']), ('6', '1'))
        names = [step['globals'].get('attribute') for step in of('K', 'RETURN_VALUE')]
        self.assertEqual(of('K', 'RETURN_VALUE')[0]['globals'].get('method'), '<function K.method>')
        self.assertNotIn('attribute', of('K', 'RETURN_VALUE')[0]['globals'])

    def test_variables_of_exec(self):
        replay = self.run_text('''
            def f():
                exec('w = 7; w += 1; v = 2; del v')
                exec('u = 1', globals(), {})
            f()
            ''')
        texts = lambda name: list(dict.fromkeys(step['globals'].get(name) for step in replay.steps))
        self.assertEqual(texts('w'), [None, '7', '8'])
        self.assertEqual([texts('v'), texts('u')], [[None, '2'], [None, '1']])
        self.assertNotIn('v', replay.steps[-1]['globals'])

    def test_objects_of_a_class_body_that_has_ended(self):
        """Another object can have the address of one that was in a class body."""
        replay = self.run_text('''
            for i in range(5):
                class K:
                    class Inner: pass
                del K.Inner
                import gc; gc.collect()
                x = type(f'T{i}', (), {})
                del x
            ''')
        texts = dict.fromkeys(step['globals'].get('x') for step in replay.steps)
        self.assertEqual(list(texts), [None, *(f"<class 'T{i}'>" for i in range(5))])

    def test_a_class_whose_namespace_is_an_object_of_the_program(self):
        replay = self.run_text('''
            calls = []
            class Namespace(dict):
                __delitem__ = lambda self, name: calls.append(name) or dict.__delitem__(self, name)
            class Meta(type):
                @classmethod
                def __prepare__(cls, *about): return Namespace()
            class K(metaclass=Meta):
                x = 1
                def method(self): return __class__
                del x
            print(calls)
            ''')
        self.assertEqual(self.done.stdout, "['x']\n")
        last = [step for step in replay.steps if step['code']['name'] == 'K'][-1]
        self.assertNotIn('x', last['globals'])

    def test_objects_that_change(self):
        replay = self.run_text("""
            class Box: pass
            def put(box, items):
                box.content = 1
                items.append(2)
                box.content = 3
            b, i = Box(), []
            put(b, i)
            from collections import deque
            d = deque()
            d.extend('ab')
            """)
        texts = lambda name: list(dict.fromkeys(step['globals'].get(name) for step in replay.steps))
        self.assertEqual(texts('b'), [None, '<Box object>', '<Box content=1>', '<Box content=3>'])
        self.assertEqual(texts('i'), [None, '[]', '[2]'])
        self.assertEqual(texts('d'), [None, 'deque([])', "deque(['a', 'b'])"])


class RecordingTest(ReplayTestCase):

    def test_endless_recursion(self):
        replay = self.run_text("""
            def f(x):
                return f([x])
            f(1)
            """, status=1)
        self.assertNotIn('lltrace', self.done.stderr.partition('RecursionError')[0])
        self.assertNotIn('_bytecodeview', self.done.stderr)
        self.assertIn('trace', replay.head['lost'])

    def test_what_is_printed_is_recorded_once(self):
        replay = self.run_text("""
            import sys, threading
            try:
                sys.stdout.reconfigure(encoding='ascii')
                print('\\xe9')
            except UnicodeEncodeError:
                pass
            sys.stdout.reconfigure(encoding='latin-1')
            print('two')
            sys.stdout.reconfigure(encoding='utf-8', errors='backslashreplace')
            print('three\\udc80')
            sys.stdout.buffer.write(b'four')
            sys.stdout.flush()
            def work():
                for i in range(20):
                    sys.stderr.write('e')
                    print('x', end='')
            threads = [threading.Thread(target=work) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            print()
            """)
        printed = replay.steps[-1]['printed']
        self.assertEqual(printed[1], 'two\nthree\udc80\nfour' + 60 * 'x' + '\n')
        self.assertEqual(printed[2], 60 * 'e')

    def test_what_is_printed(self):
        replay = self.run_text("""
            import sys, io, contextlib
            stdout = sys.stdout
            print('one')
            sys.stdout.write('two\\n')
            sys.stdout.flush()
            sys.stdout.buffer.write(b'three\\n')
            sys.stdout.writelines(['four\\n', 'five\\n'])
            print('error', file=sys.stderr)
            with contextlib.redirect_stdout(io.StringIO()):
                print('not printed')
            assert sys.stdout is stdout is sys.__stdout__ and type(stdout) is io.TextIOWrapper
            raise ValueError('end')
            """, status=1)
        self.assertEqual(self.done.stdout, 'one\ntwo\nthree\nfour\nfive\n')
        def first(stream, text):
            i = next(i for i, step in enumerate(replay.steps) if text in step['printed'][stream])
            return replay.steps[i]['source'], replay.steps[i]['line']
        self.assertEqual([first(1, text)[1] for text in ('one', 'two', 'three', 'four', 'five')], [4, 5, 7, 8, 8])
        self.assertEqual(first(2, 'error')[1], 9)
        everything = {1: '', 2: ''}
        for _, stream, text in replay.head['printed']:
            everything[stream] += text
        self.assertEqual(everything[1], self.done.stdout)
        self.assertEqual(everything[2], self.done.stderr)
        self.assertIn('ValueError: end', everything[2])

    def test_streams_that_are_closed_or_replaced(self):
        for text in 'import sys; sys.stdout.close()', 'import sys; sys.stdout = sys.stderr = None', \
                'import sys; vars(sys.stdout).pop("write", None)', 'import sys; sys.stdout.detach()', \
                'import os; os.close(1); print(1)':
            with self.subTest(text):
                expected = python(self.write('a.py', text))
                self.run_text(text, status=expected.returncode)
                self.assertEqual(self.done.stderr, expected.stderr)

    def test_an_error_of_the_stream(self):
        """It is the program's, and its traceback has no frame of the recorder."""
        self.run_text("""
            import sys
            try:
                sys.stdout.write(1)
            except TypeError as error:
                print(error)
            sys.stdout.write(b'')
            """, status=1)
        self.assertIn('must be str, not int', self.done.stdout)
        self.assertNotIn('_replay', self.done.stderr)

    def test_threads(self):
        replay = self.run_text("""
            import threading
            def work(n):
                total = 0
                for i in range(n):
                    total += i
                return total
            threads = [threading.Thread(target=work, args=(50 + i,), name=f'worker {i}') for i in range(4)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            """)
        self.assertEqual(replay.head['threads'], ['MainThread', *(f'worker {i}' for i in range(4))])
        for thread in range(1, 5):
            steps = [step for step in replay.steps if step['thread'] == thread]
            self.assertEqual(steps[-1]['event'], 'return')
            self.assertEqual(steps[-1]['result'], str(sum(range(49 + thread))))
            self.assertEqual(steps[-1]['depth'], 0)

    def test_exceptions(self):
        replay = self.run_text("""
            def f():
                raise KeyError('first')
            def g():
                f()
            def h():
                try:
                    g()
                except KeyError as error:
                    int('x')
            try:
                h()
            except ValueError:
                for i in [1]: pass
            """)
        columns = replay.columns
        found = [(replay.steps[step]['code']['name'], replay.texts[text], origin, cause) for step, text, origin, cause in zip(
            columns['raise_step'], columns['raise_text'], columns['raise_origin'], columns['raise_cause'])]
        value = "ValueError: invalid literal for int() with base 10: 'x'"
        self.assertEqual(found, [('f', "KeyError: 'first'", 0, -1), ('g', "KeyError: 'first'", 0, -1),
                                 ('h', "KeyError: 'first'", 0, -1), ('h', value, 3, 2), ('<module>', value, 3, 2)])

    def test_limit(self):
        text = 'import threading\nfor i in range(100): print(i)\nprint("end")\n'
        replay = self.run_text(text, '--limit', '50')
        self.assertEqual(len(replay.steps), 50)
        self.assertEqual(replay.head['limit'], 50)
        self.assertTrue(self.done.stdout.endswith('99\nend\n'))
        self.assertEqual(self.done.stderr, 'lltrace: the recording ended at the limit of 50 steps\n')
        self.assertLess(len(replay.steps[-1]['printed'][1]), 60)
        self.assertIsNone(self.run_text(text).head['limit'])

    def test_the_recording_ends_before_the_program(self):
        replay = self.run_text('import sys\nx = 1\nsys.settrace(None)\ny = 2\n')
        self.assertIn('the recording ended before the program: its trace function was removed', self.done.stderr)
        self.assertIn('its trace function was removed', replay.head['lost'])
        self.assertIsNone(self.run_text('x = 1').head['lost'])

    def test_a_syntax_error(self):
        replay = self.run_text('x = 1\nyz= (\nif', status=1)
        self.assertEqual(replay.steps, [])
        self.assertEqual(replay.head['failed'], {
            'text': "SyntaxError: '(' was never closed", 'file': 0, 'line': 2, 'endLine': 2, 'column': 4, 'endColumn': 5})
        self.assertEqual(replay.files[0]['lines'], ['x = 1', 'yz= (', 'if'])
        self.assertIn("SyntaxError: '(' was never closed", replay.head['printed'][0][2])
        self.write('later.py', 'x =')
        replay = self.run_text('import later', status=1)
        self.assertNotEqual(replay.steps, [])
        self.assertIsNone(replay.head['failed'])
        for text in 'for i in 1:\nx', '# coding: nosuch\n':
            self.assertIn('Error: ', self.run_text(text, status=1).head['failed']['text'])

    def test_sources(self):
        """The page has the source of a program on standard input, and of modules in zip archives."""
        replay = self.replay('-', input='x = "\xe9"\n')
        self.assertEqual(replay.files, [{'name': '<stdin>', 'lines': ['x = "\xe9"'], 'elses': []}])
        with zipfile.ZipFile(self.path('a.zip'), 'w') as archive:
            archive.writestr('inside.py', 'x = 1\ny = 2\n')
            archive.writestr('__main__.py', 'import inside\n')
        replay = self.replay(self.path('a.zip'))
        self.assertEqual(sorted(file['lines'] for file in replay.files), [['import inside'], ['x = 1', 'y = 2']])

    def test_functions_that_the_program_replaces(self):
        self.run_text('''
            import base64, linecache, os, zlib
            linecache.checkcache = linecache.getlines = os.chmod = os.replace = None
            ''')
        self.assertEqual(self.done.stderr, '')
        os.unlink(self.path('page.html'))
        program = self.write('a.py', 'import base64; base64.b64encode = None')
        done = self.lltrace('--replay', self.path('page.html'), program)
        self.assertEqual(done.stderr, f"lltrace: error: cannot write {self.path('page.html')}: TypeError\n")

    def test_a_program_that_ends_without_cleanup(self):
        for text in 'import os; print(1, flush=True); os._exit(3)', \
                'import os, sys; os.execv(sys.executable, [sys.executable, "-c", "print(1); raise SystemExit(3)"])':
            done = self.lltrace('--replay', self.path('page.html'), self.write('a.py', text), status=3)
            self.assertEqual((done.stdout, done.stderr), ('1\n', ''))
            self.assertFalse(os.path.exists(self.path('page.html')))

    def test_ctrl_c_ends_the_program(self):
        text = 'import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nfor i in range(10**9): pass\n'
        replay = self.run_text(text, '--include', '*', '--exclude', 'signal', status=-signal.SIGINT)
        self.assertNotIn('lltrace.runner', {code['module'] for code in replay.codes})

    def test_threads_that_outlive_the_program(self):
        for _ in range(3):
            self.run_text("""
                import threading, time
                def work():
                    while True:
                        x = [1]
                for _ in range(3):
                    threading.Thread(target=work, daemon=True).start()
                time.sleep(.05)
                """)
            self.assertEqual(self.done.stderr, '')

    def test_deep_recursion(self):
        for depth in 900, 960, 2000:
            with self.subTest(depth):
                text = f"""
                    def f(n, held):
                        return 0 if n == 0 else 1 + f(n - 1, [held])
                    try:
                        print(f({depth}, None))
                    except RecursionError:
                        print('too deep')
                    """
                self.run_text(text)
                self.assertEqual(self.done.stdout, python(self.path('a.py')).stdout)

    def test_selection(self):
        self.write('other.py', 'def f(): return 1')
        program = self.write('a.py', 'import other, json\ndef g(): return other.f()\ng()\njson.dumps([1])')
        names = lambda *options: {(code['module'], code['name']) for code in self.replay(*options, program).codes}
        self.assertEqual(names(), {('__main__', '<module>'), ('__main__', 'g'), ('other', '<module>'), ('other', 'f')})
        self.assertEqual(names('--only', ':f'), {('other', 'f')})
        self.assertIn(('json', 'dumps'), names('--include', 'json'))
        self.assertEqual(names('--exclude', 'other'), {('__main__', '<module>'), ('__main__', 'g')})
        self.assertEqual({code['module'] for code in self.replay('--only', '__main__', '-m', 'a').codes}, {'__main__'})

    def test_options_that_cannot_be_combined(self):
        self.write('a.py', '')
        for option in '--stack', '--jsonl', '--source', '--branches', '--counts', '--flush', '--opcodes=NOP', '--html=x':
            done = self.lltrace('--replay', 'page.html', option, 'a.py', status=2)
            self.assertIn(f'{option.partition("=")[0]} cannot be combined with --replay', done.stderr)
        done = self.lltrace('--replay', os.path.join('nosuch', 'page.html'), 'a.py', status=2)
        self.assertIn('cannot write nosuch', done.stderr)

    def test_a_forked_child_is_not_recorded(self):
        replay = self.run_text("""
            import os
            def child(): return 1
            def parent(): return 2
            pid = os.fork()
            if pid == 0:
                child()
                os._exit(0)
            os.waitpid(pid, 0)
            parent()
            """)
        names = {code['name'] for code in replay.codes}
        self.assertIn('parent', names)
        self.assertNotIn('child', names)

    def test_program_with_names_of_library_modules(self):
        """Modules that the recorder needs are not the program's, in whose folder files have the same names."""
        for name in 'base64', 'hashlib', 'zlib', 'binascii', 'html':
            self.write(f'{name}.py', 'raise SystemExit(3)')
        self.assertEqual(len(self.run_text('x = 1').steps), 6)

    def test_replaced_builtins(self):
        self.run_text("""
            import builtins
            for name in 'type', 'id', 'map', 'repr', 'issubclass', 'dict', 'zip', 'sorted', 'vars', 'min', 'open':
                setattr(builtins, name, None)
            x = [1, 2]
            x.append((x, {}))
            """)
        self.assertEqual(self.done.stderr, '')

    def test_without_zlib(self):
        self.write('sitecustomize.py', 'import sys; sys.modules["zlib"] = None')
        path = self.write('a.py', 'x = 1')
        with_zlib = self.replay(path).steps
        without = self.replay(path, env=dict(os.environ, PYTHONPATH=os.pathsep.join(
            [self.folder, *filter(None, [os.environ.get('PYTHONPATH')])])))
        with open(self.path('page.html')) as file:
            self.assertIn('data-packed="none"', file.read())
        self.assertEqual(without.steps, with_zlib)

    def test_interrupts_and_sigterm(self):
        """Ctrl-C does not end the recording, and SIGTERM does not lose it."""
        text = """
            import os, signal, time
            try:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(10)
            except KeyboardInterrupt:
                print('interrupted', flush=True)
            def after(): return 1
            after()
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
            """
        replay = self.run_text(text, status=-signal.SIGTERM)
        self.assertEqual(self.done.stdout, 'interrupted\n')
        self.assertIn('after', {code['name'] for code in replay.codes})

    def test_markup_is_not_in_the_page(self):
        self.run_text('x = "</script><b>&"\nprint(x)\n')
        with open(self.path('page.html')) as file:
            page = file.read()
        self.assertEqual(page.count('</script>'), 2)
        self.assertNotIn('<b>', page)
        self.assertIn("default-src 'none'; script-src 'sha256-", page)

    def test_module_order(self):
        """The modules of the page import only modules that come before them in its one script."""
        folder = os.path.join(os.path.dirname(page.__file__), 'page')
        found = {name.removesuffix('.js') for name in os.listdir(folder) if name.endswith('.js')}
        self.assertEqual(found, set(page.MODULES))
        for i, name in enumerate(page.MODULES):
            with open(os.path.join(folder, f'{name}.js'), encoding='utf-8') as file:
                for other in re.findall(r"^import .* from '\./(\w+)\.js';$", file.read(), re.M):
                    self.assertIn(other, page.MODULES[:i], name)
        names = re.findall(r'^(?:const|let|class|function|async function) (\w+)', page.script(), re.M)
        self.assertEqual(len(names), len(set(names)))


if __name__ == '__main__':
    unittest.main()
