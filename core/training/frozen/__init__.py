"""The rungs on frozen vectors: a matrix is fitted behind the encoder, which itself learns nothing.

In the order of reading: ``adapting`` (the two rungs), ``examples`` (what belongs together, by row), ``adapter`` (fitting the
matrix), ``graft`` (putting it behind a model, by files alone).
"""
