"""The text report, in a terminal and in a pipe."""

import io
import os
import re
import unicodedata

import pytest

from condcov import model
from condcov.analysis import results
from condcov.report import text
from support import decisions

SHOP = '''\
def price(cart, member, voucher):
    total = sum(item.price for item in cart)
    if member and total > 100 or voucher:
        total *= 0.9
    if (cart and
            total < 10 and   # small
            not member):
    \treturn "여러분" if member or "e\u0301" in voucher and "한국어" > voucher else 0
    if total(
            # why
            cart,

            member) and cart:
        pass
    return total
'''
ROWS = {3: ['110', '101', '000'], 5: ['111', '101'], 8: ['100', '000'], 9: ['11', '10']}
TABLE = '''\
File            Line   Branch   Condition   MC/DC   Gaps
────────────────────────────────────────────────────────
shop/cart.py    100%    75.0%       72.7%   36.3%      8
tax.py          0.0%     0.0%        0.0%    0.0%      1
────────────────────────────────────────────────────────
Total          50.0%    37.5%       36.3%   18.1%      9
'''
GAPS = '''
shop/cart.py:3
   3 │ if member and total > 100 or voucher:
     │               ~~~~~~~~~~~
     │ `total > 100` was never shown to affect the outcome independently: it was never false while `member` was true and `voucher` was false

shop/cart.py:5
   5 │ if (cart and
     │     ^^^^ `cart` was never false
'''


def shop(path='shop/cart.py', rows=None, missing=False):
    arcs = [(3, 4), (3, 5), (9, 14), (9, 15)]
    source = decisions.source_file(path, SHOP, arcs)
    lines = source.lines if missing else ()
    seen = decisions.seen(source, ROWS if rows is None else rows, lines, arcs if missing else [(9, 15)])
    return results.examine(source, seen)


def both():
    return results.Result([shop('tax.py', {}, True), shop()])


