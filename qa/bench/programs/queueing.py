"""Objects, generators and exceptions: customers who queue for the counters of an office."""

import heapq


class Closed(Exception):
    pass


class Random:
    """A generator of numbers that is the same in every Python."""

    def __init__(self, seed):
        self.state = seed

    def below(self, limit):
        self.state = (self.state * 1103515245 + 12345) & 0x7fffffff
        return (self.state >> 8) % limit


class Counter:
    def __init__(self, name, patience):
        self.name = name
        self.patience = patience
        self.waiting = []
        self.busy = False
        self.served = 0

    @property
    def load(self):
        return len(self.waiting) + self.busy

    def accepts(self, customer):
        return True

    def enter(self, customer):
        if not self.accepts(customer):
            raise Closed(self.name)
        if self.load > self.patience:
            raise OverflowError
        self.waiting.append(customer)

    def __enter__(self):
        self.busy = True
        return self

    def __exit__(self, kind, value, traceback):
        self.busy = False
        self.served += kind is None
        return kind is Closed


class Express(Counter):
    def accepts(self, customer):
        return customer.items < 4


class Customer:
    __slots__ = ('number', 'items', 'tries')

    def __init__(self, number, items):
        self.number = number
        self.items = items
        self.tries = 0

    def __lt__(self, other):
        return self.number < other.number


class Office:
    def __init__(self, seed):
        self.random = Random(seed)
        self.counters = [Express('express', 3), Counter('one', 4), Counter('two', 4)]
        self.events = []
        self.now = 0
        self.lost = 0
        self.log = {}

    def at(self, delay, process):
        heapq.heappush(self.events, (self.now + delay, len(self.log), process))
        self.log[len(self.log)] = process

    def shortest(self):
        return sorted(self.counters, key=lambda counter: counter.load)

    def visit(self, customer):
        yield self.random.below(3)
        while True:
            for counter in self.shortest():
                try:
                    counter.enter(customer)
                except Closed:
                    continue
                except OverflowError:
                    break
                else:
                    return
            customer.tries += 1
            if customer.tries > 2:
                self.lost += 1
                return
            yield 5

    def serve(self, counter, until):
        while self.now < until:
            try:
                customer = counter.waiting.pop(0)
            except IndexError:
                yield 1
                continue
            with counter:
                yield from self.work(customer)
                if customer.items == 9 and customer.tries:
                    raise Closed(counter.name)

    def work(self, customer):
        left = customer.items
        while left > 0:
            step = 2 if left > 5 else 1
            left -= step
            yield step

    def run(self, customers):
        for number in range(customers):
            customer = Customer(number, 1 + self.random.below(9))
            self.at(number, self.visit(customer))
        for counter in self.counters:
            self.at(0, self.serve(counter, customers * 3))
        while self.events:
            self.now, _, process = heapq.heappop(self.events)
            try:
                delay = next(process)
            except StopIteration:
                continue
            self.at(delay, process)
        return [counter.served for counter in self.counters] + [self.lost]


def run():
    return Office(7).run(320)


RESULT = [93, 49, 49, 118]
