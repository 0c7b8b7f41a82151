"""Take an existing table under an alias, after a proof of which encoder made its vectors, and search through it."""

from __future__ import annotations

import ground
from transvase.core.connect import connect
from transvase.core.encoders import load
from transvase.core.errors import ForeignVectors
from transvase.core.ports import Source
from transvase.core.retriever import Retriever
from transvase.migrations.adopt import adopt
from transvase.migrations.encoding import shared

ground.models()
ground.table()

store, encoders = connect(ground.STORE), shared(load)
source = Source(table="notes", key=("id",), text="body", vector="embedding")

# The wrong model has the right number of dimensions. A sample is encoded again, and the adoption refused.
try:
    adopt(store, "notes", source=source, encoder=ground.NEW, encoders=encoders)
except ForeignVectors as refusal:
    print("refused:", refusal)
assert store.aliases() == []

taken = adopt(store, "notes", source=source, encoder=ground.OLD, encoders=encoders)
print("adopted:", taken.declaration.name, "of space", taken.declaration.label)

with Retriever(store, "notes") as notes:
    for hit in notes.search("who may restart billing?", k=3, where={"team": "billing"}):
        print(f"{hit.score:.3f}  {hit.key}  {hit.text}")
store.close()
