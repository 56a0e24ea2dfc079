"""The page of `lltrace --replay` in Chromium: a reader moves through runs with keys and clicks.

Lib/test/test_lltrace_replay.py tests what is recorded.
"""

import re
import subprocess

import pytest

from support import browser
from test_howto import PAGE, blocks

pytestmark = [pytest.mark.slow,
              pytest.mark.skipif(not browser.PATH, reason='Chromium is not installed (apt-get install chromium)')]

GRADES = '''\
def grade(points):
    if points >= 50:
        return 'passed'
    else:
        return 'failed'

def read(text):
    try:
        return int(text)
    except ValueError:
        print('not a number:', text)
        return 0

results = {}
for name, text in [('Ada', '72'), ('Bob', 'x9'), ('Cyd', '31')]:
    points = read(text)
    results[name] = grade(points)

for name, result in results.items():
    print(name, result)
'''

OBJECTS = '''\
import sys
def counter():
    count = 0
    def add(n):
        nonlocal count
        count += n
        return count
    return add

def fill(target):
    target.append(1)
    return target

def squares(n):
    for i in range(n):
        got = yield i * i

class Point:
    x = 1

shared = []
other = fill(shared)
add = counter()
add(5)
s = squares(3)
next(s)
s.send('sent')
long = list(range(100))
print('error', file=sys.stderr)
del shared
try:
    s.throw(KeyError('thrown'))
except KeyError as error:
    try:
        1 / 0
    except ZeroDivisionError:
        pass
'''

CONDITIONS = '''\
flag, zero, some, d = False, 0, [1], {'k': 0}
if flag:
    pass
else:
    x = 2
if not flag:
    x = 3
if some:
    x = 7
w = some and 0 or 5
y = 3 if some else 4
assert some, 'x'
keys = [k for k in d if d[k]]
if zero < 1 < 0:
    x = 14
while zero:
    x = 16
if some is None:
    x = 18
try:
    d['no']
except ValueError:
    x = 22
except KeyError:
    x = 24
match some:
    case [p, q]:
        x = 27
    case [p] if p:
        x = 29
match x:
    case 5:
        x = 32
    case 29:
        x = 34
try:
    x = 36
except KeyError:
    pass
else:
    # nothing was raised
    x = 41
class Manager:
    def __enter__(self):
        pass
    def __exit__(self, *about):
        return True
with Manager():
    1 / 0
try:
    raise ExceptionGroup('several', [KeyError(1)])
except* ValueError:
    x = 52
except* KeyError:
    x = 54
x = (not zero) and 0
'''

THREADS = '''\
import threading
go, done = threading.Event(), threading.Event()
def work():
    go.wait()
    local = 'in thread'
    done.set()
    return local
thread = threading.Thread(target=work, name='worker')
thread.start()
go.set()
done.wait()
thread.join()
'''

MARKUP = '''\
x = '</script><script>document.title = "attacked"</script><b>bold</b>'
y = '<!-- <img src=x onerror="document.title=1">'   # </script> & <i>
print(x)
def f(**k):
    raise ValueError(x)
try:
    f(**{x: y})
except ValueError as e:
    pass
'''


@pytest.fixture(scope='module')
def chromium():
    with browser.Browser() as one:
        yield one


@pytest.fixture(scope='module')
def write(python, tmp_path_factory):
    """Writes the page of a program, once for the module, and returns its path."""
    written = {}

    def write(program, *options, name='program.py', status=0):
        if (program, options, name) not in written:
            folder = tmp_path_factory.mktemp('replay')
            (folder / name).write_text(program)
            done = subprocess.run([python, '-m', 'lltrace', '--replay', 'page.html', *options, name], cwd=folder,
                                  stdin=subprocess.DEVNULL, capture_output=True)
            assert done.returncode == status, done.stderr
            written[program, options, name] = folder / 'page.html'
        return written[program, options, name]
    return write


class Reader:
    """What a reader does, and sees."""

    def __init__(self, chromium, path):
        self.browser, self.path = chromium, path

    def open(self, fragment=''):
        self.browser.problems.clear()
        self.browser.open(self.path.as_uri() + fragment)
        self.run('while (!document.body.page) await new Promise(go => setTimeout(go, 10));')
        return self

    def run(self, script):
        return self.browser.run(script)

    def press(self, *keys):
        for key in keys:
            self.browser.press(key)
        return self

    def click(self, selector, number=0, **how):
        self.browser.click(selector, number, **how)
        return self

    @property
    def step(self):
        return int(re.match(r'Step ([\d,]+) of', self.text('#counter'))[1].replace(',', ''))

    @property
    def line(self):
        """The line that is marked in the source."""
        return self.run('return Number(document.querySelector(".line[aria-current]").dataset.line)')

    @property
    def instruction(self):
        return self.run('return document.querySelector(".instruction.now").innerText.replace(/\\s+/g, " ").trim()')

    def text(self, selector):
        return self.run(f'return document.querySelector({selector!r}).innerText.replace(/\\s+/g, " ").trim()')

    def texts(self, selector):
        return self.run(f'return [...document.querySelectorAll({selector!r})].map(it => it.innerText.replace(/\\s+/g, " ").trim())')

    def count(self, selector):
        return self.run(f'return document.querySelectorAll({selector!r}).length')

    def variables(self):
        return dict(self.run('return [...document.querySelectorAll("#variables tr")].map(row => '
                             '[row.querySelector("th code").innerText, row.querySelector(".value, .note").innerText])'))

    def changed(self):
        return self.texts('#variables tr.changed th code')

    def go(self, step):
        self.run(f'document.body.page.go({step} - 1)')
        return self

    def find(self, matches):
        """Go to the first step at which a condition in JavaScript, of recording and step, is true."""
        self.run(f'''const page = document.body.page, recording = page.recording;
                     for (let step = 0; step < recording.length; step++) {{
                         if ({matches}) {{ page.go(step); return; }}
                     }}
                     throw new Error('there is no such step');''')
        return self


