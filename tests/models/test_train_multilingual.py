"""A base that reads many scripts is trained, saved and read back like any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_collection import collection
from tiny_multilingual import write_tiny_multilingual
from transvase.core.encoders import load, space_of
from transvase.core.space import Role
from transvase.core.training import Rung, TrainSettings, train

pytestmark = pytest.mark.model

SIGNS = "0123456789кαボس弁ä"
ASKED = {"train": ("клапан {}", "{} ボイラー", "صمام {}"), "dev": ("βαλβίδα {}",)}
TEXTS = ["Ventil ä", "котел к", "ボイラー弁", "صمام س", "βαλβίδα α", "passage: Ventil"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_multilingual(tmp_path_factory.mktemp("bases") / "multilingual")


def test_every_script_becomes_pieces_that_the_model_knows(base: Path) -> None:
    from transformers import AutoTokenizer

    encoder, plain = load(str(base)), AutoTokenizer.from_pretrained(str(base))
    assert encoder.tokens(TEXTS) == [len(ids) for ids in plain(TEXTS)["input_ids"]]
    assert all(plain.unk_token_id not in ids for ids in plain(TEXTS)["input_ids"])
    vectors = encoder.encode(TEXTS, Role.DOCUMENT).matrix
    assert np.abs(vectors @ vectors.T - np.eye(len(TEXTS))).max() < 0.9999  # none is taken for another


def test_a_text_beside_longer_ones_keeps_its_vector(base: Path) -> None:
    """Padding is number 1 here and positions begin behind it."""
    encoder = load(str(base))
    alone = encoder.encode(["котел к"], Role.QUERY).matrix
    beside = encoder.encode(["котел к", "ボイラー弁 " * 12], Role.QUERY).matrix[:1]
    np.testing.assert_allclose(alone, beside, atol=2e-2)  # bf16, where that pays


def test_questions_in_one_script_learn_to_find_records_in_another(base: Path, tmp_path: Path) -> None:
    data = collection(tmp_path / "data", SIGNS, ASKED)
    guard = collection(tmp_path / "guard", [f"{one}{two}" for one in SIGNS[:8] for two in SIGNS[:8]], {"dev": ("{}",)})
    trained = train(
        TrainSettings(
            data=data,
            base=str(base),
            guard=guard,
            out=tmp_path / "tuned",
            rungs=(Rung.TUNE,),
            replay=None,
            negatives=0,
            crops=0,
            epochs=20,
            patience=100,
            batch=16,
            train_length=16,
            freeze=0,
            rate=1e-2,
        ),
        progress=lambda *_: None,
    )

    assert max(point.ndcg for point in trained.curve) > trained.base_ndcg + 0.05  # bases of four seeds gained 0.16 to 0.30
    tuned, before = load(str(trained.out)), space_of(str(base))
    assert tuned.space.id == trained.space
    assert (tuned.space.query_prompt, tuned.space.document_prompt) == ("query: ", "passage: ")
    assert tuned.space.max_length == before.max_length
    assert tuned.tokens(TEXTS) == load(str(base)).tokens(TEXTS)
