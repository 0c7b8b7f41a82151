"""The ports of an alias: its records, its indexes and what is owed on it.

In the order of reading: ``corpus``; ``index``, with ``filling`` (whole objects poured into a target) and ``stretching`` (vectors
taken out of one); ``outbox``, with ``paying`` (one payment, settled by what is seen). The store that hands them out is a floor
higher, in ``store.py``.
"""