@pytest.fixture
def read(chromium, write):
    def read(program, *options, **how):
        chromium.resize(1280, 720)
        chromium.scheme('light')
        reader = Reader(chromium, write(program, *options, **how))
        readers.append(reader.open())
        return reader
    readers = []
    yield read
    for reader in readers:
        assert reader.browser.problems == []


# Moves

def test_instructions_with_keys_and_buttons(read):
    page = read(GRADES)
    assert page.step == 1
    assert page.instruction == '0 RESUME'
    page.press('ArrowRight', 'ArrowRight')
    assert (page.step, page.instruction) == (3, '4 MAKE_FUNCTION 0')
    page.press('ArrowLeft')
    assert (page.step, page.instruction) == (2, '2 LOAD_CONST <code object grade>')
    page.click('[aria-label^="Next instruction"]').click('[aria-label^="Next instruction"]')
    assert page.step == 4
    page.click('[aria-label^="Previous instruction"]')
    assert page.step == 3
    page.press('Home', 'ArrowLeft')
    assert (page.step, page.text('#said')) == (1, 'There is no previous instruction.')
    page.press('End')
    last = page.step
    page.press('ArrowRight')
    assert (page.step, page.text('#said')) == (last, 'There is no next instruction.')


def test_lines(read):
    page = read(GRADES)
    lines = []
    for _ in range(9):
        page.press('ArrowDown')
        lines.append(page.line)
    assert lines == [1, 7, 14, 15, 16, 7, 8, 9, 17]
    for _ in range(3):
        page.press('ArrowUp')
        lines.append(page.line)
    assert lines[-3:] == [9, 8, 7]
    page.click('[aria-label^="Next line"]')
    assert page.line == 8
    page.click('[aria-label^="Previous line"]')
    assert page.line == 7


def test_calls_and_returns(read):
    page = read(GRADES)
    seen = []
    for key in 'cccrrcR':
        page.press(key)
        seen.append((page.text('#function'), page.text('#words').split(' ')[0]))
    assert seen == [('of read', 'RESUME'), ('of grade', 'RESUME'), ('of read', 'RESUME'), ('of read', 'read'),
                    ('of grade', 'grade'), ('of read', 'RESUME'), ('of grade', 'grade')]
    assert page.text('#words') == "grade returns 'failed'."
    page.press('C')
    assert (page.text('#function'), page.instruction) == ('of grade', '0 RESUME')
    page.click('[aria-label^="Next return"]').click('[aria-label^="Previous call"]')
    assert page.instruction == '0 RESUME'
    page.click('[aria-label^="Next call"]').click('[aria-label^="Previous return"]')
    assert page.text('#words') == "grade returns 'failed'."


def test_to_the_exception_and_back_to_its_cause(read):
    page = read(GRADES).press('e')
    assert page.line == 9
    assert "It raises ValueError: invalid literal for int() with base 10: 'x9'. Control goes to the handler at line 10 (offset 34)" \
        in page.text('#words')
    raised = page.step
    page.press('ArrowRight', 'ArrowRight', 'ArrowRight', 'b')
    assert page.step == raised
    page.press('e')
    assert (page.step, page.text('#said')) == (raised, 'There is no next exception.')
    page.press('End').click('[aria-label^="Previous exception"]')
    assert page.step == raised
    page.press('b')
    assert page.text('#said') == 'No earlier exception led here.'


def test_the_cause_is_never_later(read):
    page = read('def g():\n    raise ValueError\ndef f():\n    a = 1\n    g()\n'
                'for i in range(2):\n    try:\n        f()\n    except ValueError:\n        pass\n')
    steps = page.run('''
        const page = document.body.page, found = [];
        for (let step = 0; step < page.recording.length; step++) {
            page.go(step);
            document.querySelector('[aria-label^="Back to the cause"]').click();
            found.push([step, page.step]);
        }
        return found;''')
    assert [step for step, cause in steps if cause > step] == []
    assert len({cause for step, cause in steps if cause < step}) == 2


