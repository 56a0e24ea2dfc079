"""Calls and branches: two puzzles solved by elimination and search."""

PUZZLES = (
    '4.....8.5.3..........7......2.....6.....8.4......1.......6.3.7.5..2.....1.4......',
    '..3.2.6..9..3.5..1..18.64....81.29..7.......8..67.82....26.95..8..2.3..9..5.1.3..',
)
DIGITS = '123456789'
SQUARES = range(81)


def make_units():
    rows = [[9 * r + c for c in range(9)] for r in range(9)]
    columns = [[9 * r + c for r in range(9)] for c in range(9)]
    boxes = [[9 * (r + i) + c + j for i in range(3) for j in range(3)]
             for r in (0, 3, 6) for c in (0, 3, 6)]
    units = rows + columns + boxes
    of = [[unit for unit in units if square in unit] for square in SQUARES]
    peers = [sorted({other for unit in of[square] for other in unit} - {square})
             for square in SQUARES]
    return of, peers


UNITS, PEERS = make_units()


def assign(values, square, digit):
    for other in values[square]:
        if other != digit and not eliminate(values, square, other):
            return False
    return True


def eliminate(values, square, digit):
    if digit not in values[square]:
        return True
    values[square] = values[square].replace(digit, '')
    left = len(values[square])
    if left == 0:
        return False
    if left == 1:
        only = values[square]
        for peer in PEERS[square]:
            if not eliminate(values, peer, only):
                return False
    for unit in UNITS[square]:
        place = None
        places = 0
        for other in unit:
            if digit in values[other]:
                place = other
                places += 1
                if places > 1:
                    break
        if places == 0:
            return False
        if places == 1 and not assign(values, place, digit):
            return False
    return True


def parse(puzzle):
    values = [DIGITS] * 81
    for square, digit in enumerate(puzzle):
        if digit in DIGITS and not assign(values, square, digit):
            return None
    return values


def fewest(values):
    best = None
    for square in SQUARES:
        size = len(values[square])
        if size > 1 and (best is None or size < len(values[best])):
            best = square
            if size == 2:
                break
    return best


def search(values, depth=0):
    if values is None:
        return None
    square = fewest(values)
    if square is None:
        return values
    if depth > 20:
        return None
    for digit in values[square]:
        copy = values.copy()
        if assign(copy, square, digit):
            found = search(copy, depth + 1)
            if found is not None:
                return found
    return None


def run():
    solved = []
    for puzzle in PUZZLES:
        values = search(parse(puzzle))
        solved.append(''.join(values)[:9] if values else None)
    return solved


RESULT = ['417369825', '483921657']
