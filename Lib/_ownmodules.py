"""Builtins and library modules for code that watches a program.

The program can replace builtins, and functions of modules in the library.  Code
that runs at its events uses copies, which nobody else has:

    from _ownmodules import __builtins__, load

    dis = load('dis')

The import statement must come before the functions of the module: a function gets
the __builtins__ that its module has when it is defined.
"""

import builtins
import importlib.util

__builtins__ = vars(builtins).copy()


def load(name, **names):
    """Return a new copy of a module, which is not in sys.modules.

    It has these builtins.  names are set in it afterwards, such as the modules that
    it should use in place of those it has imported.
    """
    spec = importlib.util.find_spec(name)
    module = importlib.util.module_from_spec(spec)
    module.__builtins__ = __builtins__
    spec.loader.exec_module(module)
    vars(module).update(names)
    return module