def test_the_cause_is_the_exception_that_is_being_handled(read):
    page = read('''\
import threading
go = threading.Event()
def other():
    try:
        raise IndexError('other thread')
    except IndexError:
        go.set()
        threading.Event().wait(.2)
def f():
    try:
        raise KeyError('inner')
    except KeyError:
        pass
    x = 14
    raise LookupError
thread = threading.Thread(target=other)
try:
    raise ValueError('outer')
except ValueError:
    thread.start()
    go.wait()
    x = 22
    try:
        f()
    except LookupError:
        x = 26
    x = 27
    thread.join()
x = 29
''')
    causes = {}
    for line in 11, 14, 15, 22, 26, 27, 29:
        page.press('Home').click(f'[data-line="{line}"]').press('b')
        causes[line] = page.line if 'raises' in page.text('#words') else page.text('#said')
    assert causes == {11: 18, 14: 18, 15: 18, 22: 18, 26: 15, 27: 18, 29: 'No earlier exception led here.'}


def test_the_cause_of_an_exception_that_is_raised_again(read):
    page = read('''\
def f():
    try:
        raise KeyError('first')
    except KeyError:
        raise
try:
    f()
except KeyError:
    x = 9
''').find('recording.kind(step) === 3')
    assert page.text('#words') == "f does not handle KeyError: 'first', and ends."
    page.press('b')
    assert (page.line, page.text('#words')) == (3, "RAISE_VARARGS 1 takes KeyError('first'). It raises KeyError: 'first'. "
                                                "Control goes to the handler at line 4 (offset 34).")
    page.click('[data-line="7"]').find('recording.raiseAt.has(step) && recording.line(step) === 7')
    assert "What it calls raises KeyError: 'first' at step 16 (line 3). Control goes to the handler at line 8" \
        in page.text('#words')


def test_the_exception_that_was_being_handled(read):
    page = read(OBJECTS).press('End', 'E')
    assert 'ZeroDivisionError: division by zero' in page.text('#words')
    page.press('b')
    assert "KeyError('thrown')" in page.text('#words') and 'squares continues' in page.text('#words')


def test_the_change_of_a_variable(read):
    page = read(GRADES).press('v')
    assert page.text('#said') == 'Choose a variable first, with the buttons next to it.'
    page.press('c')                                     # now all global variables have their rows
    seen = []
    page.click('[aria-label="Next change of results"]')
    seen.append(page.variables()['results'])
    page.press('v')
    seen.append(page.variables()['results'])
    page.press('V', 'V')
    seen.append(page.variables()['results'])
    assert seen == ["{'Ada': 'passed'}", "{'Ada': 'passed', 'Bob': 'failed'}", '{}']
    assert page.changed() == ['results']
    page.press('V')
    assert page.text('#said') == 'The variable does not change before this step.'
    assert page.texts('#variables tr.chosen th') == ['results']


def test_clicks_on_lines_and_instructions(read):
    page = read(GRADES)
    steps = []
    for _ in range(3):
        page.click('[data-line="5"]')
        steps.append((page.line, page.step))
    assert [line for line, _ in steps] == [5, 5, 5]
    assert steps[0] == steps[2] != steps[1]             # it runs twice, and then the search starts again
    page.click('[data-line="6"]')
    assert page.text('#said') == 'This line is never the start of a step in the recording.'
    page.click('.instruction', 4)
    assert page.instruction == '12 POP_JUMP_FORWARD_IF_FALSE to 18'
    first = page.step
    page.click('.instruction', 4)
    assert page.step < first                            # it has run for the last time
    page.click('[data-line="4"]')
    assert page.line == 5                               # `else:` has no instructions of its own


def test_the_scrubber_and_the_flame_graph(read):
    page = read(GRADES)
    page.run('document.getElementById("scrubber").focus()')
    page.press('ArrowRight', 'ArrowRight')
    assert page.step == 3
    page.click('#flame', at=(.5, .1))
    assert page.step == 88
    left = page.run('return parseFloat(document.getElementById("playhead").style.left)')
    assert left == pytest.approx(50, abs=.5)
    # Each call has a band: the second row has six, with gaps between them.
    bands = page.run('''
        const canvas = document.getElementById('flame');
        const row = canvas.getContext('2d').getImageData(0, 22, canvas.width, 1).data;
        let bands = 0, inside = false;
        for (let i = 3; i < row.length; i += 4) {
            if (row[i] && !inside) { bands++; }
            inside = row[i] > 0;
        }
        return bands;''')
    assert bands == 6


