"""What a source file holds that can be covered, and what was seen of it.

The static half (Span, Condition, Decision, SourceFile) is made by condcov.analysis.coverable from source text and compiled code;
the dynamic half (Seen) is recorded and stored. Nothing here measures or judges: see condcov.analysis.mcdc and condcov.analysis.results.
"""

import bisect
import dataclasses
import functools
import typing

# Where control goes after a condition, beside the index of the next one.
TRUE = -1           # the decision is true
FALSE = -2          # the decision is false

# What an evaluation of a decision has seen of a condition; a path is a string of these, one for each condition.
SEEN_TRUE = 'T'
SEEN_FALSE = 'F'
NOT_EVALUATED = '-'
EVALUATED = 'e'     # the last operand in a value context: evaluated, and its truth not tested
UNTOLD = '?'        # a whole path: pytest has rewritten the assert, and nobody knows what was evaluated
LEFT = '!'          # an exception left the decision during or after the evaluation of the condition before this mark


class Span(typing.NamedTuple):
    """A range of source text: lines from 1, columns in bytes of UTF-8 from 0, as ast and co_positions() have them."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclasses.dataclass(frozen=True)
class Condition:
    """An operand that a conditional jump tests.

    on_true, on_false   index of the condition that is evaluated next, or TRUE or FALSE, where the decision ends
    tested              false for the last operand in a value context, whose truth nothing tests
    constant            the truth value, if the compiler knows it, so that there is no jump and nothing to cover; or
                        None. on_true and on_false are the same then, and no other condition's leads here
    """

    span: Span
    text: str
    on_true: int
    on_false: int
    tested: bool = True
    constant: bool | None = None


@dataclasses.dataclass(frozen=True)
class Decision:
    """A whole Boolean expression, a loop, an exception match or a case of a match statement.

    kind        'if', 'while', 'assert', 'ternary', 'comprehension' (its if), 'boolean' (and/or as a value),
                'comparison' (a chain as a value), 'case', 'for', 'except'
    span        of the whole expression; of a case: pattern and guard; of a for: its header from the target to the end
                of the iterable; of an except: its type
    conditions  in the order of evaluation, the first always evaluated first. A 'for' has one: true when there is an
                item (entered), false when there is none (exhausted). A 'case' has its pattern first, then the guard's.
    """

    kind: str
    span: Span
    conditions: tuple[Condition, ...]

    @property
    def key(self):
        """What identifies the decision in its file: the start and end of its span, and its kind."""
        return (*self.span, self.kind)


@dataclasses.dataclass(frozen=True)
class SourceFile:
    """What of a file can be covered.

    lines       line numbers of statements that can be executed, excluded ones left out
    excluded    line numbers that a pragma or a pattern of the configuration leaves out
    arcs        (line, line) pairs between which control can go where a line has several ways out; negative as in
                coverage.py: -N is the exit of the code object that starts at line N
    decisions   those that are not in an excluded line, in order of their span
    assumed     arcs out of lines with `# pragma: no branch`, which count as taken
    """

    path: str
    text: str
    lines: frozenset[int]
    excluded: frozenset[int]
    arcs: frozenset[tuple[int, int]]
    decisions: tuple[Decision, ...]
    assumed: frozenset[tuple[int, int]] = frozenset()

    @functools.cached_property
    def lines_in_order(self):
        return sorted(self.lines)

    def statement(self, line):
        """The line where the statement in 'line' starts, the only one of its lines that counts as executed."""
        place = bisect.bisect_right(self.lines_in_order, line)
        return self.lines_in_order[place - 1] if place else line


@dataclasses.dataclass
class Seen:
    """What was seen of a file.

    lines   line numbers that were executed
    arcs    (line, line) pairs that control took
    paths   for the key of a decision, how often each path was taken: {'TF-': 3}; counts are 1 where nobody asked for
            them
    """

    lines: set[int] = dataclasses.field(default_factory=set)
    arcs: set[tuple[int, int]] = dataclasses.field(default_factory=set)
    paths: dict[tuple, dict[str, int]] = dataclasses.field(default_factory=dict)

    def update(self, other):
        """Add what other has seen."""
        self.lines |= other.lines
        self.arcs |= other.arcs
        for key, paths in other.paths.items():
            mine = self.paths.setdefault(key, {})
            for path, count in paths.items():
                mine[path] = mine.get(path, 0) + count
