"""From data to a result: the current files, analysed, with what was seen of each."""

import contextlib
import dataclasses
import gc
import os
import re
from collections.abc import Callable, Iterator

from coverage.files import GlobMatcher, prep_patterns
from coverage.misc import join_regex

from condcov.analysis import coverable, outcomes, results
from condcov.analysis.source_file import Accepted
from condcov.code import source_text
from condcov.config import Config
from condcov.data import Data, parts
from condcov.errors import CondcovError, NotPythonError
from condcov.model import Seen
from condcov.progress import progress


def load(config: Config, contexts: str | None = None, *, show_contexts: bool = False) -> results.Result:
    """Return the result of a configuration's data file.

    contexts        a regular expression: only what was seen in contexts whose name matches somewhere
    show_contexts   whether the files know in which contexts something was seen

    A file that cannot be examined, perhaps because it has changed since it was recorded, is one of the problems of the
    result. Raises CondcovError if there is no data or no file to report.
    """
    data = Data(config.data_file)
    wanted = reported(config)
    seen_in = data.by_context(contexts) if show_contexts else {}
    files: list[results.FileResult] = []
    problems: list[str] = []
    warnings: list[str] = []
    used: set[int] = set()
    recorded = {path: found for path, found in data.read(contexts).items() if wanted(path)}
    with _no_collection(), progress(len(recorded), 'files') as advance:
        for path, (sha256, seen) in recorded.items():
            advance()
            try:
                files.append(_examine(path, sha256, seen, config, used, seen_in.get(path) if show_contexts else None))
            except CondcovError as error:
                # Nothing executes a file that is not Python; it need not be a problem.
                is_harmless = isinstance(error, NotPythonError) and not seen.lines
                (warnings if is_harmless else problems).append(str(error))
    if not files and problems:
        raise CondcovError(problems[0] + (f' (and {len(problems) - 1} more)' if len(problems) > 1 else ''))
    if not files:
        raise CondcovError(f'nothing to report in {data.path}: the program executed none of the selected files'
                           + (', or --include and --omit exclude them all'
                              if config.report_include or config.report_omit else ''))
    if parts(data.path):
        warnings.append(f'data files of other processes next to {data.path} are not included: '
                        'if no program is running, "condcov combine --append" adds them')
    if contexts is not None and not any(re.search(contexts, name) for name in data.contexts()):
        names = [name for name in data.contexts() if name]
        known = f'the names are {", ".join(names[:5])}{" and others" if len(names) > 5 else ""}' if names else \
            'all data is in the context without a name'
        warnings.append(f'no context matches {contexts!r}; {known}')
    if not (config.report_include or config.report_omit):
        warnings += [f'"accept" in the configuration has the condition {entry["condition"]!r}, which no decision has'
                     for number, entry in enumerate(config.accept) if number not in used]
    return results.Result(files, problems, warnings)


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Without the garbage collector: it would visit the objects of a syntax tree again and again, which have no cycles.

    A report of a large file takes three quarters of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def combine(config: Config, keep: bool = False) -> None:
    """If there are only data files of single processes, combine them, and remove them unless `keep` is true."""
    data = Data(config.data_file)
    if not os.path.exists(data.path) and os.path.isdir(os.path.dirname(data.path)):
        single = parts(data.path)
        if single:
            data.combine(single, config.paths, keep=keep)


def reported(config: Config) -> Callable[[str], bool]:
    """Return a function that says whether reports include a path."""
    include = GlobMatcher(config.report_include) if config.report_include else None
    omit = GlobMatcher(config.report_omit) if config.report_omit else None
    return lambda path: (include is None or include.match(path)) and (omit is None or not omit.match(path))


def _examine(path: str, sha256: str, seen: Seen, config: Config, used: set[int],
             seen_in: dict[str, Seen] | None) -> results.FileResult:
    """The result of a file; adds the indexes of the entries of "accept" that are for it to `used`."""
    try:
        content = source_text.read(path)
    except FileNotFoundError:
        raise CondcovError(f'cannot find the source of {path}; exclude it with --omit, or map its folder with '
                           '"paths" in the configuration') from None
    except OSError as error:
        raise CondcovError(f'cannot read {path}: {error.strerror}') from error
    if source_text.sha256(content) != sha256:
        raise CondcovError(f'{path} has changed since it was recorded: run again')
    accept = {number: Accepted(entry['level'], entry['condition'], entry['reason'], 0, ())
              for number, entry in enumerate(config.accept) if GlobMatcher(prep_patterns([entry['file']])).match(path)}
    found = coverable.analyse(content, shown(path), join_regex(config.exclude), join_regex(config.partial),
                              list(accept.values()))
    used.update(number for number, accepted in zip(accept, found.accepted) if accepted.conditions)
    result = results.examine(*found.counted(seen))
    if seen_in is not None:
        result = dataclasses.replace(result, contexts=_contexts(found, result, seen_in))
    return result


def _contexts(found: coverable.AnalysedFile, result: results.FileResult, seen_in: dict[str, Seen]) -> results.Contexts:
    lines: dict[int, list[str]] = {}
    seen_outcomes: dict[tuple[int, int], dict[str, list[str]]] = {}
    for name, seen in sorted(seen_in.items()):
        for line in found.parser.translate_lines(seen.lines):
            lines.setdefault(line, []).append(name)
        for number, decision in enumerate(result.source.decisions):
            if decision.key in seen.paths:
                for index, marks in enumerate(outcomes.counts(decision, seen.paths[decision.key])):
                    for mark, count in marks.items():
                        if count:
                            seen_outcomes.setdefault((number, index), {}).setdefault(mark, []).append(name)
    return results.Contexts(lines, seen_outcomes)


def shown(path: str) -> str:
    """Return the path to display: relative to the current folder if it is inside."""
    here = os.path.join(os.getcwd(), '')
    return path[len(here):] if path.startswith(here) else path
