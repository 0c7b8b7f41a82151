"""Move the alias of example 01 into another space and back, while the application goes on writing. Run 01 first."""

from __future__ import annotations

import ground
from transvase.core.connect import connect
from transvase.core.encoders import load
from transvase.core.migration import Phase
from transvase.core.retriever import Retriever
from transvase.migrations.encoding import shared
from transvase.migrations.migrate import migrate
from transvase.migrations.rollback import rollback
from transvase.migrations.sync import pay_once

store, encoders = connect(ground.STORE), shared(load)
notes = Retriever(store, "notes", encoders=encoders)
question = "may we drink coffee near the machines?"


def asked() -> str:
    """Where the answer came from, and what it is. The first answer after a switch tells the reader of it, so ask twice."""
    notes.answer(question, k=1)
    found = notes.answer(question, k=1)
    return f"{found.space}: {found.hits[0].text}"


# As far as the proof: the target is filled and checked beside the live index, and readers notice nothing.
migrate(store, "notes", encoders=encoders, to=ground.NEW)
print("before ", asked())

# From here to live in one transaction.
migrate(store, "notes", encoders=encoders, until=Phase.LIVE)
print("after  ", asked())

# The application writes texts and no vectors; the worker (`transvase sync`) gives both sides theirs.
with ground.application() as db:
    db.execute("INSERT INTO notes (team, body) VALUES ('storage', 'No coffee is drunk in the machine room.')")
while store.outbox("notes").owed():
    pay_once(store, "notes", encoders)
print("written", asked())

# Back: the old side has received that write too.
rollback(store, "notes", encoders=encoders)
print("back   ", asked())
assert "coffee" in asked()

# Forward again, through a new proof.
outcome = migrate(store, "notes", encoders=encoders, until=Phase.LIVE)
print("forward", asked(), "|", outcome.migration.phase)
store.close()
