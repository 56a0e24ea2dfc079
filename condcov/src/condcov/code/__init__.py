"""The code under test: the decisions in its source, and the jumps in its bytecode that test them."""
