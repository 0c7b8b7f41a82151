"""The parts of a fine-tuning on a real, tiny model: the loss against what the library has, caches, freezing, memory."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_model import write_tiny_model
from transvase.core.errors import EncoderFailed
from transvase.core.space import Role
from transvase.core.training.lessons.mining import Mining, mined_table
from transvase.core.training.lessons.table import Table
from transvase.core.training.tuning.attention import Attention
from transvase.core.training.tuning.freezing import upper_layers, without_dropout
from transvase.core.training.tuning.loss import Guide, embed_by_length, loss_for
from transvase.core.training.weights.learner import Learner, load
from transvase.core.training.weights.memory import halving, out_of_memory
from transvase.core.training.weights.shelf import Shelf

pytestmark = pytest.mark.model

ROWS = 24


def silent(_: str, __: int, ___: int) -> None:
    """Nobody watches."""


@pytest.fixture
def learner(tmp_path: Path) -> Learner:
    return load(str(write_tiny_model(tmp_path / "base", prompts={"query": "query: ", "document": "passage: "})))


def table(*, avoid: dict[int, set[int]] | None = None, weights: list[float] | None = None) -> Table:
    """A question and an answer in each row, of different lengths."""
    numbers = np.arange(ROWS)
    given = np.ones(ROWS, dtype=np.float32) if weights is None else np.asarray(weights, dtype=np.float32)
    return Table(
        queries=tuple(f"{'valve ' * (row % 5)}{row}" for row in range(ROWS)),
        query_ids=tuple(f"q{row}" for row in range(ROWS)),
        documents=tuple(f"boiler {'invoice ' * (row % 7)}{row}" for row in range(ROWS)),
        document_ids=tuple(f"d{row}" for row in range(ROWS)),
        rows=np.stack([numbers, numbers], axis=1),
        weights=given,
        families=numbers,
        avoid=tuple(frozenset({row} | (avoid or {}).get(row, set())) for row in range(ROWS)),
        groups=np.zeros(ROWS, dtype=np.int64),
    )


def value_and_gradient(learner: Learner, loss: object, rows: Table) -> tuple[float, np.ndarray]:
    import torch

    learner.model.zero_grad()
    features = [learner.model.preprocess(list(texts)) for texts in (rows.queries, rows.documents)]
    value = loss(features, torch.arange(ROWS))  # type: ignore[operator]  # a module
    value.backward()
    parts = [weight.grad.flatten() for weight in learner.model.parameters() if weight.grad is not None]
    return float(value.detach()), torch.cat(parts).numpy()


def test_without_masks_and_weights_the_loss_is_the_librarys(learner: Learner) -> None:
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    learner.model.eval()
    ours = value_and_gradient(learner, loss_for(learner.model, table(), form="ranking", scale=20.0), table())
    theirs = value_and_gradient(learner, MultipleNegativesRankingLoss(learner.model, scale=20.0), table())

    assert ours[0] == pytest.approx(theirs[0], rel=1e-5)
    np.testing.assert_allclose(ours[1], theirs[1], atol=1e-5)


def test_the_cached_form_gives_the_same_value_and_gradient(learner: Learner) -> None:
    learner.model.eval()
    rows = table(avoid={0: {1, 2}}, weights=[1 + row % 3 for row in range(ROWS)])
    plain = value_and_gradient(learner, loss_for(learner.model, rows, form="ranking", scale=20.0), rows)
    cached = value_and_gradient(learner, loss_for(learner.model, rows, form="cached", scale=20.0), rows)

    assert cached[0] == pytest.approx(plain[0], rel=1e-5)
    np.testing.assert_allclose(cached[1], plain[1], atol=1e-4)


def test_a_masked_document_and_a_row_without_weight_change_nothing(learner: Learner) -> None:
    """Every other document answers query 0 too, so its softmax holds one document: no loss. The other rows weigh nothing."""
    learner.model.eval()
    rows = table(avoid={0: set(range(ROWS))}, weights=[1.0] + [0.0] * (ROWS - 1))
    value, gradient = value_and_gradient(learner, loss_for(learner.model, rows, form="ranking", scale=20.0), rows)

    assert value == pytest.approx(0, abs=1e-6)
    assert np.abs(gradient).max() == pytest.approx(0, abs=1e-6)


def test_what_the_guide_prefers_to_the_answer_is_no_negative(learner: Learner) -> None:
    """The guide holds document 1 for the better answer of query 0: masking it is what remains to tell the two losses apart."""
    learner.model.eval()
    rows = table()
    axes = np.eye(ROWS, dtype=np.float32)
    turned = axes.copy()
    turned[0] = axes[1]
    known = table(avoid={0: {1}})
    guided = loss_for(learner.model, rows, form="ranking", scale=20.0, guide=Guide(turned, axes, 0.0))
    masked = loss_for(learner.model, known, form="ranking", scale=20.0)

    assert value_and_gradient(learner, guided, rows)[0] == pytest.approx(value_and_gradient(learner, masked, known)[0], rel=1e-6)


def test_a_teacher_that_agrees_with_the_model_adds_nothing(learner: Learner) -> None:
    learner.model.eval()
    rows = table().with_negatives(np.roll(np.arange(ROWS), 1)[:, None])
    alike = np.zeros((ROWS, 2), dtype=np.float32)
    columns = (rows.queries, rows.documents)

    def value(teacher: np.ndarray | None) -> float:
        import torch

        loss = loss_for(learner.model, rows, form="ranking", scale=20.0, teacher=teacher)
        return float(loss([learner.model.preprocess(list(texts)) for texts in columns], torch.arange(ROWS)).detach())

    told = alike.copy()
    told[:, 0] = 5.0
    assert value(alike) >= value(None)
    assert value(told) != pytest.approx(value(alike))


def test_chunks_of_like_length_give_the_vectors_of_one_batch(learner: Learner) -> None:
    learner.model.eval()
    features = learner.model.preprocess(list(table().documents))
    whole = learner.model(dict(features))["sentence_embedding"].detach().numpy()

    np.testing.assert_allclose(embed_by_length(learner.model, features).detach().numpy(), whole, atol=1e-5)


def test_attention_by_matrix_products_learns_the_same(learner: Learner) -> None:
    """Switched while learning in bf16, back for a validation in between, and for good afterwards."""
    learner.model.eval()
    body, quick = learner.model[0].auto_model, replace(learner, fast=True)
    rows = table()
    loss = loss_for(learner.model, rows, form="ranking", scale=20.0)
    fused = value_and_gradient(learner, loss, rows)
    attention = Attention(quick)
    with attention.learning():
        assert body.config._attn_implementation == "eager"
        plain = value_and_gradient(learner, loss, rows)
        with attention.looking():
            assert body.config._attn_implementation == "sdpa"
        assert body.config._attn_implementation == "eager"

    assert body.config._attn_implementation == "sdpa"
    assert plain[0] == pytest.approx(fused[0], rel=1e-4)
    np.testing.assert_allclose(plain[1], fused[1], atol=1e-4)


def test_attention_stays_fused_where_nothing_is_gained_by_parting_it(learner: Learner) -> None:
    with Attention(replace(learner, fast=False)).learning():
        assert learner.model[0].auto_model.config._attn_implementation == "sdpa"


def mined(learner: Learner, place: Path) -> tuple[np.ndarray, set[str]]:
    mining = Mining(count=1, pool=ROWS, seconds=60, lexical=True, seed=1)
    place.mkdir(exist_ok=True)
    rows, _ = mined_table(table(), Shelf(learner), mining=mining, known=[[]] * ROWS, directory=place, progress=silent)
    return rows.rows[:, 2], {path.name for path in place.glob("*.npz")}


def test_negatives_of_other_weights_prompts_or_lengths_cannot_be_found(learner: Learner, tmp_path: Path) -> None:
    import torch

    first, names = mined(learner, tmp_path / "mined")
    again, same = mined(learner, tmp_path / "mined")
    with torch.no_grad():
        for weight in learner.model.parameters():
            weight.add_(0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    changed, more = mined(learner, tmp_path / "mined")
    learner.model.prompts = {"query": "ask: ", "document": "passage: "}
    _, most = mined(learner, tmp_path / "mined")
    _, all_of_them = mined(replace(learner, serving_length=8), tmp_path / "mined")

    assert (len(names), len(same), len(more), len(most), len(all_of_them)) == (1, 1, 2, 3, 4)
    assert first.tolist() == again.tolist()
    assert first.tolist() != changed.tolist()


def test_a_shelf_never_mixes_vectors_of_two_states(learner: Learner) -> None:
    import torch

    shelf = Shelf(learner)
    kept = shelf.take(["valve"], Role.QUERY, progress=silent, label="")
    with torch.no_grad():
        next(learner.model.parameters()).add_(1.0)

    assert (shelf.take(["valve"], Role.QUERY, progress=silent, label="") == kept).all()
    with pytest.raises(EncoderFailed, match="weights changed"):
        shelf.take(["boiler"], Role.QUERY, progress=silent, label="")


def test_frozen_layers_get_no_gradient_and_learn_again_afterwards(learner: Learner) -> None:
    with upper_layers(learner, freeze=0.5) as count:
        still = {name for name, weight in learner.model.named_parameters() if not weight.requires_grad}
        value_and_gradient(learner, loss_for(learner.model, table(), form="ranking", scale=20.0), table())
        lower = [weight for name, weight in learner.model.named_parameters() if "layer.0." in name]
        upper = [weight for name, weight in learner.model.named_parameters() if "layer.1." in name]

    assert count == 1
    assert any("word_embeddings" in name for name in still)
    assert all(weight.grad is None for weight in lower)
    assert all(weight.grad is not None for weight in upper)
    assert all(weight.requires_grad for weight in learner.model.parameters())


def test_dropout_is_off_while_it_trains_and_back_afterwards(learner: Learner) -> None:
    import torch

    rates = [module.p for module in learner.model.modules() if isinstance(module, torch.nn.Dropout)]
    learner.model.train()
    with without_dropout(learner):
        features = learner.model.preprocess(["valve boiler"])
        one, two = (learner.model(dict(features))["sentence_embedding"] for _ in range(2))
        assert torch.equal(one, two)

    assert rates == [module.p for module in learner.model.modules() if isinstance(module, torch.nn.Dropout)]
    assert max(rates) > 0


def test_when_memory_runs_out_the_batch_is_halved_and_it_is_said() -> None:
    """Torch is asked for more memory than there is as long as the batch is above eight: its own error, not one of ours."""
    import torch

    said: list[int] = []

    def attempt(batch: int) -> int:
        if batch > 8:
            torch.empty(sys.maxsize // 8, dtype=torch.int8)
        return batch

    assert halving(32, attempt, least=2, advice="less", again=said.append) == 8
    assert said == [16, 8]


def test_memory_that_is_short_even_for_two_rows_ends_in_a_clear_error() -> None:
    import torch

    with pytest.raises(EncoderFailed, match="even with 2 at a time"):
        halving(4, lambda _: torch.empty(sys.maxsize // 8, dtype=torch.int8), least=2, advice="less", again=lambda _: None)


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    assert out_of_memory(MemoryError())
    assert not out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes"):
        halving(32, lambda _: (_ for _ in ()).throw(RuntimeError("shapes")), least=2, advice="less", again=lambda _: None)
