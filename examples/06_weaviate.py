"""A collection on Weaviate, and what its application changes once: it reads through the Retriever and writes through Mirror.

It wants a fresh server of its own, since it makes and deletes collections there, and takes its two ports:

    docker run -p 8080:8080 -p 50051:50051 -e AUTOSCHEMA_ENABLED=false cr.weaviate.io/semitechnologies/weaviate:1.39.0
    python examples/06_weaviate.py 8080 50051
"""

from __future__ import annotations

import sys

import ground
import weaviate
from transvase.adapters.weaviate.mirror import Mirror
from transvase.core.connect import connect
from transvase.core.encoders import load
from transvase.core.migration import Phase
from transvase.core.ports import Source
from transvase.core.retriever import Retriever
from transvase.core.space import Role
from transvase.migrations.adopt import adopt
from transvase.migrations.encoding import shared
from transvase.migrations.migrate import migrate
from transvase.migrations.retire import retire
from transvase.migrations.rollback import rollback
from weaviate.classes.config import Configure, DataType, Property
from weaviate.exceptions import WeaviateBaseError

ground.models()
rest, grpc = (int(port) for port in sys.argv[1:] or ("8080", "50051"))
url = f"weaviate://localhost:{rest}?grpc={grpc}&journal={ground.PLACE / f'weaviate-{rest}.sqlite'}"
client = weaviate.connect_to_local(port=rest, grpc_port=grpc)
if client.collections.list_all(simple=True):
    sys.exit("there are collections on this server: give the example one of its own")

# Before: the application makes its vectors and knows the collection by name.
old = load(ground.OLD)
notes = client.collections.create(
    "Notes",
    vector_config=Configure.Vectors.self_provided(),
    properties=[Property(name=name, data_type=DataType.TEXT) for name in ("team", "body")],
)
with notes.batch.fixed_size(200) as batch:
    for team in ground.TEAMS:
        bodies = [note.format(team) for note in ground.NOTES]
        for body, vector in zip(bodies, old.encode(bodies, Role.DOCUMENT).matrix, strict=True):
            batch.add_object({"team": team, "body": body}, vector=vector.tolist())
stale = old.encode(["may we drink coffee near the machines?"], Role.QUERY).matrix[0].tolist()
print("before:", notes.query.near_vector(stale, limit=1).objects[0].properties["body"])

# Once: an alias, since a collection cannot be renamed, and the two doors.
store, encoders = connect(url), shared(load)
source = Source(table="Notes", key=(), text="{body}", vector="")
adopt(store, "handbook", source=source, encoder=ground.OLD, encoders=encoders)
reader = Retriever.connect(url, "handbook", encoders=encoders)
writer = Mirror.connect(url, "handbook", encoders=encoders)


def asked(question: str) -> str:
    """The best hit; the first answer after a switch tells the reader of it, so ask twice."""
    reader.search(question, k=1)
    return reader.search(question, k=1, lexical=0.3)[0].text


# After: writes bring no vectors, reach both sides while a migration is open, and follow every switch.
migrate(store, "handbook", encoders=encoders, to=ground.NEW)
made = writer.data.insert({"team": "storage", "body": "No coffee is drunk in the machine room."})
migrate(store, "handbook", encoders=encoders, until=Phase.LIVE)
print("after: ", asked("may we drink coffee near the machines?"))

# Whoever still brings old vectors through the alias is refused by the server itself.
try:
    client.collections.use("Handbook").query.near_vector(stale, limit=1)
except WeaviateBaseError as refusal:
    print("refused:", str(refusal)[-80:])

rollback(store, "handbook", encoders=encoders)
writer.data.update(made, {"body": "No coffee and no tea is drunk in the machine room."})
print("back:  ", asked("may we drink tea near the machines?"))

migrate(store, "handbook", encoders=encoders, until=Phase.LIVE)
print("again: ", asked("may we drink tea near the machines?"))
print("ended: ", retire(store, "handbook", take_name=True).figures["done"])
print("the old name leads there too:", client.collections.use("Notes").query.fetch_object_by_id(made) is not None)
for one in (writer, reader, store, client):
    one.close()
