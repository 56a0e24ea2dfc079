"""The packages of condcov depend on each other in one direction."""

import ast
import pathlib

import pytest

import condcov

ROOT = pathlib.Path(condcov.__file__).parent

# Each layer may import from the earlier ones.
LAYERS = [
    {'digests', 'errors', 'isolated', 'late', 'lazy_coverage', 'progress', 'seen', 'span'},
    {'model'},
    {'config', 'data'},
    {'code'},
    {'record', 'analysis'},
    {'report'},
    {'command'},
    {'cli'},
    {'pytest_plugin', '__main__'},
]


def imports(path):
    """The names of the condcov modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            package, *rest = node.module.split('.')
            if package == 'condcov':
                yield from rest[:1] or [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split('.')[1] for alias in node.names if alias.name.startswith('condcov.'))


def layer(name):
    return next(number for number, names in enumerate(LAYERS) if name in names)


@pytest.mark.parametrize('path', sorted(ROOT.rglob('*.py')), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_in_one_direction(path):
    own = path.relative_to(ROOT).parts[0].removesuffix('.py')
    if own == '__init__':
        assert set(imports(path)) == {'lazy_coverage'}
        return
    for name in set(imports(path)) - {own}:
        assert layer(name) < layer(own), name
