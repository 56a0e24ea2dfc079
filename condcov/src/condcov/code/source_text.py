"""Where a span of source text lies: the lines as Python numbers them, and columns in characters instead of bytes."""

import re

# Where Python ends a line: not at a form feed nor at U+2028, where str.splitlines() does too.
_LINE_END = re.compile('\r\n|\r|\n')


def source_lines(text):
    """The lines of a source text, without their ends, as a list; line 1 is the first."""
    return _LINE_END.split(text.removeprefix('\ufeff'))


def parts(lines, span):
    """The part of each line that lies in the span, as (line number, start, end) with columns in characters from 0."""
    for number in range(span.line, min(span.end_line, len(lines)) + 1):
        line = lines[number - 1]
        start = _characters(line, span.column) if number == span.line else 0
        end = _characters(line, span.end_column) if number == span.end_line else len(line)
        yield number, start, end


def excerpt(lines, span):
    """The source text in the span, its lines separated by newlines."""
    return '\n'.join(lines[number - 1][start:end] for number, start, end in parts(lines, span))


def _characters(line, column):
    """The number of characters in so many bytes of UTF-8."""
    return len(line.encode('utf-8', 'surrogatepass')[:column].decode('utf-8', 'replace'))
