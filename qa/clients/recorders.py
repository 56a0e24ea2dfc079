"""Starts both recorders; recorders.pth imports this in each process for which FORK_RECORDERS is set."""

import codeblocks

edges = codeblocks.EdgeRecorder(counts=True)
edges.start()
try:
    import flightrecorder
except ImportError:
    pass        # a subinterpreter, which flightrecorder does not support
else:
    flightrecorder.start(1000)
