"""Fixtures: the real builds of this repository."""

from support.builds import builddir, python, root, stock_python  # noqa: F401
