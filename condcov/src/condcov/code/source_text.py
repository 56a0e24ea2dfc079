"""Source text: read, decoded as Python does, and cut into the parts that a span covers."""

from __future__ import annotations

import errno
import io
import zipimport

from condcov import digests, late
from condcov.errors import NotPythonError
from condcov.isolated import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from condcov.model import Span


def read(path: str) -> bytes:
    """Return the content of a source file, which may be in an archive.  Raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except NotADirectoryError:
        try:
            return zipimport.zipimporter(path).get_data(path)
        except (zipimport.ZipImportError, OSError):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None
    try:
        return b''.join(iter(lambda: os.read(descriptor, 1 << 20), b''))
    finally:
        os.close(descriptor)


def sha256(content: bytes) -> str:
    """Return the checksum that connects recorded data with its source."""
    return digests.sha256(content).hexdigest()


def decoded(text: str | bytes, path: str) -> str:
    """Return the text of a file, decoded as Python does, with \\n at the end of each line.

    Raises NotPythonError if it cannot be decoded; `path` is for the message.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode(_encoding(text))
        except (SyntaxError, UnicodeDecodeError, LookupError) as error:
            raise NotPythonError(f'cannot decode {path}: {error}; exclude it with omit') from None
    return text.removeprefix('\ufeff').replace('\r\n', '\n').replace('\r', '\n')


def _encoding(content: bytes) -> str:
    head = content.split(b'\n', 2)[:2]
    if b'coding' not in b''.join(head) and not content.startswith(b'\xef\xbb\xbf'):
        return 'utf-8'
    tokenize = late.module('tokenize')      # slow to import, and hardly any file needs it
    return tokenize.detect_encoding(io.BytesIO(content).readline)[0]


def source_lines(text: str) -> list[str]:
    """Return the lines of a source text, without their ends; line 1 is the first."""
    # Python ends no line at a form feed or U+2028, unlike str.splitlines().
    return text.removeprefix('\ufeff').replace('\r\n', '\n').replace('\r', '\n').split('\n')


def parts(lines: Sequence[str], span: Span) -> Iterator[tuple[int, int, int]]:
    """Yield the part of each line in the span: (line number, start, end), with columns in characters from 0."""
    for number in range(span.line, min(span.end_line, len(lines)) + 1):
        line = lines[number - 1]
        start = _characters(line, span.column) if number == span.line else 0
        end = _characters(line, span.end_column) if number == span.end_line else len(line)
        yield number, start, end


def excerpt(lines: Sequence[str], span: Span) -> str:
    """Return the source text in the span, its lines separated by newlines."""
    return '\n'.join(lines[number - 1][start:end] for number, start, end in parts(lines, span))


def _characters(line: str, column: int) -> int:
    """The number of characters in this many bytes of UTF-8."""
    return len(line.encode('utf-8', 'surrogatepass')[:column].decode('utf-8', 'replace'))
