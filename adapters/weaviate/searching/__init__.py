"""Searches of one collection by its physical name, and what they mean there.

In the order of reading: ``described`` (the collection as searches know it), ``conditions`` (what ``where`` means), ``search``
(one request and its hits) and ``nearest`` (exact, where the server has no such search).
"""