def test_play(read):
    page = read(GRADES)
    page.run('const speed = document.querySelector("[aria-label=Speed]"); speed.value = "50"; document.activeElement.blur()')
    page.press(' ')
    page.run('await new Promise(go => setTimeout(go, 600))')
    page.press(' ')
    step = page.step
    assert step > 3
    page.run('await new Promise(go => setTimeout(go, 200))')
    assert page.step == step
    page.run('document.querySelector("[aria-label=Speed]").value = "1000"')
    page.click('.play')
    page.run('while (document.querySelector(".play").innerText.includes("Pause")) { await new Promise(go => setTimeout(go, 20)); }')
    assert page.step == 175


def test_the_fragment_holds_the_step(read):
    page = read(GRADES)
    page.open('#step=61')
    assert page.step == 61
    page.press('ArrowRight')
    page.run('await new Promise(go => setTimeout(go, 400))')
    assert page.run('return location.hash') == '#step=62'
    page.run('location.hash = "#step=87"; await new Promise(go => setTimeout(go, 100))')
    assert page.step == 87
    for fragment, step in ('#step=999999', 175), ('#step=0', 1), ('#other', 1), ('#step=x', 1):
        assert page.open(fragment).step == step


# Panels

def test_source_marks_the_columns(read):
    page = read(GRADES).find('recording.at(step).name === "COMPARE_OP"')
    assert page.texts('#source mark') == ['points >= 50']
    assert page.line == 2
    page = read('é = [\n    "\N{PILE OF POO}", 1 +\n    0]; ü = é\n').find('recording.at(step).name === "BUILD_LIST"')
    assert page.texts('#source mark') == ['[', '"\N{PILE OF POO}", 1 +', '0]']
    page.find('recording.at(step).name === "STORE_NAME" && recording.at(step).argument === "ü"')
    assert page.texts('#source mark') == ['ü']
    page = read('def f(x):\n    if x:\n        return 1\n    return 2\nf(0)\n').press('c')
    assert page.texts('#source .cold .number') == ['3']
    # Of a statement with a block, the first line is marked.
    page = read('for i in [1,\n          2]:\n    if (i ==\n        2):\n        x = 1\n')
    assert page.line == 1 and page.run('return document.getElementById("scrubber").ariaValueText') == 'step 1, line 1'
    page.find('recording.at(step).name === "FOR_ITER"')
    assert page.texts('#source mark') == ['for i in [1,']
    page.find('recording.at(step).name === "COMPARE_OP"')
    assert page.texts('#source mark') == ['i ==', '2']


def test_arrows_of_jumps(read):
    page = read(GRADES)

    def arrows():
        return page.run('return [...document.querySelectorAll(".arrows g")].map(it => it.getAttribute("class"))')
    page.find('recording.at(step).name === "POP_JUMP_FORWARD_IF_FALSE" && recording.code(step).name === "grade"')
    assert arrows() == ['not-taken']
    assert page.run('return getComputedStyle(document.querySelector(".arrows .not-taken path")).strokeDasharray') != 'none'
    page.press('c', 'c').find('recording.at(step).name === "POP_JUMP_FORWARD_IF_FALSE" && recording.stack(step)[0].text === "False"')
    assert arrows() == ['taken']
    assert page.run('return getComputedStyle(document.querySelector(".arrows .taken path")).strokeDasharray') == 'none'
    taken = page.run('return getComputedStyle(document.querySelector(".arrows path")).stroke')
    page.press('Home', 'e')
    assert arrows() == ['into-handler']
    assert page.run('return getComputedStyle(document.querySelector(".arrows path")).stroke') != taken
    page.press('ArrowRight')
    assert arrows() == []


def test_the_stack_marks_what_is_new_and_what_is_taken(read):
    page = read(GRADES).find('recording.at(step).name === "COMPARE_OP"')
    assert page.texts('#stack li') == ['50 new taken next', '72 taken next']
    page.press('ArrowRight')
    assert page.texts('#stack li') == ['True new taken next']
    page.press('ArrowRight')
    assert page.texts('#stack li') == ['The stack is empty.']


def test_variables_and_their_changes(read):
    page = read(OBJECTS).find('recording.code(step).name === "counter.<locals>.add" || recording.code(step).name === "add"')
    page.press('ArrowDown')
    assert page.texts('#variables h3') == ['Local variables of add', 'Global variables']
    assert page.variables()['n'] == '5' and page.variables()['count'] == '0'
    assert page.texts('#variables th')[:2] == ['n', 'count from an outer function']
    page.press('ArrowDown')
    assert page.changed() == ['count']
    assert page.variables()['count'] == '5'
    page.find('recording.code(step).kind === "class" && recording.at(step).name === "RETURN_VALUE"')
    assert page.texts('#variables h3')[0] == 'Names of the class'
    assert page.variables()['x'] == '1'
    page.find('recording.at(step).name === "DELETE_NAME"').press('ArrowRight')
    assert page.variables()['shared'] == 'deleted'
    page.press('ArrowRight')
    assert 'shared' not in page.variables()


