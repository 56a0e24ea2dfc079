"""The fixed program whose machine instructions instructions.py counts: the programs of the other benchmarks, exceptions
of all kinds, and parts of the standard library in Python and in C.
"""

import importlib
import json
import re

from programs import numeric, parser, queueing, sudoku


class Failure(Exception):
    pass


def fail(depth):
    if depth:
        try:
            fail(depth - 1)
        finally:
            depth -= 1
    else:
        raise Failure('as it should')


def exceptions(times):
    caught = 0
    for i in range(times):
        try:
            fail(i % 4)
        except Failure:
            caught += 1
        try:
            {}[i]
        except (KeyError, IndexError):
            caught += 1
        caught += next((j for j in range(3) if j > 5), 1)
        try:
            int('x')
        except ValueError as error:
            try:
                raise Failure from error
            except Failure:
                caught += 1
    return caught


def echo():
    total = 0
    while True:
        try:
            total += yield total
        except Failure:
            total -= 1


def generators(times):
    generator = echo()
    next(generator)
    for i in range(times):
        generator.send(i)
        generator.throw(Failure)
    generator.close()
    return sum(len(pair) for pair in ((a, b) for a in range(times // 10) for b in 'xyz'))


async def coroutine(times):
    async def one(i):
        return i
    return sum([await one(i) for i in range(times)])


def drive(awaitable):
    try:
        awaitable.send(None)
    except StopIteration as stop:
        return stop.value


def library(times):
    text = json.dumps({'names': list(range(40)), 'text': 'a "quoted" text \u20ac' * 3, 'nested': [[{}], None, 1.5]})
    pattern = re.compile(r'(?P<key>[a-z]+)\s*=\s*("[^"]*"|\d+)')
    found = 0
    for i in range(times):
        found += len(json.loads(text)['names'])
        found += len(json.dumps(json.loads(text), indent=1))
        found += len(pattern.findall('one = 1 two="2" three = x four = "f" ' * 4))
        found += len(' '.join(sorted(f'{i * j % 17:03d}' for j in range(30))).split())
    return found


def shift(kept, number):
    """Allocate blocks of all of pymalloc's sizes.

    Work costs more if its last block happens to start a new pool.  Starting at different places in the pools averages
    this out.
    """
    for size in range(48, 513, 16):
        kept += [bytes(size - 33) for _ in range((number * 7 + size // 16 * 3) % 11)]


def main():
    kept = []
    for number in range(6):
        for program in numeric, parser, queueing, sudoku:
            shift(kept, number)
            # New classes get different slots in the method cache, where they can collide.
            importlib.reload(program)
            assert program.run() == program.RESULT
        for work, times in (exceptions, 500), (generators, 500), (library, 20):
            for part in range(3):
                shift(kept, number + part)
                work(times)
        drive(coroutine(2000))


main()
