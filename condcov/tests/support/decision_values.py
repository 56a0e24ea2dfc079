"""The values of the programs of decision_programs."""


class Boom(Exception):
    """What conditions raise."""


class Undecided:
    """A value whose truth test raises an exception."""

    def __bool__(self):
        raise Boom


class Values:
    """The source of a program's values: the same for each run with the same numbers."""

    VALUES = True, False, 1, 0, 'x', '', None, (), True, False, Undecided(), Boom

    def __init__(self, numbers):
        self.numbers, self.taken = numbers, 0

    def number(self):
        self.taken += 1
        # Not just the same numbers again: a program would take the same path each time.
        return self.numbers[self.taken % len(self.numbers)] + self.taken // len(self.numbers)

    def c(self):
        """Any value."""
        value = self.VALUES[self.number() % len(self.VALUES)]
        if value is Boom:
            raise Boom
        return value

    def n(self):
        """A small number."""
        return self.number() % 4

    def k(self):
        """Whether a loop must end because enough values have been used, including one for this call."""
        self.taken += 1
        return self.taken > 400

    async def a(self):
        """Any value, awaited."""
        return self.c()

    async def items(self):
        """An asynchronous iterator."""
        yield self.c()

    def namespace(self):
        """The names that a program uses."""
        return {'Boom': Boom, 'c': self.c, 'n': self.n, 'k': self.k, 'a': self.a, 'items': self.items, 'o': self,
                'f': lambda *arguments, **names: None}
