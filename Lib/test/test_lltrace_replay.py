"""Tests of lltrace --replay: what is recorded.  tests/test_replay_page.py tests the page in a browser."""

import base64
import json
import re
import unittest
import zlib
from array import array
from lltrace._replay.recording import KINDS
from test.test_lltrace_module import ProgramTestCase

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


if __name__ == '__main__':
    unittest.main()
