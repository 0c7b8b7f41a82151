"""A cross-encoder's scores as a teacher: raw, each pair once, and never those of another model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_model import CONFIG, WIDTH, edit_json, tensors, write_json, write_safetensors, write_tiny_model
from transvase.core.errors import BadValue, EncoderFailed, UnknownName
from transvase.core.training.lessons.table import Table
from transvase.core.training.lessons.teacher import taught

pytestmark = pytest.mark.model

QUERIES = ("valve", "boiler invoice")
DOCUMENTS = ("valve boiler", "invoice", "invoice valve valve", "")


def table() -> Table:
    """Two rows, one of which has a negative of the other's."""
    rows = np.asarray([[0, 0, 1, 2], [1, 1, 2, 3], [0, 0, 2, 1]], dtype=np.int64)
    return Table(
        queries=QUERIES,
        query_ids=("q0", "q1"),
        documents=DOCUMENTS,
        document_ids=tuple(f"d{n}" for n in range(4)),
        rows=rows,
        weights=np.ones(3, dtype=np.float32),
        families=np.arange(2),
        avoid=(frozenset({0}), frozenset({1})),
        groups=np.zeros(3, dtype=np.int64),
    )


def write_teacher(directory: Path, *, seed: int = 0, labels: int = 1) -> Path:
    """A tiny BERT with a classification head, as transformers saves one."""
    write_tiny_model(directory, seed=seed)
    for name in ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"):
        (directory / name).unlink()
    names = {str(n): f"LABEL_{n}" for n in range(labels)}
    config = {**CONFIG, "architectures": ["BertForSequenceClassification"], "id2label": names}
    write_json(directory / "config.json", config | {"label2id": {label: int(n) for n, label in names.items()}})
    source = np.random.default_rng(seed)
    head = {
        "classifier.weight": source.normal(0, 1, (labels, WIDTH)).astype(np.float32),
        "classifier.bias": np.full(labels, 5.0, np.float32),
    }
    write_safetensors(directory / "model.safetensors", {f"bert.{name}": value for name, value in tensors(seed).items()} | head)
    return directory


def test_scores_are_raw_and_stand_where_the_rows_have_their_documents(tmp_path: Path):
    import torch
    from sentence_transformers import CrossEncoder

    teacher = write_teacher(tmp_path / "teacher")
    seen: list[tuple[str, int, int]] = []
    scores = taught(table(), teacher, directory=tmp_path / "kept", progress=lambda *told: seen.append(told))
    assert scores.shape == (3, 3)
    assert scores.dtype == np.float32
    model = CrossEncoder(str(teacher), device="cpu", local_files_only=True, activation_fn=torch.nn.Identity())
    for row, found in zip(table().rows, scores, strict=True):
        wanted = model.predict([(QUERIES[row[0]], DOCUMENTS[document]) for document in row[1:]], show_progress_bar=False)
        assert np.allclose(found, wanted, atol=1e-5)
    assert np.abs(scores).max() > 1, "these look as if an activation had squeezed them"
    assert seen[-1] == ("teacher", 6, 6), "a pair that stands in two rows is scored once"
    assert scores[0, 1] == scores[2, 2]


def test_scores_are_kept_for_the_same_teacher_and_texts_alone(tmp_path: Path):
    teacher, kept = write_teacher(tmp_path / "teacher"), tmp_path / "kept"
    first = taught(table(), teacher, directory=kept, progress=lambda *_: None)
    asked: list[object] = []
    assert np.array_equal(taught(table(), teacher, directory=kept, progress=lambda *told: asked.append(told)), first)
    assert asked == [], "what was kept was made again"
    other = write_teacher(tmp_path / "other", seed=1)
    assert not np.allclose(taught(table(), other, directory=kept, progress=lambda *_: None), first)
    edit_json(teacher / "tokenizer_config.json", do_lower_case=False)
    taught(table(), teacher, directory=kept, progress=lambda *told: asked.append(told))
    assert asked != []
    assert len(list(kept.iterdir())) == 3


def test_what_cannot_teach_is_told_and_leaves_nothing(tmp_path: Path):
    kept = tmp_path / "kept"
    with pytest.raises(UnknownName, match="teacher"):
        taught(table(), tmp_path / "nowhere", directory=kept, progress=lambda *_: None)
    with pytest.raises(BadValue, match="3 scores"):
        taught(table(), write_teacher(tmp_path / "three", labels=3), directory=kept, progress=lambda *_: None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(EncoderFailed, match="cannot be loaded"):
        taught(table(), tmp_path / "empty", directory=kept, progress=lambda *_: None)
    with pytest.raises(BadValue, match="BertModel embeds texts"):
        taught(table(), write_tiny_model(tmp_path / "embedder"), directory=kept, progress=lambda *_: None)
    assert not kept.exists()
