"""What compares the fork with stock CPython, and measures it; see README.rst of this folder.

All of it runs from the top of the repository, as in `python -m qa.compare`.  Nothing outside of this folder uses it.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]      # the top of the repository
