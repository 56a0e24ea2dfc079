"""Selects the code to show: the program's own, or what patterns add, leave out or choose instead."""

import difflib
import dis
import fnmatch
import os
import re
import site
import sys
import sysconfig

from _ownmodules import __builtins__, load

abspath = load(os.path.__name__).abspath
_HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), '')


def _folders():
    """Return the folders of the standard library and of installed packages, each with a separator at the end."""
    paths = {sysconfig.get_path(name) for name in ('stdlib', 'platstdlib', 'purelib', 'platlib')}
    paths |= {os.path.dirname(os.__file__), site.getusersitepackages()}
    if hasattr(site, 'getsitepackages'):
        paths.update(site.getsitepackages())
    paths |= {os.path.realpath(path) for path in paths if path}
    return tuple(os.path.join(path, '') for path in paths if path)


def _glob(*texts):
    """Return a function that matches a string with globs.  Unlike fnmatchcase(), it does not execute Python code."""
    return re.compile('|'.join(map(fnmatch.translate, texts))).match


class Pattern:
    """A glob for modules, paths or functions, depending on its form.

    'PATH', with a slash: a file, or a folder and everything in it
    'MODULE:FUNCTION': functions by name or qualified name; without MODULE, in any module
    'MODULE', anything else: a module, or a package and all its modules
    """

    def __init__(self, text):
        if not isinstance(text, str):
            raise TypeError(f'a pattern must be a str, not {type(text).__name__}')
        if not text or text == ':':
            raise ValueError("empty pattern; it must be MODULE, MODULE:FUNCTION or a path that contains '/'")
        self.text = text
        self.used = False                   # whether it has matched code
        self._module = self._function = self._path = None
        if os.sep in text:
            path = text if text.startswith('*') else os.path.abspath(os.path.expanduser(text))
            self._path = _glob(path, os.path.join(path, '*'))
        else:
            module, colon, function = text.partition(':')
            if module:
                self._module = _glob(module, module + '.*')
            if colon:
                self._function = _glob(function or '*')

    def matches(self, code, module):
        if self._path is not None:
            found = self._path(abspath(code.co_filename))
        else:
            found = ((self._function is None or self._function(code.co_qualname) or self._function(code.co_name))
                     and (self._module is None or self._module(module)))
        self.used = self.used or bool(found)
        return bool(found)


class Selection:
    """Decides which code objects to show.  main is the file of the program, which is shown wherever it is.

    Without only, it selects the program and the modules that belong neither to the standard library nor to an installed
    package; with only, the code that matches one of these patterns.  Code that matches include is added, and code that
    matches exclude is left out.  The code of this package is never shown.
    """

    _MOST_NAMES = 50_000                    # to limit memory

    def __init__(self, only=(), include=(), exclude=(), main=None):
        self._patterns = {}
        for name, value in ('only', only), ('include', include), ('exclude', exclude):
            if isinstance(value, (str, bytes, os.PathLike)):
                raise TypeError(f'{name} must be a list of patterns, not a {type(value).__name__}')
            self._patterns[name] = [Pattern(text) for text in value]
        self.main = main
        self._folders = _folders()
        self._names = set()                 # patterns for the code that ran, while there are unused patterns

    def selects(self, code, module):
        # runner raises KeyboardInterrupt in code that it compiles from a string.
        if code.co_filename.startswith(_HERE) or module == 'lltrace.runner':
            return False
        # All patterns are tried, to know those that match nothing.
        matched = {name: True in [pattern.matches(code, module) for pattern in patterns]
                   for name, patterns in self._patterns.items()}
        if len(self._names) < self._MOST_NAMES and self._unused():
            self._names.update((module, f'{module}:{code.co_qualname}', f':{code.co_qualname}', f':{code.co_name}',
                                f'*/{code.co_filename.rpartition(os.sep)[2]}'))
        if matched['exclude']:
            return False
        if matched['include']:
            return True
        if self._patterns['only']:
            return matched['only']
        return self._is_the_programs(code, module)

    def _unused(self):
        return [(name, pattern) for name, patterns in self._patterns.items() for pattern in patterns
                if not pattern.used]

    def unmatched(self):
        """Return a sentence for each pattern that matched no code."""
        found = []
        for name, pattern in self._unused():
            close = difflib.get_close_matches(pattern.text, self._names)
            hint = f'; did you mean {" or ".join(close)}?' if close else ''
            found.append(f'no executed code matches --{name} {pattern.text}{hint}')
        return found

    def _is_the_programs(self, code, module):
        filename = code.co_filename
        if filename == self.main or module == '__main__':
            return True
        if filename.startswith('<'):        # frozen, or compiled from a string
            return not filename.startswith('<frozen ') and self._of_program_module(module)
        return not abspath(filename).startswith(self._folders)

    def _of_program_module(self, module):
        """Whether a module of this name was imported from a file of the program."""
        filename = getattr(sys.modules.get(module), '__file__', None)
        return isinstance(filename, str) and not abspath(filename).startswith(self._folders)


def opcodes_named(names):
    """Return the opcodes of these names, which may be globs.  Raises ValueError for a name without a match."""
    found = set()
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f'opcodes must be a list of names, not of {type(name).__name__}')
        matching = [opcode for known, opcode in dis.opmap.items() if fnmatch.fnmatchcase(known, name.upper())]
        if not matching:
            close = difflib.get_close_matches(name.upper(), dis.opmap, 1)
            hint = f'did you mean {close[0]}?' if close else 'dis.opmap lists the names'
            raise ValueError(f'there is no instruction {name!r}; {hint}')
        found.update(matching)
    return frozenset(found)