def test_the_same_object_in_several_places(read):
    page = read(OBJECTS).find('recording.code(step).name === "fill" && recording.at(step).name === "RETURN_VALUE"')
    tags = page.run('''return Object.fromEntries([...document.querySelectorAll('#stack .box, #variables tr')].map(
        row => [row.querySelector('code')?.innerText ?? 'stack', row.querySelector('.tag')?.innerText]))''')
    assert tags['stack'] == tags['target'] == tags['shared'] != tags.get('fill')
    assert tags['stack'].startswith('#')
    assert page.variables()['shared'] == '[1]'


def test_calls_generators_and_their_variables(read):
    page = read(OBJECTS).find('recording.code(step).name === "fill"')
    assert page.texts('#calls li') == ['fill line 10', 'main program line 22']
    page.click('#calls button.link')
    assert page.instruction.endswith('CALL 1')
    page.find('recording.at(step).argument === "print"')
    page.find('recording.at(step).argument.endsWith("print")')
    assert page.texts('#calls h3') == ['Suspended']
    assert page.texts('#calls li')[-1] == "squares line 16 n = 3 i = 1 got = 'sent'"
    page.press('End')
    assert page.texts('#calls h3') == []


def test_many_calls_and_generators(read):
    page = read('''\
def one():
    yield 1
held = [one() for _ in range(30)]
for each in held:
    next(each)
def deep(n):
    return deep(n - 1) if n else len(held)
deep(100)
for each in held[:20]:
    next(each, None)
''').find('recording.code(step).name === "deep" && recording.kind(step) === 1')
    assert page.count('#calls .frames .link') == 19 + 12
    assert page.texts('#calls .note') == ['and 82 more', 'and 18 more']
    page.press('End')
    assert page.count('#calls .frames .link') == 10
    # The ones that are suspended are found at every step.
    assert page.run('''
        const recording = document.body.page.recording, {visit_frame: frames} = recording.columns, wrong = [];
        for (let step = 0; step < recording.length; step += 7) {
            const last = new Map();                     // frame: its last step
            for (let i = 0; i <= step; i++) { last.set(recording.frame(i), i); }
            const expected = [...last.values()].filter(i => recording.kind(i) === 2 && i < step).sort((a, b) => b - a);
            const [found, count] = recording.suspendedAt(step, 12);
            if (count !== expected.length || found.join() !== expected.slice(0, 12).join()) { wrong.push(step); }
        }
        return wrong;''') == []


def test_threads(read):
    page = read(THREADS).find('recording.at(step).argument === "local" && recording.at(step).name === "STORE_FAST"')
    assert page.texts('#calls h3') == ['Thread MainThread']
    assert page.texts('#calls li')[0] == 'work line 5'
    assert any(text.startswith('main program') for text in page.texts('#calls li'))
    page.press('End')
    assert page.texts('#calls h3') == ['Thread worker']
    assert page.text('#calls .note') == 'has ended'


def test_what_was_printed(read):
    page = read(GRADES).press('e')
    assert page.text('#printed') == 'Nothing yet.'
    page.find('recording.at(step).name === "POP_TOP" && recording.line(step) === 11')
    assert (page.text('#printed'), page.count('#printed .new')) == ('not a number: x9', 1)
    page.press('ArrowRight')
    assert (page.text('#printed'), page.count('#printed .new')) == ('not a number: x9', 0)
    page.press('End')
    assert page.text('#printed') == 'not a number: x9 Ada passed Bob failed Cyd failed'
    page = read(OBJECTS).press('End')
    assert page.texts('#printed .error') == ['error']


def test_much_output(read):
    page = read('import sys\nfor i in range(1000):\n    print("line", i)\nprint("error", file=sys.stderr)\n').press('End')
    text = page.run('return document.getElementById("printed").innerText')
    everything = ''.join(f'line {i}\n' for i in range(1000)) + 'error\n'
    skipped = len(everything) - 8000
    assert text == f'Show the first {skipped:,} characters too\n' + everything[skipped:]
    assert page.texts('#printed span.error') == ['error']
    page.click('#printed button')
    assert page.run('return document.getElementById("printed").innerText') == everything
    page.press('Home')
    assert page.text('#printed') == 'Nothing yet.'


def test_the_words(read):
    page = read(GRADES)
    words = {}
    for matches in ('recording.at(step).name === "COMPARE_OP"', 'recording.line(step) === 5',
                    'recording.at(step).name === "FOR_ITER"',
                    'recording.at(step).name === "CALL" && recording.line(step) === 16'):
        page.find(matches)
        words[matches] = page.text('.words')
    assert list(words.values())[0] == 'COMPARE_OP >= takes 72 and 50, pushes True.'
    assert list(words.values())[1] == "LOAD_CONST 'failed' pushes the constant 'failed'. Control came here because " \
        "points >= 50 was false at step 87 (line 2), where points was 0."
    assert "asks <tuple_iterator object, 3 left> for the next item, pushes it: ('Ada', '72')" in list(words.values())[2] or \
        "<list_iterator object, 3 left>" in list(words.values())[2]
    assert list(words.values())[3] == "CALL 1 calls read with '72'; the next step is in read. The result will be 72."


