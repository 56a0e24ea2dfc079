"""From data to a result: the current files, analysed, with what was seen of each."""

import os
from collections.abc import Callable

from coverage.files import GlobMatcher, prep_patterns
from coverage.misc import join_regex

from condcov.analysis import coverable, results
from condcov.code import source_text
from condcov.config import Config
from condcov.data import Data, parts
from condcov.errors import CondcovError
from condcov.model import Accepted, Seen


def load(config: Config, contexts: str | None = None) -> results.Result:
    """Return the result of a configuration's data file.

    contexts    a regular expression: only what was seen in contexts whose name matches somewhere

    Raises CondcovError if there is no data or nothing to report, and for a file that has changed since it was recorded.
    """
    data = Data(config.data_file)
    if not os.path.exists(data.path):
        single = parts(data.path) if os.path.isdir(os.path.dirname(data.path)) else ()
        if single:
            raise CondcovError(f'no data at {data.path}, but {len(single)} per-process '
                               f'{"data file" if len(single) == 1 else "data files"} next to it: '
                               'run "condcov combine" first')
    wanted = reported(config)
    files = [_examine(path, sha256, seen, config)
             for path, (sha256, seen) in data.read(contexts).items() if wanted(path)]
    if not files:
        raise CondcovError(f'nothing to report in {data.path}: the program executed none of the selected files'
                           + (', or --include and --omit exclude them all'
                              if config.report_include or config.report_omit else ''))
    return results.Result(files)


def reported(config: Config) -> Callable[[str], bool]:
    """Return a function that says whether reports include a path."""
    include = GlobMatcher(config.report_include) if config.report_include else None
    omit = GlobMatcher(config.report_omit) if config.report_omit else None
    return lambda path: (include is None or include.match(path)) and (omit is None or not omit.match(path))


def _examine(path: str, sha256: str, seen: Seen, config: Config) -> results.FileResult:
    try:
        content = source_text.read(path)
    except FileNotFoundError:
        raise CondcovError(f'cannot find the source of {path}; exclude it with --omit, or map its folder with '
                           '"paths" in the configuration') from None
    except OSError as error:
        raise CondcovError(f'cannot read {path}: {error.strerror}') from error
    if source_text.sha256(content) != sha256:
        raise CondcovError(f'{path} has changed since it was recorded: run again')
    accept = [Accepted(entry['level'], entry['condition'], entry['reason'], 0, ()) for entry in config.accept
              if GlobMatcher(prep_patterns([entry['file']])).match(path)]
    found = coverable.analyse(content, shown(path), join_regex(config.exclude), join_regex(config.partial), accept)
    return results.examine(*found.counted(seen))


def shown(path: str) -> str:
    """Return the path to display: relative to the current folder if it is inside."""
    here = os.path.join(os.getcwd(), '')
    return path[len(here):] if path.startswith(here) else path
