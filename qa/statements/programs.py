"""Hypothesis strategies: random programs for the comparison of condcov with coverage.py.

They are those of qa.oracle, with more statements and fewer expressions, and with lines that are joined and broken.
"""

import io
import random
import tokenize

from hypothesis import strategies as st

from qa.oracle import programs as oracle

COMPOUND = ('if ', 'elif ', 'else:', 'while ', 'for ', 'async ', 'try:', 'except', 'finally:', 'with ', 'match ',
            'case ', 'def ', 'class ', '@')
TESTS = ('if', 'elif', 'while')     # what follows can be put in brackets
JOINED, BRACKETS, BROKEN, CONTINUED = 0.5, 0.3, 0.05, 0.01     # how often


class Statements(oracle.Function):
    """A function being written, with short expressions, and jumps out of every kind of block."""

    def integer(self, depth=1):
        return super().integer(min(depth, 1))

    def condition(self, depth=1):
        return super().condition(min(depth, 1))

    def statement(self):
        if self.depth < oracle.DEPTH + 1 and self.cost < oracle.COST:
            self.choose(self.assignment, self.structure, self.leave, self.leave, self.raising, self.branching,
                        self.while_loop, self.for_loop, self.for_loop, self.trying, self.trying, self.trying_star,
                        self.context, self.context, self.matching)()
        else:
            self.choose(self.assignment, self.leave, self.raising, self.suspension)()

    def leave(self):
        ways = ['break', 'continue'] * self.in_loop + ['return'] * (not self.in_star)
        if not ways:
            self.write('pass')
        elif self.number(0, 5):
            way = self.choose(*ways)
            if way == 'return' and self.kind != 'asyncgen' and self.maybe():
                way = f'return {self.integer()}'
            self.block(f'if {self.condition()}:', lambda: self.write(way))
        else:
            self.write(self.choose(*ways))

    def suspension(self):
        if self.kind == 'function':
            self.assignment()
        else:
            super().suspension()


def logical_lines(text):
    """Yield (indentation, tokens) of each logical line of a text."""
    line, depth = [], 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.INDENT:
            depth += 1
        elif token.type == tokenize.DEDENT:
            depth -= 1
        elif token.type == tokenize.NEWLINE:
            yield depth, line
            line = []
        elif token.type not in (tokenize.NL, tokenize.COMMENT, tokenize.ENDMARKER):
            line.append(token)


def written(tokens, choose):
    """The text of a logical line, perhaps with brackets around its test, and broken between some tokens."""
    gaps = [' ' * (before.end != after.start) for before, after in zip(tokens, tokens[1:])] + ['']
    words = [token.string for token in tokens]
    if words[0] in TESTS and choose(BRACKETS):
        colon = len(words) - 1 - words[::-1].index(':')
        words[1:colon] = ['(', *words[1:colon], ')']
        gaps[1:1] = ['']
        gaps[colon:colon] = ['']
    depth, text = 0, ''
    for index, (word, gap) in enumerate(zip(words, gaps)):
        text += word
        depth += (word in '([{') - (word in ')]}')
        if index == len(words) - 1:
            break
        if depth and choose(BROKEN):
            gap = '\n    '
        elif gap and choose(CONTINUED):
            gap = ' \\\n    '
        text += gap
    return text


def laid_out(text, choose):
    """The same program with other lines; choose(0.3) is true in three of ten cases."""
    lines = [(depth, written(tokens, choose)) for depth, tokens in logical_lines(text)]
    result, index = [], 0
    while index < len(lines):
        depth, line = lines[index]
        index += 1
        end = index
        while end < len(lines) and lines[end][0] == depth + 1 and not lines[end][1].startswith(COMPOUND):
            end += 1
        suite = [lines[each][1] for each in range(index, end)]
        closed = end == len(lines) or lines[end][0] <= depth
        if (suite and closed and line.endswith(':') and not line.startswith(('class', 'match')) and choose(JOINED)):
            line += ' ' + '; '.join(suite)
            index = end
        result.append('    ' * depth + line)
    return '\n'.join(result) + '\n'


@st.composite
def programs(draw):
    """The source of a program, with a function main()."""
    text = draw(oracle.programs(Statements))
    numbers = random.Random(draw(st.integers(0, 2**32 - 1)))
    return laid_out(text, lambda share: numbers.random() < share)