def report(result, stream=None, sort='name', skip_covered=False, **options):
    stream = stream or io.StringIO()
    result = result.select(sort, skip_covered)
    text.write(result, stream, **options)
    return stream.getvalue()


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Remove the variables that users set for their terminals."""
    for name in ('NO_COLOR', 'FORCE_COLOR', 'COLUMNS', 'LINES', 'TTY_COMPATIBLE', 'TTY_INTERACTIVE', 'COLORTERM'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('TERM', 'xterm-256color')


def terminal(monkeypatch, columns, **environment):
    monkeypatch.setenv('COLUMNS', str(columns))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Terminal()


def without_styles(output):
    return re.sub('\x1b\\[[0-9;]*m', '', output)


def cells(line):
    return sum(0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in 'WF' else 1
               for character in line)


def underlined(output, start):
    """The text above each underline whose sentence starts like this, as a list."""
    lines = output.splitlines()
    found = []
    for number, line in enumerate(lines):
        match = re.match(r' +[│|] ( *[~^][~^ ]*)?' + re.escape(start), line)
        if match:
            marks = line[:match.end() - len(start)] if match[1] else lines[number - 1]
            source = next(above for above in reversed(lines[:number]) if re.match(r' +\d+ ', above))
            column, part = 0, ''
            for character in source:
                if marks[column:column + 1] in ('^', '~'):
                    part += character
                column += cells(character)
            found.append(part)
    return found


def test_a_pipe():
    output = report(both())
    assert output.startswith(GAPS)
    assert TABLE in output
    assert '\x1b' not in output
    assert not re.search(' +$', output, re.MULTILINE)
    assert output.endswith('\n9 gaps: 1 of lines, 1 of branches, 5 of conditions and 2 of MC/DC.\n')
    assert output.count('tax.py:') == 1
    assert '\ntax.py:1\n   1 │ def price(cart, member, voucher):\n     │ lines 1 to 15 were never executed\n' in output


@pytest.mark.parametrize('sentence, part', [
    ('`cart` was never false', 'cart'),
    ('`total < 10` was never shown', 'total < 10'),
    ('`member` was never false while `cart`', 'member'),
    ("`'é' in voucher` was never true", '"e\N{COMBINING ACUTE ACCENT}" in voucher'),
    ("`'한국어' > voucher` was never evaluated", '"한국어" > voucher'),
])
@pytest.mark.parametrize('columns', [None, 200, 100, 60, 48])
def test_the_condition_is_underlined(monkeypatch, sentence, part, columns):
    stream = terminal(monkeypatch, columns, NO_COLOR='1') if columns else io.StringIO()
    output = without_styles(report(results.Result([shop()]), stream))
    if columns and columns < 100:
        # It continues in the next row.
        assert part in underlined(output, sentence.split()[0])
    else:
        assert underlined(output, sentence) == [part]


def test_a_condition_over_several_lines():
    output = report(results.Result([shop()]))
    assert '''
shop/cart.py:9
   9 │ if total(
     │    ^^^^^^
  11 │         cart,
     │         ^^^^^
  13 │         member) and cart:
     │         ^^^^^^^ `total(cart, member)` was never false
''' in output


def test_a_condition_over_many_lines():
    source = decisions.source_file('f.py', 'if f(\n' + ''.join(f'    x{n},\n' for n in range(20)) + '):\n    pass\n')
    output = report(results.Result([results.examine(source, decisions.seen(source, {1: ['1']}))]))
    shown = re.findall(r'^ +(\d+|…) │', output, re.MULTILINE)
    assert shown == ['1', '2', '3', '4', '…', '22']


def test_the_width_of_the_terminal(monkeypatch):
    for columns in (48, 60, 79, 120):
        output = report(both(), terminal(monkeypatch, columns))
        assert '\x1b[' in output
        assert max(cells(line) for line in without_styles(output).splitlines()
                   if not re.match(r'shop/cart\.py:\d+$', line)) <= columns
    result = results.Result([shop('src/package/subpackage/a_module_with_a_long_name.py')])
    long = report(result, terminal(monkeypatch, 60))
    assert re.search(r'^src/pa\S*…\S*_name\.py +100% ', without_styles(long), re.MULTILINE)


def test_colours(monkeypatch):
    output = report(both(), terminal(monkeypatch, 100))
    assert '\x1b[32m 100%\x1b[0m' in output.replace('\x1b[32m100%', '\x1b[32m 100%') and '\x1b[31m' in output
    bare = report(both(), terminal(monkeypatch, 100, NO_COLOR='1'))
    assert not re.search('\x1b\\[[0-9;]*3[0-9]m', bare)
    assert without_styles(bare) == without_styles(output)
    monkeypatch.delenv('NO_COLOR')
    assert '\x1b[31m' in report(both(), terminal(monkeypatch, 100, FORCE_COLOR='1'))


def test_the_order_of_files():
    def order(sort):
        return re.findall(r'^\w\S*\.py', report(both(), sort=sort, show_gaps=False), re.MULTILINE)

    assert order('name') == ['shop/cart.py', 'tax.py']
    assert order('line') == order('mcdc') == ['tax.py', 'shop/cart.py']


def test_what_is_covered_can_be_left_out():
    whole = shop('whole.py', {3: ['110', '100', '011', '000'], 5: ['111', '110', '100', '000'],
                              8: ['100', '010', '011', '000'], 9: ['11', '10', '00']})
    whole = results.examine(whole.source, model.Seen(whole.seen.lines, set(whole.source.arcs), whole.seen.paths))
    assert whole.complete
    output = report(results.Result([whole, shop()]), skip_covered=True, show_gaps=False)
    assert 'whole.py' not in output and 'shop/cart.py' in output
    assert output.endswith('\n1 file skipped due to complete coverage.\n')
    output = report(results.Result([whole]), skip_covered=False)
    assert 'whole.py' in output and 'gap' not in output
    output = report(results.Result([whole, whole]), skip_covered=True)
    assert output.endswith('\n2 files skipped due to complete coverage.\n')


def test_nothing_at_all():
    assert report(results.Result([])).splitlines()[-1].split() == ['Total', '-', '-', '-', '-', '0']


def test_an_encoding_with_nothing_but_ascii():
    stream = io.TextIOWrapper(io.BytesIO(), 'ascii', newline='\n')
    text.write(results.Result([shop('한국어.py')]), stream)
    stream.flush()
    output = stream.buffer.getvalue().decode('ascii')
    assert output.count('\nFile   ') == 1 and '\n???.py ' in output
    assert underlined(output, '`member` was never false while') == ['member']
    assert underlined(output, "`'???' > voucher`") == ['"???" > voucher']


def test_a_file_cannot_command_the_terminal():
    source = decisions.source_file('a\x1b[2Jb\nc.py',
                                   'if x:\n    y = "\x1b[31m\x9b\N{RIGHT-TO-LEFT OVERRIDE}"\nx = 1\n')
    output = report(results.Result([results.examine(source, decisions.seen(source, {1: ['0']}, [2]))]))
    assert '\x1b' not in output and '\x9b' not in output and '\N{RIGHT-TO-LEFT OVERRIDE}' not in output
    assert 'a\N{REPLACEMENT CHARACTER}[2Jb c.py:2\n  2 │ y = "\N{REPLACEMENT CHARACTER}[31m' in output


def test_a_real_terminal():
    # The width of a real terminal, which a stream cannot fake.
    pty = pytest.importorskip('pty')
    import fcntl
    import struct
    import termios
    controller, worker = pty.openpty()
    fcntl.ioctl(worker, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 70, 0, 0))
    with os.fdopen(worker, 'w', encoding='utf-8') as stream:
        text.write(results.Result([shop('a/' * 40 + 'b.py')]), stream, show_gaps=False)
        stream.flush()
        output = os.read(controller, 1 << 16).decode()
    os.close(controller)
    assert {cells(line) for line in without_styles(output).split('\r\n')} - {0} <= set(range(65, 71))
