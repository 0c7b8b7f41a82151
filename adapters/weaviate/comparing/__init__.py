"""Two sides beside each other: what differs, what is newer, and what is no difference.

In the order of reading: ``walking`` (both sides in key order), ``sweep`` (by the time of the last change), ``newest`` (which side
has a key's newest state). What a walk must tell apart has a file each: ``unseen`` (written by strangers just now), ``dangling``
(references that lead to nothing) and ``unfound`` (lost from the vector index by a power cut; ``graph`` has walks look for it);
``census`` counts what is left.
"""
