"""What was seen of a source file. A run needs no more of the model than this; see model.py."""

from __future__ import annotations

# What an evaluation of a decision has seen of a condition; a path is a string of these, one for each condition.
SEEN_TRUE = 'T'
SEEN_FALSE = 'F'
NOT_EVALUATED = '-'
EVALUATED = 'e'     # the last operand in a value context: evaluated, but nothing tests whether it is true
UNKNOWN = '?'       # a whole path: the interpreter does not show which conditions were evaluated
LEFT = '!'          # the evaluation was not completed, during or after that of the condition before this mark

Arc = tuple[int, int]
Key = tuple[int, int, int, int, str]    # of a decision: its span and its kind

# In place of a decision, with the path UNKNOWN: pytest has rewritten the asserts of the file.
ASSERTS: Key = 0, 0, 0, 0, 'assert'


class Seen:
    """What was seen of a file.

    lines   line numbers that were executed
    arcs    (line, line) pairs that control took
    paths   for the key of a decision, how often each path was taken: {'TF-': 3}; all counts are 1 unless counts were
            recorded
    """

    def __init__(self, lines: set[int] | None = None, arcs: set[Arc] | None = None,
                 paths: dict[Key, dict[str, int]] | None = None) -> None:
        self.lines = set() if lines is None else lines
        self.arcs = set() if arcs is None else arcs
        self.paths = {} if paths is None else paths

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other) if isinstance(other, Seen) else NotImplemented

    def __repr__(self) -> str:
        return f'Seen({self.lines}, {self.arcs}, {self.paths})'

    def update(self, other: Seen) -> None:
        """Add what `other` has seen."""
        self.lines |= other.lines
        self.arcs |= other.arcs
        for key, paths in other.paths.items():
            mine = self.paths.setdefault(key, {})
            for path, count in paths.items():
                mine[path] = mine.get(path, 0) + count
