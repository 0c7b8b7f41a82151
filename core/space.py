"""What a vector space is, and the matrix that cannot forget which one it belongs to.

Two vectors may be compared only when their Spaces are equal. A Space is the sum of the facts that change a vector; its
``id`` is a digest of those facts, so that nobody has to remember to choose a new name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .errors import BadValue, SpaceMismatch

FLOOR: Final = 0.999
"""The least cosine, on every probe text, at which a faster variant still writes into the same Space (bf16 measured
0.99997; int8 per channel 0.987, whose top ten differ by an eighth: that is a Space of its own)."""

UNKNOWN: Final = "unknown"
"""The label of an index whose encoder nobody knows. It equals no Space, itself included."""


class Role(StrEnum):
    """What a text is encoded as: models with prompts treat the two differently."""

    QUERY = "query"
    DOCUMENT = "document"


class Side(StrEnum):
    """Whose vectors a matrix moves: those of both roles, or the queries' alone."""

    BOTH = "both"
    QUERY = "query"


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The facts that change a vector. ``weights``, ``tokenizer`` and ``modules`` are digests of content, never of places.

    ``derived_from`` is the id of the Space whose vectors, times one matrix and then normalised, are this one's (a linear
    adapter, a Matryoshka cut). ``documents_of`` is the id of the Space whose document vectors these are, unchanged: only
    the queries differ. Both are empty for a Space that stands for itself.
    """

    weights: str
    tokenizer: str
    modules: str
    pooling: str
    query_prompt: str
    document_prompt: str
    normalised: bool
    max_length: int
    dimension: int
    derived_from: str = ""
    documents_of: str = ""

    @property
    def id(self) -> str:
        """``s`` and 16 hexadecimal digits: the digest of all the facts above."""
        return _id(self)

    @property
    def documents(self) -> str:
        """The id of the Space that the document vectors belong to: two Spaces that agree in it can share one index."""
        return self.documents_of or self.id

    def adapted(self, matrix: str, *, dimension: int, side: Side) -> Space:
        """The Space of this one's vectors times a matrix, normalised again.

        ``matrix`` is a digest of its content, ``dimension`` what it leads to. On the query's side alone the documents stay,
        and with them the dimension; BadValue where it differs, or is none.
        """
        if dimension < 1 or (side is Side.QUERY and dimension != self.dimension):
            why = f"documents that stay have {self.dimension}" if side is Side.QUERY else "a matrix leads to 1 or more"
            raise BadValue("dimension", dimension, why=why)
        rest = replace(
            self,
            weights=_digest(["adapted", self.weights, matrix]),
            modules=_digest(["adapted", self.modules, str(side)]),
        )
        if side is Side.QUERY:
            return replace(rest, derived_from="", documents_of=self.documents)
        return replace(rest, dimension=dimension, normalised=True, derived_from=self.id, documents_of="")

    def as_json(self) -> dict[str, object]:
        """The facts and the id, as they are written into ``space.json`` and into the database."""
        return {"id": self.id, **_facts(self)}

    @classmethod
    def from_json(cls, facts: Mapping[str, object]) -> Space:
        """Read back what ``as_json`` wrote; BadValue when the recorded id is not the digest of the recorded facts."""
        rest = {name: fact for name, fact in facts.items() if name != "id"}
        try:
            space = cls(**rest)  # type: ignore[arg-type]  # the digest below proves names and types alike
        except TypeError as error:
            raise BadValue("space", sorted(rest), why=f"these are not the facts of a space ({error})") from error
        if facts.get("id") != space.id:
            raise BadValue("space", facts.get("id"), why=f"its facts give {space.id}: it was edited by hand or damaged")
        return space


@lru_cache(maxsize=1024)
def _id(space: Space) -> str:
    """Remembered, because a reader compares it in every search."""
    return "s" + _digest(_facts(space))[:16]


def _facts(space: Space) -> dict[str, object]:
    """All facts by name; one that came later is left out where it says nothing, for ids are stored and must stay."""
    facts: dict[str, object] = asdict(space)
    if not space.documents_of:
        del facts["documents_of"]
    return facts


def _digest(facts: object) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """A float32 matrix, one row a text, that knows its Space. Its width is the Space's dimension plus the fence, if any."""

    space: Space
    matrix: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.matrix.ndim != 2 or self.matrix.dtype != np.float32:
            raise BadValue("vectors", (self.matrix.shape, str(self.matrix.dtype)), why="a float32 matrix of rows is needed")
        if self.matrix.shape[1] < self.space.dimension:
            raise BadValue("vectors", self.matrix.shape, why=f"space {self.space.id} has {self.space.dimension} dimensions")

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    @property
    def width(self) -> int:
        """Stored dimensions, the fence included."""
        return int(self.matrix.shape[1])

    def of(self, space: Space | None, *, where: str) -> NDArray[np.float32]:
        """The bare matrix, handed out only to the holder of the same Space; SpaceMismatch otherwise."""
        if space != self.space:
            raise SpaceMismatch(expected=space.id if space else UNKNOWN, found=self.space.id, where=where)
        return self.matrix

    def take(self, rows: Sequence[int]) -> Vectors:
        """These rows, in this order."""
        return Vectors(self.space, self.matrix[np.asarray(rows, dtype=np.intp)])


def cosines(left: Vectors, right: Vectors) -> NDArray[np.float64]:
    """Row by row cosine, shape (n,), of two sets of one Space; zero and non-finite vectors give 0. SpaceMismatch otherwise."""
    a, b = left.matrix.astype(np.float64), right.of(left.space, where="cosines").astype(np.float64)
    width = max(a.shape[1], b.shape[1])
    a, b = (np.pad(m, ((0, 0), (0, width - m.shape[1]))) for m in (a, b))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        result = (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    finite: NDArray[np.float64] = np.nan_to_num(result, nan=0.0, posinf=0.0, neginf=0.0)
    return finite
