"""The model at one moment of a run.

In the order of reading: ``learner`` (loading, encoding, saving), ``fixed`` (a base that only encodes in its place), ``shelf``
(the vectors of one state of the weights, each text encoded once), ``memory`` (when it runs out), ``collapse`` (whether everything
points one way), ``forgetting`` (how far back towards the base is best).
"""
