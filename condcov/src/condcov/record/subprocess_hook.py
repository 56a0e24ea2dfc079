"""Records a process that a recorded program starts: called by a1_condcov.pth when the interpreter starts."""

import os


def begin():
    """Record, if this process belongs to a run, and return the recording or None.  Never raises."""
    try:
        with _ExistingFolder():
            from condcov.record import recording
            return recording.begin()
    except Exception:
        return None         # the streams are the program's, and the first process of the run tells what is wrong


class _ExistingFolder:
    """A folder to be in: coverage.py asks for the current one when it is imported, and it can be gone."""

    def __enter__(self):
        self._folder = None
        try:
            os.getcwd()
        except OSError:
            self._folder = os.open('.', os.O_RDONLY | os.O_CLOEXEC)
            os.chdir('/')

    def __exit__(self, *_):
        if self._folder is not None:
            os.fchdir(self._folder)
            os.close(self._folder)
