"""Compares the fork with stock CPython, and measures it; see README.rst in this folder.

Run the programs from the top of the repository, as in `python -m qa.compare`.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]      # the top of the repository
