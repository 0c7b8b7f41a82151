"""A fill pours whole objects, again and again without harm, and never over what was written since it read."""

from __future__ import annotations

import numpy as np
import pytest
from transvase.adapters.weaviate.collections.shape import shape_of
from transvase.adapters.weaviate.objects.reading import Lens, page
from transvase.core.errors import BadValue, NotReady, SpaceMismatch, Superseded
from transvase.core.figures import Place
from transvase.core.record import Record
from weaviate_objects import ALIAS, NEW, OLD, WIDTH, Plot, encoded, uid

pytestmark = pytest.mark.weaviate

SCHEMA = {"invertedIndexConfig": {"indexTimestamps": True}}


def carrying(plot: Plot) -> list[Record]:
    shape = shape_of(plot.connection, plot.live.site)
    seen = page(plot.connection, shape, Lens("", vector=False), after=None, limit=1_000)
    return [Record(one.key, str(one.cargo.properties["body"]), cargo=one) for one in seen]


def test_a_fill_copies_everything_with_its_new_vectors_and_keeps_the_place(plot: Plot) -> None:
    for number in range(8):
        plot.write(number, f"text {number}")
    plot.write(50, None)
    index = plot.index(plot.shadow)
    assert index.place() == Place()
    assert plot.fill(index) == 8
    place = plot.index(plot.shadow).place()
    assert (place.finished, place.done) == (True, 9)
    assert plot.alike()
    keys, vectors = index.vectors([(uid(3),)])
    assert (keys, vectors is not None) == ([(uid(3),)], True)
    assert vectors is not None
    assert np.array_equal(vectors.matrix, encoded(NEW, ["text 3"], WIDTH + 1).matrix)
    assert plot.fill(index) == 0, "filled again, nothing changes"


def test_what_changed_since_it_was_read_is_not_written(plot: Plot) -> None:
    for number in range(3):
        plot.write(number, f"text {number}")
    records = plot.corpus.after(None, limit=10)
    vectors = encoded(NEW, [record.text or "" for record in records], WIDTH + 1)
    plot.write(0, "edited")
    plot.application.delete(plot.live.site, uid(1))
    assert plot.index(plot.shadow).fill(records, vectors, place=Place()) == 1
    assert [one["properties"]["body"] for one in plot.application.all(plot.shadow.site)] == ["text 2"]


def test_a_watched_fill_leaves_alone_what_left_an_entry(plot: Plot) -> None:
    """Records that were read under the watch are written blindly; what was mirrored since, or meanwhile, is not overwritten."""
    for number in range(3):
        plot.write(number, f"text {number}")
    index = plot.index(plot.shadow)
    first = carrying(plot)
    assert index.fill(first[:1], encoded(NEW, [first[0].text or ""], WIDTH + 1), place=Place(first[0].key, done=1)) == 1
    records = carrying(plot)
    edited = records[1].key[0]
    number = next(n for n in range(3) if uid(n) == edited)
    entries = plot.ledger.intend(ALIAS, [records[1].key], first=plot.live.site)
    plot.write(number, "mirrored")
    plot.mend(number, "mirrored")
    plot.ledger.settle(ALIAS, entries)
    vectors = encoded(NEW, [record.text or "" for record in records], WIDTH + 1)
    assert index.fill(records, vectors, place=Place(records[-1].key, finished=True, done=3)) == 2
    found = plot.application.one(plot.shadow.site, uid(number))
    assert found is not None
    assert found["properties"]["body"] == "mirrored"
    assert index.census().stale == 0


def test_what_lacks_a_vector_is_left_owed_to_this_site_alone(plot: Plot) -> None:
    plot.write(1, "a")
    plot.index(plot.shadow).fill([], encoded(NEW, [], WIDTH + 1), place=Place((uid(1),), done=1), lacking=[(uid(1),)])
    assert [(debt.key, debt.only) for debt in plot.outbox.read(limit=5)] == [((uid(1),), plot.shadow.site)]


def test_a_fill_is_refused_where_it_must_be(plot: Plot) -> None:
    plot.write(1, "a")
    records = plot.corpus.after(None, limit=5)
    index, good = plot.index(plot.shadow), encoded(NEW, ["a"], WIDTH + 1)
    with pytest.raises(SpaceMismatch):
        index.fill(records, encoded(OLD, ["a"], WIDTH + 1), place=Place())
    with pytest.raises(BadValue):
        index.fill(records, encoded(NEW, ["a"], WIDTH), place=Place())
    with pytest.raises(BadValue):
        index.fill([*records, *records], good, place=Place())
    with pytest.raises(NotReady):
        plot.index(plot.live).fill(records, encoded(OLD, ["a"], WIDTH), place=Place())
    assert plot.application.all(plot.shadow.site) == []
    plot.application.web.delete(f"/v1/schema/{plot.shadow.site}")
    with pytest.raises(Superseded):
        index.fill(records, good, place=Place())
    assert plot.application.web.get(f"/v1/schema/{plot.shadow.site}").status_code == 404


def test_a_stretch_tells_what_is_lacking(plot: Plot) -> None:
    plot.write(1, "a")
    plot.write(2, None)
    plot.application.put(plot.live.site, {"id": str(uid(3)), "properties": {"body": "without"}})
    plot.ledger.owe(ALIAS, [plot.write(4, "owed")])
    found = plot.index(plot.live).stretch(None, limit=10)
    assert [record.key for record in found.records] == [(uid(1),)]
    assert set(found.lacking) == {(uid(3),), (uid(4),)}
    assert (found.passed, len(found.vectors)) == (4, 1)
    assert found.records[0].digest is not None
    assert [(record.key, record.text, record.cargo is not None) for record in found.bare] == [((uid(2),), None, True)]
    assert plot.index(plot.live).stretch(found.after, limit=10).passed == 0


# ---------------------------------------------------------------- searching
