"""What the driver's ``collection.data`` takes: the same names, arguments and answers; each write reaches both sides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self
from uuid import UUID, uuid4

from transvase.adapters.weaviate.mirror import live
from weaviate.collections.classes.batch import DeleteManyReturn
from weaviate.outputs.batch import BatchObjectReturn, BatchReferenceReturn

from .batch import Batches
from .given import Id, Own, Properties, References
from .hand import Hand
from .lacking import Partial
from .several import Several


class Data(Partial):
    """The writes of one alias, or of one of its tenants. Many threads may share it."""

    def __init__(self, hand: Hand) -> None:
        self._hand = hand

    @property
    def name(self) -> str:
        """The alias as the server knows it: by this name the driver reads what is written here."""
        return self._hand.collection

    def insert(
        self,
        properties: Properties | None = None,
        references: References | None = None,
        uuid: Id | None = None,
        vector: Own = None,
    ) -> UUID:
        """A new object; its id. StoreFailed where there is one of this id already."""
        return self._hand.whole(live.insert, uuid or uuid4(), properties, references, vector)

    def replace(
        self, uuid: Id, properties: Properties | None = None, references: References | None = None, vector: Own = None
    ) -> None:
        """The whole object anew. StoreFailed where there is none of this id."""
        self._hand.whole(live.replace, uuid, properties, references, vector)

    def update(
        self, uuid: Id, properties: Properties | None = None, references: References | None = None, vector: Own = None
    ) -> None:
        """Some properties of an object. A changed text gets its new vector, which the driver's own update leaves as it was.

        StoreFailed where there is no object of this id.
        """
        self._hand.change(uuid, properties, references, vector)

    def delete_by_id(self, uuid: Id) -> bool:
        """Delete the object; False where there was none."""
        return self._hand.delete(uuid)

    delete = delete_by_id

    def delete_many(self, where: object, *, verbose: bool = False, dry_run: bool = False) -> DeleteManyReturn[Any]:
        """Delete what meets the driver's filter (or the ids of a list) now; what comes to meet it meanwhile may stay.

        All of it, where the driver stops after what the server looks up at once (10,000). ``dry_run`` only asks the server.
        """
        return (self._hand.would_delete if dry_run else self._hand.delete_all)(where, verbose=verbose)

    def insert_many(self, objects: Iterable[object]) -> BatchObjectReturn:
        """Several objects, over what is there: mappings of properties, or DataObjects. Of one id the last one counts.

        What was refused is among the answer's ``errors``; where all was, that is an error.
        """
        return Several(self._hand).insert(objects)

    def ingest(self, objs: Iterable[object]) -> BatchObjectReturn:
        """Any number of such objects, written as they come; what was refused is told and never raised."""
        batches = Batches(self._hand)
        with batches.stream() as batch:
            for one in objs:
                batch.add(one)
        return batches.results.objs

    def reference_add(self, from_uuid: Id, from_property: str, to: object) -> None:
        """Add references of a property: an id, several, or the driver's ReferenceToMulti."""
        self._hand.refer(from_uuid, from_property, to, how="POST")

    def reference_add_many(self, refs: Iterable[object]) -> BatchReferenceReturn:
        """Add what the driver's DataReferences say. What was refused is among the answer's ``errors``."""
        return Several(self._hand).refer(refs)

    def reference_delete(self, from_uuid: Id, from_property: str, to: object) -> None:
        """Take references away."""
        self._hand.refer(from_uuid, from_property, to, how="DELETE")

    def reference_replace(self, from_uuid: Id, from_property: str, to: object) -> None:
        """Let a property refer to these alone."""
        self._hand.refer(from_uuid, from_property, to, how="PUT")

    def exists(self, uuid: Id) -> bool:
        """True where the live side has an object of this id."""
        return self._hand.exists(uuid)

    def with_data_model(self, data_model: type[Any]) -> Self:
        """The same: the driver's generics tell a checker of types what the properties are, and nothing else."""
        del data_model
        return self

    @property
    def _named(self) -> str:
        return self._hand.desk.setting.alias
