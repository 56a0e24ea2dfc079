"""check-pep7.py: report where our C departs from PEP 7, one finding a line; exit status 1 if there is any.

It reads our C files and the lines that our patches add to those of CPython. clang-format is not used because it would
also rewrite docstrings, tables and macros that PEP 7 leaves to the author. Output of Argument Clinic is skipped.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ('condcov/src', 'Doc', 'Include', 'Modules', 'Objects', 'Python', 'qa')
WIDTH = 79
KEYWORD = re.compile(r'(?:else if|if|for|while|switch)\b')
# The head of a definition: its type, name and parameters, and the brace.
TYPE_AND_NAME = re.compile(r'^(?!typedef|struct|enum)(?:\w+[ *]+)+\w+\([^;{}]*\)\s*\{', re.MULTILINE)
# Comments and literals, whose content is not code.
NOT_CODE = re.compile(r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+'""", re.DOTALL)


def blank(match):
    """Comments and literals as text of the same length without anything that looks like code."""
    text = match[0]
    if text[0] in '"\'':
        return text[0] + 'x' * (len(text) - 2) + text[-1]
    return re.sub(r'[^\n]', ' ', text)


def of_line(line):
    """Findings about a single line."""
    # A line of a docstring has the width that help() shows.
    shown = re.sub(r'^"(.*?)(?:\\n)*"(?:\);)?$', r'\1', line)
    if len(shown) > WIDTH:
        yield f'longer than {WIDTH} characters'
    if '\t' in line:
        yield 'a tab'
    if line != line.rstrip():
        yield 'white space at the end'


def end_of_condition(lines, number):
    """The number of the line where the parentheses of a condition close, and the text that follows them."""
    depth = 0
    for at in range(number, len(lines)):
        for column, character in enumerate(lines[at]):
            depth += (character == '(') - (character == ')')
            if character == ')' and depth == 0:
                return at, lines[at][column + 1:].strip(' \\')
    return None


def of_code(text):
    """(line number from 0, finding) for the code of a file."""
    text = NOT_CODE.sub(blank, text)
    for function in TYPE_AND_NAME.finditer(text):
        yield text.count('\n', 0, function.start()), 'a function whose name is on the line of its type'
    lines = text.split('\n')
    for number, line in enumerate(lines):
        code = line.strip(' \\')
        if code.startswith('#'):
            continue
        if re.search(r'\b(?:if|for|while|switch|return)\(', code):
            yield number, 'no space between a keyword and a parenthesis'
        if re.search(r'\S\s*\}\s*else\b|^\}\s*else\b', code):
            yield number, 'else on the line of a brace'
        keyword = KEYWORD.match(code)
        if re.search(r'\w\{$', code) or keyword and code.endswith('){'):
            yield number, 'no space before a brace'
        found = end_of_condition(lines, number) if keyword else None
        if found:
            end, rest = found
            if end > number and keyword[0] != 'for' and rest == '{':
                yield end, 'a brace after a condition of several lines must be on a line of its own'
            elif not rest:
                following = lines[end + 1].strip(' \\') if end + 1 < len(lines) else ''
                if following != '{' or end == number:
                    yield number, f'{keyword[0]} without braces'
            elif rest != '{' and not rest.startswith(('{ ', ';', 'goto ', '{}')):
                yield number, f'{keyword[0]} without braces'
        if re.fullmatch(r'else|do', code):
            yield number, f'{code} without braces'


def c_files():
    """The files to check, and patches of which to check the added lines."""
    names = sorted(str(path.relative_to(ROOT)) for folder in FOLDERS for path in (ROOT / folder).rglob('*'))
    names = [name for name in names if name.removesuffix('.patch').endswith(('.c', '.h'))]
    return [name for name in names if '/clinic/' not in name]


def check(name):
    """(line number from 1, finding) for a file."""
    text = (ROOT / name).read_text(encoding='utf-8')
    patch = name.endswith('.patch')
    for number, line in enumerate(text.split('\n'), 1):
        if not patch:
            yield from ((number, finding) for finding in of_line(line))
        elif line.startswith('+') and not line.startswith('+++'):
            yield from ((number, finding) for finding in of_line(line[1:]))
    if not patch:
        yield from ((number + 1, finding) for number, finding in of_code(text))
        if not text.endswith('\n') or text.endswith('\n\n'):
            yield text.count('\n') + 1, 'must end with one newline'


def main():
    """Print the findings of all files."""
    findings = [f'{name}:{number}: {finding}' for name in c_files() for number, finding in sorted(check(name))]
    print(*findings, sep='\n', end='\n' if findings else '')
    return 1 if findings else 0


if __name__ == '__main__':
    sys.exit(main())
