"""Collections as such: what one is, what may stand against taking it, and what the server keeps of ours.

In the order of reading: ``names``, ``schema`` (as the server has it, letter by letter), ``shape`` (what of it everything else
asks for), ``tenants``, ``inspect`` (what is adopted), ``modules`` (of which text), ``outlook`` and ``rights`` (what a move will
meet and need), ``control`` (the collection in which readers on other hosts find the aliases).
"""
