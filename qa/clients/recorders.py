"""Starts both recorders; recorders.pth imports this in each process for which FORK_RECORDERS is set."""

import codeblocks
import flightrecorder

flightrecorder.start(1000)
edges = codeblocks.EdgeRecorder(counts=True)
edges.start()
