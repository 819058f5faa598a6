"""Measuring speed. Kept empty, so that a process which times its own start loads nothing that it does not need.

timing.py    calls that take turns, figures with their spread, the machine's facts
inputs.py    generated clips of the shapes that a model was made for
fresh.py     what needs a process of its own: the first answer, peak memory
measure.py   all of it for one model, as a record and as tables
"""
