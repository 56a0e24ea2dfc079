"""Runs a program like the python command, and records it."""

from __future__ import annotations

from condcov.record import interpreter
from condcov.record.recording import Recording

TYPE_CHECKING = False
if TYPE_CHECKING:
    from condcov.config import Config


def run(config: Config, argv: list[str], *, is_module: bool = False, append: bool = False,
        parallel: bool = False) -> None:
    """Run and record a script, or a module with is_module: argv[0], with the other arguments.

    From then on the process belongs to the program: it ends when the program ends, with SystemExit or by returning. The
    caller must have removed sys.path[0]; see condcov.cli. Raises CondcovError if the program cannot be recorded.
    """
    recording = Recording(config, append=append, parallel=parallel)
    interpreter.run_program(argv, is_module=is_module, start=lambda filename: recording.start())
