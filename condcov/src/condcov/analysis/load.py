"""From data to a result: the files as they are now, analysed, with what was seen of each."""

import os

from coverage.misc import join_regex

from condcov.analysis import coverable, results
from condcov.record import recorded_file
from condcov.data import Data, parts
from condcov.errors import CondcovError
from condcov.record.selection import reported


def judge(config, contexts=None):
    """The Result of the data file of a configuration, of all contexts or those in whose name the regex is found.

    Raises CondcovError where there is no data or nothing to report, and for a file that is not as it was recorded.
    """
    data = Data(config.data_file)
    if not os.path.exists(data.path):
        single = parts(data.path) if os.path.isdir(os.path.dirname(data.path)) else ()
        if single:
            raise CondcovError(f'there is no data at {data.path}, and {len(single)} '
                               f'{"file" if len(single) == 1 else "files"} of single processes beside it: '
                               'run "condcov combine" first')
    wanted = reported(config)
    files = [_examine(path, sha256, seen, config)
             for path, (sha256, seen) in data.read(contexts).items() if wanted(path)]
    if not files:
        raise CondcovError(f'{data.path} has no file to report: the program executed none of the files that are '
                           'selected' + (', or none is left by --include and --omit'
                                         if config.report_include or config.report_omit else ''))
    return results.Result(files)


def _examine(path, sha256, seen, config):
    try:
        content = recorded_file.read(path)
    except FileNotFoundError:
        raise CondcovError(f'{path} was recorded and does not exist: leave it out with --omit, or tell in "paths" of '
                           'the configuration where its folder is now') from None
    except OSError as error:
        raise CondcovError(f'cannot read {path}: {error.strerror}') from error
    if recorded_file.sha256(content) != sha256:
        raise CondcovError(f'{path} has changed since it was recorded: run again')
    found = coverable.analyse(content, shown(path), join_regex(config.exclude), join_regex(config.partial))
    return results.examine(*found.counted(seen))


def shown(path):
    """The path as reports show it: relative to the current folder if it is below."""
    here = os.path.join(os.getcwd(), '')
    return path[len(here):] if path.startswith(here) else path
