import codeblocks
import linecache
import sys


def price(amount, member, coupon):
    if member and coupon or amount > 100:
        amount *= 0.9
    return amount if amount > 5 else 5


def edges_taken(func, *calls):
    """Return the edges taken by these calls, as pairs of offsets."""
    taken = set()

    def tracer(frame, event, arg):
        if frame.f_code is not func.__code__:
            return None
        if event == 'branch':
            taken.add(arg)
        return tracer

    saved = sys.gettracestate()
    sys.settracestate(tracer, trace_lines=False, trace_branches=True)
    try:
        for args in calls:
            func(*args)
    finally:
        sys.settracestate(**saved)
    return taken


def print_not_taken(func, taken):
    """Print the outcomes of conditions whose edges were not taken."""
    for block in codeblocks.basic_blocks(func):
        for edge in block.successors:
            source, target, kind, condition = edge
            if condition is None or (source, target) in taken:
                continue
            # The instruction before the jump produced the operand.
            operand = block.instructions[-2:][0].positions
            line = linecache.getline(func.__code__.co_filename, operand.lineno)
            text = line[operand.col_offset:operand.end_col_offset]
            print(f'line {operand.lineno}: {text!r} was never {condition}',
                  f'({kind}, {source} -> {target})')


print_not_taken(price, edges_taken(price, (50, True, True), (70, False, True)))