def test_the_reasons(read):
    """Each names what was tested: the value under a conditional jump, not the statement of the jump."""
    page = read(CONDITIONS)
    reasons = page.run('''
        const page = document.body.page, found = {};
        for (let step = 1; step < page.recording.length; step++) {
            page.go(step);
            const text = document.getElementById('reason').innerText.replace(/ at step [\\d,]+ [(]line \\d+[)]/g, '')
                .replace('Control came here because ', '');
            const line = page.recording.line(step);
            if (text && !text.includes('the jump') && !(found[line] ||= []).includes(text)) {
                found[line].push(text);
            }
        }
        return found;''')
    assert {int(line): found for line, found in reasons.items() if line != 'null'} == {
        5: ['flag was False.'],
        7: ['flag was False.'],
        9: ['some was true, where some was [1].'],
        10: ['some was true, where some was [1].', '0 was false.'],
        11: ['some was true, where some was [1].'],
        13: ['some was true, where some was [1].', 'The loop goes on, because there was a next item.',
             "d[k] was false, where d was {'k': 0} and k was 'k'.", 'there was no next item.'],
        14: ['0 < 1 was true.'],
        16: ['zero < 1 < 0 was false, where zero was 0.'],
        18: ['zero was false, where zero was 0.'],
        20: ['some was not None, where some was [1].'],
        24: ['the exception does not match ValueError.', 'the exception matches KeyError.'],
        27: ['the pattern [p, q] matched so far.', 'the pattern [p, q] did not match.'],
        29: ['the pattern [p] matched so far.', 'the pattern [p] matched.'],
        30: ['p was true, where p was 1.'],
        34: ['the pattern 5 did not match.'],
        35: ['the pattern 29 matched.'],
        42: ['the try block raised no exception.'],
        48: ['step 160 (line 49) raised ZeroDivisionError: division by zero.', '__exit__ returned True.'],
        52: ['the exception group has no exceptions that match ValueError.'],
        54: ['the exception group has exceptions that match KeyError.'],
        56: ['zero was false, where zero was 0.'],
    }


def test_the_reason_of_else_does_not_depend_on_the_layout(read):
    page = read('try:\n    x = 1\nexcept KeyError:\n    \'\'\'\ntext\n\'\'\'\nelse: x = 7\n'
                'text = \'\'\'\nexcept x:\nelse:\n\'\'\'; y = (text,\n    \'z\')\n')
    page.click('[data-line="7"]')
    assert page.text('#reason') == 'Control came here because the try block raised no exception.'
    page.click('[data-line="11"]')
    assert page.text('#reason') == ''


def test_the_words_of_coroutines(read):
    page = read('''\
async def inner():
    await Pause()
    return 3
class Pause:
    def __await__(self):
        yield 7
async def outer():
    return await inner()
running = outer()
running.send(None)
try:
    running.send(None)
except StopIteration:
    pass
''')
    found = []
    for name in 'SEND', 'RESUME':
        for count in 0, 1:
            page.find(f'recording.code(step).name === "outer" && recording.at(step).name === "{name}" && !recording.kind(step)'
                      f' && [...Array(step).keys()].filter(i => recording.code(i).name === "outer"'
                      f' && recording.at(i).name === "{name}" && !recording.kind(i)).length === {count}')
            found.append(page.text('#words'))
    assert found == [
        'SEND to 44 sends None to <coroutine object inner>; the next step is in inner. It will yield a value.',
        'SEND to 44 sends None to <coroutine object inner>; the next step is in inner. It will end, and control will go on '
        'at line 8 (offset 44).',
        'RESUME starts outer.', 'RESUME continues outer after the await that suspended it.']


def test_the_names_of_arguments(read):
    page = read('print(1, 2, sep="-", end=chr(10))\n').find('recording.at(step).argument === "4"').press('ArrowRight')
    assert page.text('#words') == "CALL 4 calls print with 1, 2, sep='-', end='\\n', pushes the result None."


def test_every_step_has_words(read):
    """No instruction of these programs makes the page fail, whatever it takes or pushes."""
    for program in GRADES, OBJECTS, THREADS, MARKUP:
        page = read(program)
        page.run('''const page = document.body.page;
                    for (let step = 0; step < page.recording.length; step++) {
                        page.go(step);
                        const text = document.getElementById('words').innerText;
                        if (/undefined|NaN|null|\\[object/.test(text) || text.length < 8) {
                            throw new Error(step + ' ' + text);
                        }
                    }''')


def test_long_values_open_on_a_click(read):
    page = read(OBJECTS).find('recording.at(step).name === "STORE_NAME" && recording.at(step).argument === "long"')
    short = page.text('#stack .value')
    assert ' … ' in short and len(short) < 60
    page.click('#stack button.value')
    assert page.text('#stack .value').startswith('[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21')
    assert page.run('return document.querySelector("#stack button.value").getAttribute("aria-expanded")') == 'true'
    page.click('#stack button.value')
    assert page.text('#stack .value') == short


