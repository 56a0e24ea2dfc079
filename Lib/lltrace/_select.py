"""Selects the code to show: the program's own, or what patterns add, leave out or choose instead."""

import difflib
import dis
import os
import site
import sys
import sysconfig
from fnmatch import fnmatchcase

_HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), '')


def _folders():
    """Return the folders of the standard library and of installed packages, each with a separator at the end."""
    paths = {sysconfig.get_path(name) for name in ('stdlib', 'platstdlib', 'purelib', 'platlib')}
    paths |= {os.path.dirname(os.__file__), site.getusersitepackages()}
    if hasattr(site, 'getsitepackages'):
        paths.update(site.getsitepackages())
    paths |= {os.path.realpath(path) for path in paths if path}
    return tuple(os.path.join(path, '') for path in paths if path)


class Pattern:
    """A glob for modules, paths or functions, depending on its form.

    'PATH', with a slash: a file, or a folder and everything in it
    'MODULE:FUNCTION': functions by name or qualified name; without MODULE, in any module
    'MODULE', anything else: a module, or a package and all its modules
    """

    def __init__(self, text):
        self.module = self.function = self.path = None
        if os.sep in text:
            self.path = text if text.startswith('*') else os.path.abspath(os.path.expanduser(text))
        else:
            self.module, colon, function = text.partition(':')
            if colon:
                self.function = function or '*'
        if not text or text == ':':
            raise ValueError("empty pattern; it must be MODULE, MODULE:FUNCTION or a path that contains '/'")

    def matches(self, code, module):
        if self.path is not None:
            path = os.path.abspath(code.co_filename)
            return fnmatchcase(path, self.path) or fnmatchcase(path, os.path.join(self.path, '*'))
        if self.function is not None:
            name = code.co_qualname
            if not (fnmatchcase(name, self.function) or fnmatchcase(code.co_name, self.function)):
                return False
            if not self.module:
                return True
        return fnmatchcase(module, self.module) or fnmatchcase(module, self.module + '.*')


class Selection:
    """Decides which code objects to show.  main is the file of the program, which is shown wherever it is.

    Without only, it selects the program and the modules that belong neither to the standard library nor to an installed
    package; with only, the code that matches one of these patterns.  Code that matches include is added, and code that
    matches exclude is left out.  The code of this package is never shown.
    """

    def __init__(self, only=(), include=(), exclude=(), main=None):
        for name, value in ('only', only), ('include', include), ('exclude', exclude):
            if isinstance(value, str):
                raise TypeError(f'{name} must be a list of patterns, not a str')
        self.only = [Pattern(text) for text in only]
        self.include = [Pattern(text) for text in include]
        self.exclude = [Pattern(text) for text in exclude]
        self.main = main
        self._folders = _folders()

    def selects(self, code, module):
        if code.co_filename.startswith(_HERE):
            return False
        if any(pattern.matches(code, module) for pattern in self.exclude):
            return False
        if any(pattern.matches(code, module) for pattern in self.include):
            return True
        if self.only:
            return any(pattern.matches(code, module) for pattern in self.only)
        return self._is_the_programs(code, module)

    def _is_the_programs(self, code, module):
        filename = code.co_filename
        if filename == self.main or module == '__main__':
            return True
        if filename.startswith('<'):        # frozen, or compiled from a string
            return not filename.startswith('<frozen ') and self._of_program_module(module)
        return not os.path.abspath(filename).startswith(self._folders)

    def _of_program_module(self, module):
        """Whether a module of this name was imported from a file of the program."""
        filename = getattr(sys.modules.get(module), '__file__', None)
        return isinstance(filename, str) and not os.path.abspath(filename).startswith(self._folders)


def opcodes_named(names):
    """Return the opcodes of these names, which may be globs.  Raises ValueError for a name without a match."""
    found = set()
    for name in names:
        matching = [opcode for known, opcode in dis.opmap.items() if fnmatchcase(known, name.upper())]
        if not matching:
            close = difflib.get_close_matches(name.upper(), dis.opmap, 1)
            hint = f'did you mean {close[0]}?' if close else 'dis.opmap lists the names'
            raise ValueError(f'there is no instruction {name!r}; {hint}')
        found.update(matching)
    return frozenset(found)
