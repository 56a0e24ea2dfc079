"""Records a process that a recorded program starts: a1_condcov.pth calls it when the interpreter starts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from condcov.record.recording import Recording


def begin() -> Recording | None:
    """Start recording if this process belongs to a run; return the recording or None.  Never raises."""
    try:
        with _ExistingFolder():
            from condcov.record import recording
            return recording.begin()
    except Exception:
        return None         # the streams belong to the program; the first process of the run reports errors


class _ExistingFolder:
    """Changes to an existing folder: coverage.py asks for the current one when imported, and it may be deleted."""

    def __enter__(self) -> None:
        self._folder: int | None = None
        try:
            os.getcwd()
        except OSError:
            self._folder = os.open('.', os.O_RDONLY | os.O_CLOEXEC)
            os.chdir('/')

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            os.fchdir(self._folder)
            os.close(self._folder)
