"""Everybody else's SQL, after the cutover: the view serves, and the database refuses a vector of the old space. Run 02 first.

Nothing here but psycopg and an encoder: this is a framework, a dashboard or a pod that nobody has updated.
"""

from __future__ import annotations

import ground
import psycopg
from pgvector import Vector
from transvase.core.connect import connect
from transvase.core.encoders import load
from transvase.core.fence import Fenced
from transvase.core.space import Role

NEAREST = "SELECT id, body FROM transvase.notes ORDER BY embedding <=> %s LIMIT 2"
question = "who may restart billing?"

store = connect(ground.STORE)
live = store.alias("notes").live
store.close()
db = ground.application()
print(f"live: {live.name}, {live.width} dimensions of which the model makes {live.space.dimension if live.space else '?'}")

# The encoder of the live index, padded to its stored width: what an application uses that writes its own SQL.
(vector,) = Fenced(load(live.encoder), live.width).encode([question], Role.QUERY).matrix
for row in db.execute(NEAREST, [Vector(vector)]):
    print("found:  ", row)

# A program that still has the old model. It has 384 dimensions as before, and gets an error instead of a wrong answer.
(stale,) = load(ground.OLD).encode([question], Role.QUERY).matrix
try:
    db.execute(NEAREST, [Vector(stale)]).fetchall()
except psycopg.Error as refusal:
    print("refused:", refusal.sqlstate, refusal)
else:
    raise SystemExit("a vector of the old space was taken")

# Nor can it put one among the new vectors.
try:
    db.execute(f'UPDATE transvase_control."{live.name}" SET embedding = %s', [Vector(stale)])
except psycopg.Error as refusal:
    print("refused:", refusal.sqlstate, refusal)
else:
    raise SystemExit("a vector of the old space was stored")
db.close()
