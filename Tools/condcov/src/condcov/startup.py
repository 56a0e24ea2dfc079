"""Records a process that a recorded program starts: called by a1_condcov.pth whenever the interpreter starts."""

import os


def begin():
    """Record, if this process belongs to a run, and return the recording or None.  Never raises."""
    run, _, config = os.environ.get('CONDCOV_PROCESS', '').partition(' ')
    if not config:
        return None
    try:
        with _existing_folder():
            from condcov import recording
            from condcov.config import Config
            if recording.current() is None:
                recording.Recording(Config.loads(config), run).start()
            return recording.current()
    except Exception:
        return None         # the program's own streams are not for us, and the first process tells what is wrong


class _existing_folder:
    """A folder to be in: coverage.py asks for the current one when it is imported, and it can be gone."""

    def __enter__(self):
        try:
            self._folder = None
            os.getcwd()
        except OSError:
            self._folder = os.open('.', os.O_RDONLY | os.O_CLOEXEC)
            os.chdir('/')

    def __exit__(self, *_):
        if self._folder is not None:
            os.fchdir(self._folder)
            os.close(self._folder)
