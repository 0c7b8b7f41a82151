"""The life of an alias and of its two sides.

In the order of reading: ``aliases`` (what is known of one), ``lifecycle`` (adopted, made, given up), ``pinning`` (widths held),
``pointing`` (the switch), ``agreement`` (all nodes), ``tail`` (what the old side got meanwhile), ``retiring``, with ``leaving``
(nobody writes there any more) and ``removing`` (a name that may be somebody else's), ``witness``, ``likeness`` and ``watch`` (how
readers learn of it).
"""
