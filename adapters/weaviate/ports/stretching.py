"""A stretch of one index for whoever computes another one's vectors from its own: what can be taken, and what cannot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from transvase.adapters.weaviate.comparing.walking import ill
from transvase.adapters.weaviate.objects.cargo import Vector
from transvase.adapters.weaviate.objects.setting import Setting
from transvase.adapters.weaviate.objects.texts import expression, recorded
from transvase.core.declaration import Declaration
from transvase.core.errors import NotReady
from transvase.core.figures import Stretch
from transvase.core.record import Key
from transvase.core.space import Vectors


def stretched(setting: Setting, declaration: Declaration, after: Key | None, *, limit: int) -> Stretch:
    """The next records with the vectors that the index holds for them; NotReady where nobody knows its Space."""
    space = declaration.space
    if space is None:
        raise NotReady("fill", f"nobody knows the space of {declaration.name}")
    shape, watched = setting.shape(declaration.site), setting.ledger.watch(setting.alias)
    try:
        seen = setting.stretch(shape, setting.lens(), after, limit=limit)
        open_ = setting.ledger.since(setting.alias, watched, among=[one.key for one in seen])
    finally:
        setting.ledger.unwatch(setting.alias, watched)
    read = expression(setting.look().source.text, shape)
    with_text = [one for one in seen if read(one.cargo.properties) is not None]
    good = [one for one in with_text if one.key not in open_ and ill(one.vector, width=declaration.width) is None]
    taken = {one.key for one in good}
    return Stretch(
        records=tuple(recorded(one, read) for one in good),
        vectors=Vectors(space, matrix_of([one.vector for one in good if one.vector is not None], width=declaration.width)),
        lacking=tuple(one.key for one in with_text if one.key not in taken),
        after=seen[-1].key if seen else after,
        passed=len(seen),
        bare=tuple(recorded(one, read) for one in seen if read(one.cargo.properties) is None),
    )


def matrix_of(vectors: Sequence[Vector], *, width: int) -> NDArray[np.float32]:
    """Vectors as rows; none as a matrix of no rows."""
    return np.array(vectors, dtype=np.float32).reshape(len(vectors), width)
