"""One object, there and back: read, told apart by copies, written whole.

In the order of reading: ``cargo`` and ``messages`` (an object as the server gave it), ``reading`` (as one node tells it) and
``copies`` (as a majority does), ``texts``, ``writing`` with ``standing`` (what references lead to meanwhile), ``wakings``
(tenants awake for our work) and ``setting``: what every port of an alias stands on.
"""
