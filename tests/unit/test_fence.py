"""The fence dimension: chosen in one place, applied in one place."""

from __future__ import annotations

import pytest
from costless import HashEncoder
from transvase.core.errors import BadValue
from transvase.core.fence import Fenced, fence
from transvase.core.space import Role, cosines


@pytest.mark.parametrize(
    ("native", "occupied", "width"),
    [(384, 384, 385), (384, 385, 384), (384, 768, 384), (768, 384, 768), (2000, 2000, 2000), (1999, 1999, 2000)],
)
def test_a_target_is_never_as_wide_as_what_it_replaces_while_the_type_has_room(native: int, occupied: int, width: int) -> None:
    assert fence(native, occupied=occupied, limit=2000) == width


def test_where_no_limit_is_met_there_is_always_a_fence() -> None:
    assert fence(65_000, occupied=65_000, limit=None) == 65_001
    assert fence(384, occupied=768, limit=None) == 384


def test_a_fenced_encoder_pads_with_zeros_and_stays_in_its_space() -> None:
    encoder = HashEncoder(dimension=8)
    fenced = Fenced(encoder, 9)
    vectors = fenced.encode(["one", "two"], Role.QUERY)
    assert vectors.matrix.shape == (2, 9)
    assert not vectors.matrix[:, 8].any()
    assert vectors.space == fenced.space == encoder.space
    assert cosines(vectors, encoder.encode(["one", "two"], Role.QUERY)) == pytest.approx([1, 1])


def test_no_fence_leaves_the_vectors_as_they_are() -> None:
    encoder = HashEncoder(dimension=8)
    assert Fenced(encoder, 8).encode(["one"], Role.DOCUMENT).width == 8


def test_no_texts_give_no_rows_of_the_stored_width() -> None:
    assert Fenced(HashEncoder(dimension=8), 9).encode([], Role.DOCUMENT).matrix.shape == (0, 9)


def test_a_fence_never_cuts() -> None:
    with pytest.raises(BadValue, match="8 dimensions, which do not fit"):
        Fenced(HashEncoder(dimension=8), 7)


def test_name_and_token_counts_are_those_of_the_encoder_inside() -> None:
    encoder = HashEncoder("plain", dimension=8)
    assert Fenced(encoder, 9).name == "plain"
    assert Fenced(encoder, 9).tokens(["a b c"]) == encoder.tokens(["a b c"])