def test_the_tutorial(read, root):
    """What the tutorial says about its program is true."""
    text = (root / PAGE).read_text()
    page = read(next(content for _, name, content in blocks(text) if name == 'grades.py'), name='grades.py')
    page.click('[data-line="5"]')
    assert page.step == 88
    assert page.text('#reason') == 'Control came here because points >= 50 was false at step 87 (line 2), where points was 0.'
    page.click('#reason a')
    assert page.instruction == '12 POP_JUMP_FORWARD_IF_FALSE to 18'
    page.press('E')
    assert (page.step, page.line) == (61, 9)
    assert "It raises ValueError" in page.text('#words') and 'the handler at line 10 (offset 34)' in page.text('#words')
    returned = [page.press('ArrowRight').text('#words') for _ in range(15)][-1]
    assert returned == 'read returns 0.'
    for name in re.findall(r'image:: (.*)', text):
        assert (root / PAGE).with_name(name).stat().st_size < 150_000


# The page as a whole

def test_text_of_the_program_is_never_markup(read):
    page = read(MARKUP, name='<b>&"name.py')
    assert page.run('return document.title') == '<b>&"name.py - lltrace'
    page.press('End')
    assert page.text('#printed').startswith('</script><script>')
    assert page.texts('#source code')[0].startswith("x = '</script><script>document.title")
    assert any('<b>bold</b>' in text for text in page.variables().values())
    page.press('E')
    assert '</script>' in page.text('#words')
    assert page.run('return document.querySelectorAll("b, i, img").length') == 0
    assert page.run('return document.title') == '<b>&"name.py - lltrace'
    assert page.count('script') == 2


def test_the_policy_forbids_other_scripts_and_the_network(read, chromium):
    page = read('x = 1')
    text = page.path.read_text()
    assert not re.search(r'(?i)\b(src|href)\s*=\s*["\']?(http|//)|@import|url\(', text)
    assert page.run('''
        const violations = [];
        document.addEventListener('securitypolicyviolation', event => violations.push(event.effectiveDirective));
        const script = document.createElement('script');
        script.textContent = 'document.title = "attacked"';
        document.body.append(script);
        document.body.insertAdjacentHTML('beforeend', '<img src="data:image/gif;base64,AAAA" onerror="document.title=1">');
        await fetch('http://127.0.0.1:9/').catch(() => 0);
        await new Promise(go => setTimeout(go, 200));
        return [document.title, [...new Set(violations)].sort()];
    ''') == ['program.py - lltrace', ['connect-src', 'img-src', 'script-src-attr', 'script-src-elem']]
    chromium.problems.clear()                           # the violations


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_contrast_in_both_color_schemes(read, chromium, scheme):
    page = read(OBJECTS)
    chromium.scheme(scheme)
    page.find('recording.code(step).name === "fill" && recording.at(step).name === "RETURN_VALUE"')
    background = page.run('return getComputedStyle(document.body).backgroundColor')
    assert (background == 'rgb(255, 255, 255)') == (scheme == 'light')
    page.click('#help-button')
    low = page.run('''
        const parse = color => color.match(/[\\d.]+/g).map(Number);
        const light = color => {
            const [r, g, b] = color.map(part => (part /= 255) <= .03928 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4);
            return .2126 * r + .7152 * g + .0722 * b;
        };
        const behind = element => {
            for (; element; element = element.parentElement) {
                const color = parse(getComputedStyle(element).backgroundColor);
                if (color.length < 4 || color[3] > 0) { return color; }
            }
            return [255, 255, 255];
        };
        const low = [];
        for (const element of document.querySelectorAll('body *')) {
            if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()) || !element.offsetParent) { continue; }
            const one = light(parse(getComputedStyle(element).color)), two = light(behind(element));
            const contrast = (Math.max(one, two) + .05) / (Math.min(one, two) + .05);
            if (contrast < 4.5) { low.push([element.outerHTML.slice(0, 80), contrast]); }
        }
        return low;''')
    page.click('#help-button')
    assert low == []


def test_keyboard_only(read):
    """Every control can be reached with the Tab key, works with Enter, and shows that it has the focus."""
    page = read(GRADES)
    page.press('ArrowDown', 'ArrowDown')
    reached = []
    for _ in range(60):
        page.press('Tab')
        name, outline = page.run('''const now = document.activeElement;
            return [now === document.body ? '' : now.getAttribute('aria-label') || now.innerText?.slice(0, 30) || now.id,
                    getComputedStyle(now).outlineStyle]''')
        if name in reached or name == '':
            break
        assert outline != 'none', name
        reached.append(name)
    for wanted in ('Help', 'Next instruction (→)', 'Previous line (↑)', 'Next call (c)', 'Previous return (R)', 'Next exception (e)',
                   'Back to the cause of the exception (b)', 'Play (Space)', 'Speed', 'Step'):
        assert wanted in reached, reached
    assert any(name.startswith('Next change of') for name in reached)
    # Within the source and the instructions, the arrow keys choose a line, and Enter goes there.
    page.run('document.querySelector(".line[aria-current]").focus()')
    line = page.line
    page.press('ArrowDown', 'ArrowDown', 'ArrowUp')
    assert page.run('return Number(document.activeElement.dataset.line)') == line + 1
    page.run('document.querySelector("[data-line=\\"5\\"]").focus()')
    page.press('Enter')
    assert page.line == 5
    page.run('document.querySelector("[aria-label^=\\"Next instruction\\"]").focus()')
    step = page.step
    page.press('Enter')
    assert page.step == step + 1
    page.press('?')
    assert page.run('return document.getElementById("help").hidden') is False


