"""Objects on both sides: read, compared, written, searched.

In the order of reading: ``cargo`` and ``messages`` (an object as the server gave it), ``reading``, ``writing``, ``texts``,
``setting`` (what every port of an alias stands on); the ports ``corpus``, ``index`` and ``outbox``; then what these put
together: ``filling``, ``walking`` (both sides in key order), ``sweep`` (by time), ``paying``, ``search`` (its ``conditions``)
and ``nearest``. What a walk must tell apart has a file each: ``unseen`` (written by strangers just now), ``dangling`` (references
that lead to nothing) and ``unfound`` (lost from the vector index by a power cut); ``census`` counts what is left.
"""
