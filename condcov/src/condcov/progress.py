"""Shows on a terminal how far a command has come that takes long."""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator

PATIENCE = 2        # seconds after which the progress is shown


@contextlib.contextmanager
def progress(total: int, things: str) -> Iterator[Callable[[], None]]:
    """Yield a function to call before each of `total` things, such as 'files'."""
    stream = sys.stderr
    if stream is None or not stream.isatty():
        yield lambda: None
        return
    lock = threading.Lock()
    done, shown, late, ended = -1, '', False, False

    def show() -> None:
        nonlocal shown
        text = f'\rcondcov: {max(done, 0)} of {total} {things}'
        if text != shown:
            shown = text
            print(text, end='', file=stream, flush=True)

    def begin() -> None:
        nonlocal late
        with lock:
            if not ended:
                late = True
                show()

    def advance() -> None:
        nonlocal done
        with lock:
            done += 1
            if late:
                show()

    timer = threading.Timer(PATIENCE, begin)        # one file may take long
    timer.daemon = True
    with contextlib.suppress(RuntimeError):         # WebAssembly has no threads
        timer.start()
    try:
        yield advance
    finally:
        timer.cancel()
        with lock:
            ended = True
            if shown:       # with spaces, because a terminal need not know how to erase a line
                print(f'\r{" " * (len(shown) - 1)}\r', end='', file=stream, flush=True)
