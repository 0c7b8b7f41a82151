"""How closely a graph agrees with torch, text by text: all sorts of texts, in batches of several shapes, in both roles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.encoders.probes import proving_texts
from transvase.core.encoders.tokens import legible
from transvase.core.errors import EncoderFailed
from transvase.core.ports import Encoder, Progress
from transvase.core.space import Role, Space, Vectors, cosines

TEXTS: Final = 200
"""Proving texts in each role."""

_SINGLES: Final = 24
"""Texts that are also encoded alone."""


def agreement(
    model: Any, space: Space, shapes: Sequence[Encoder], texts: Sequence[str], *, progress: Progress
) -> NDArray[np.float64]:
    """Cosines with sentence-transformers itself, float32, of every vector compared.

    ``shapes`` are the same graph driven in batches of several shapes: the first encodes every text, the others some of them.
    ``texts`` come on top of the proving texts, as documents. EncoderFailed when torch breaks.
    """
    proving = [*proving_texts(TEXTS), *texts]
    alike = space.query_prompt == space.document_prompt and not space.documents_of  # then both roles are one computation
    found: list[NDArray[np.float64]] = []
    for done, role in enumerate((Role.DOCUMENT, Role.QUERY)):
        progress("proving", done * len(proving), 2 * len(proving))
        some = proving if role is Role.DOCUMENT else proving[: _SINGLES if alike else TEXTS]
        wanted = by_torch(model, space, some, role=role)
        for number, graph in enumerate(shapes):
            count = len(some) if number == 0 else min(len(some), number * 2 * _SINGLES)
            ours = Vectors(space, graph.encode(some[:count], role).matrix)  # whether it is that Space is what is measured here
            found.append(_close(ours, wanted.take(range(count))))
    progress("proving", 2 * len(proving), 2 * len(proving))
    return np.concatenate(found)


def by_torch(model: Any, space: Space, texts: Sequence[str], *, role: Role) -> Vectors:
    """The same texts through sentence-transformers itself, in the role's own way, float32."""
    way = model.encode_query if role is Role.QUERY else model.encode_document
    try:
        rows = way([legible(text) for text in texts], batch_size=16, show_progress_bar=False)
    except Exception as error:  # torch has no common root of exceptions
        raise EncoderFailed(space.id, f"encoding failed ({error})") from error
    return Vectors(space, np.asarray(rows, dtype=np.float32))


def _close(one: Vectors, other: Vectors) -> NDArray[np.float64]:
    """Row by row cosine; two equal rows agree even where both are zero."""
    same = (one.matrix == other.matrix).all(axis=1)
    return np.asarray(np.where(same, 1.0, cosines(one, other)))
