"""Readers who compute every score again, and tell what the server said for a moment from what it holds.

The server searches each shard first and looks the objects up afterwards (1.39). What it does not find then leaves its distance to
the next of that shard: without any of us too, on one node that was never away, with objects that nobody writes as well, in one of
200 searches beside three writers, and once three times running within 0.1 s. Such an answer is right when it is asked for again,
and every copy holds each text with its own vector meanwhile. Whatever else is wrong is ours.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import httpx
import numpy as np
from costless import HashEncoder
from transvase.core.declaration import Declaration
from transvase.core.record import Hit
from transvase.core.retriever import Retriever
from transvase.core.space import Role
from weaviate_independent import Json
from weaviate_server import Node
from weaviate_walk import ENCODERS, text_of

CLOSE: Final = 1e-3
"""What a score may differ by: the server computes in single precision."""
TORN_S: Final = 5.0
"""How long answers may be wrong about what is held rightly."""
ASK_S: Final = 2.0


@dataclass
class Searcher:
    """One thread that searches; each answer's scores are computed again for the side that it names.

    ``web`` speaks to a node of the cluster: what an answer is wrong about is looked at in every copy, at once.
    """

    retriever: Retriever
    web: httpx.Client
    table: str
    rows: int
    sides: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    """Wrong scores that are those of the other side's Space."""
    torn: int = 0
    slowest_s: float = 0.0

    def step(self) -> None:
        text = text_of(len(self.sides) % self.rows)
        wrong = self._asked(text)
        self.torn += bool(wrong)
        end = time.monotonic() + TORN_S
        while wrong and time.monotonic() < end:
            wrong = self._asked(text)
        self.wrong += wrong

    def _asked(self, text: str) -> list[str]:
        begun = time.monotonic()
        found = self.retriever.answer(text, 5)
        self.slowest_s = max(self.slowest_s, time.monotonic() - begun)
        names = ("old", "new") if found.index == self.table else ("new", "old")
        self.sides.append(found.index)
        wrong = [] if found.hits else [f"{text!r}: {found.index} answered with nothing"]
        for hit in found.hits:
            right, other = (_likeness(name, text, hit.text or "") for name in names)
            if abs(right - hit.score) > CLOSE:
                wrong.append(f"{hit.key} of {found.index}: {hit.score} and not {right} as {hit.text!r}")
                if abs(other - hit.score) < CLOSE / 10:
                    self.mixed.append(wrong[-1])
        if wrong:
            self.wrong += held_wrongly(self.web, found.index, found.hits, ENCODERS[names[0]])
        return wrong


def _likeness(name: str, text: str, other: str) -> float:
    query, row = (ENCODERS[name].encode([one], role).matrix[0] for one, role in ((text, Role.QUERY), (other, Role.DOCUMENT)))
    return float(query @ row)


def held_wrongly(web: httpx.Client, name: str, hits: Sequence[Hit], encoder: HashEncoder) -> list[str]:
    """Which node has a copy of one of these whose vector is not that of the text beside it."""
    found = []
    for hit in hits:
        for node, one in _copies(web, name, UUID(str(hit.key[-1]))):
            held = np.array(one.get("vector") or [], dtype=np.float32)
            row = encoder.encode([one["properties"]["body"]], Role.DOCUMENT).matrix[0]
            if held.size < row.size or not np.allclose(held, np.pad(row, (0, held.size - row.size)), atol=CLOSE):
                found.append(f"{node} holds {hit.key} of {name} with another vector than that of {one['properties']['body']!r}")
    return found


def _copies(web: httpx.Client, name: str, key: UUID) -> Iterator[tuple[str, Json]]:
    """The object as each node has it that answers: its name, and what it holds."""
    try:
        nodes = [one["name"] for one in web.get("/v1/nodes", timeout=ASK_S).json()["nodes"]]
    except (httpx.HTTPError, KeyError, ValueError):
        return
    for node in nodes:
        options = {"include": "vector", **({"node_name": node} if len(nodes) > 1 else {})}
        try:
            answer = web.get(f"/v1/objects/{name}/{key}", params=options, timeout=ASK_S)
        except httpx.HTTPError:
            continue
        if answer.status_code == 200:
            yield node, answer.json()


def askew(nodes: Sequence[Node], side: Declaration, *, most_s: float = TORN_S) -> list[str]:
    """Distances of a search for all objects, at each node, that are not those of the vectors beside them; when nobody writes."""
    end = time.monotonic() + most_s
    while True:
        found = [said for node in nodes for said in _askew(node, side)]
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.5)


def _askew(node: Node, side: Declaration) -> list[str]:
    query = np.random.default_rng(0).standard_normal(side.width).astype(np.float32)
    wanted = f"{side.site}(limit: 10000, nearVector: {{vector: {query.tolist()}}}) {{ _additional {{ id distance vector }} }}"
    answer = httpx.post(f"http://127.0.0.1:{node.rest}/v1/graphql", json={"query": f"{{ Get {{ {wanted} }} }}"}, timeout=60)
    found = []
    for one in (row["_additional"] for row in answer.json()["data"]["Get"][side.site]):
        held = np.array(one["vector"], dtype=np.float32)
        away = 1 - float(held @ query) / float(np.linalg.norm(held) * np.linalg.norm(query))
        if abs(away - one["distance"]) > CLOSE:
            found.append(f"{node.name} tells {one['distance']} and not {away} of {one['id']} of {side.site}")
    return found
