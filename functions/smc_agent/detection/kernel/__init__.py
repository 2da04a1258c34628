"""The state machine of detection, compiled: `run.run` works bars through the steps of the rules, nothing else does.

This is Python that numba compiles (`compiling`): no exceptions, no new arrays, no functions but these and NumPy's
numbers. `native` sees to it that what runs was compiled from the text that stands here.

Bars are worked in blocks. What depends on prices alone is found out in passes over the block (`ahead`); each bar's own
work, `run.step`, then looks at one word that says what it has. Cost per bar does not grow with the number of live
zones: a bar looks at the next of twelve queues (`queues`).
"""