def test_a_screen_reader_hears_the_step(read, chromium):
    page = read(GRADES).press('ArrowRight')
    nodes = chromium.call('Accessibility.getFullAXTree')['nodes']
    roles = {}
    for node in nodes:
        if not node['ignored']:
            roles.setdefault(node['role']['value'], []).append(node.get('name', {}).get('value', ''))
    assert page.run('return document.getElementById("words").getAttribute("aria-live")') == 'polite'
    headings = ' '.join(roles['heading'])
    for name in 'Source', 'Instructions', 'Value stack', 'Variables', 'Calls', 'Printed so far':
        assert name in headings
    assert all(roles['button']), 'each button has a name'
    assert roles['slider'] == ['Step']
    assert page.run('return document.getElementById("scrubber").getAttribute("aria-valuetext")') == 'step 2, line 1'


@pytest.mark.parametrize('size', [(1280, 720), (1920, 1080), (390, 844), (360, 640)])
def test_it_fits(read, chromium, size):
    page = read(OBJECTS)
    chromium.resize(*size, mobile=size[0] < 600)
    page.find('recording.code(step).name === "add"')
    width, height = page.run('return [document.documentElement.scrollWidth, document.documentElement.scrollHeight]')
    assert width <= size[0]
    if size[0] > 600:
        assert height <= size[1]
        for panel in 'source', 'bytecode', 'stack', 'variables', 'calls', 'printed':
            assert page.run(f'return document.getElementById("{panel}").clientHeight') >= 60, panel
    else:
        # The moves stay at hand.
        assert page.run('const box = document.getElementById("moves").getBoundingClientRect(); return box.bottom') <= size[1] + 1


def test_the_limit(read):
    page = read(GRADES, '--limit', '100')
    assert page.text('#missing') == 'The recording ends at the limit of 100 steps. The program went on: what it did and ' \
        'printed afterwards is missing here.'
    page.press('End')
    assert page.step == 100
    assert 'Cyd' not in page.text('#printed')
    assert read(GRADES).run('return document.getElementById("missing").hidden') is True


def test_a_recording_that_ended_early(read):
    page = read('import sys\nx = 1\nsys.settrace(None)\ny = 2\n')
    assert page.text('#missing') == 'The recording ended before the program: its trace function was removed, by the ' \
        'program or by an exception (for example, at the recursion limit).'
    page.press('End')
    assert page.line == 3


def test_a_syntax_error(chromium, write):
    page = Reader(chromium, write('x = 1\nprint("é💩", x +* 2)\n', status=1))
    chromium.resize(1280, 720)
    chromium.problems.clear()
    chromium.open(page.path.as_uri())
    page.run('while (!document.getElementById("words").innerText) await new Promise(go => setTimeout(go, 10));')
    assert page.text('#words') == 'The program did not run: SyntaxError: invalid syntax.'
    assert page.text('#reason') == 'Python noticed this in line 2. The mistake is there or before it.'
    assert (page.line, page.texts('#source mark')) == (2, ['*'])
    assert 'SyntaxError: invalid syntax' in page.text('#printed')
    for panel in 'bytecode', 'stack', 'variables', 'calls', 'moves', 'flame', 'scrubber':
        assert page.run(f'return document.getElementById("{panel}").offsetParent') is None
    page.click('#help-button')
    assert page.run('return document.getElementById("help").hidden') is False
    assert chromium.problems == []


def test_nothing_was_executed(chromium, write):
    page = Reader(chromium, write('x = 1', '--only', 'nosuch'))
    chromium.open(page.path.as_uri())
    page.run('while (!document.getElementById("words").innerText) await new Promise(go => setTimeout(go, 10));')
    assert page.text('#words') == 'No selected code was executed.'
    assert chromium.problems == []


def test_without_source(read):
    page = read('exec(compile("def f(x):\\n  return x\\nf(1)", "<made>", "exec"))').press('c', 'c')
    assert page.text('#source') == 'The source of this code is not available.'
    assert page.text('#words').startswith('RESUME starts f')
    page.press('C')
    assert page.text('#words') == 'RESUME starts code in <made>.'
    assert page.texts('#calls li') == ['code in <made> line 1', 'main program line 1']
