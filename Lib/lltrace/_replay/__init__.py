"""The page of --replay: a recorded run, which can be stepped through forwards and backwards.

While the program runs:

    recorder.py     the trace function: decides what happened at each step
    state.py        what is visible at a step, and what has changed since the step before
    values.py       values as text, without running code of the program
    printed.py      what the program prints

When it has ended:

    recording.py    the format of a recording, and what is stored in it
    codes.py        what the page needs to know about the code that ran
    page.py         puts the recording, page/*.js and page/style.css into one file

page/main.js lists the modules of the page.
"""
