"""The programs that are traced.  Each has run(), the same work every time, and
RESULT, what run() returns.
"""

NAMES = ('numeric', 'sudoku', 'parser', 'queueing')
