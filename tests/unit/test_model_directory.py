"""A model's Space comes from the content of its directory: from all that changes a vector, and from nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from edited_models import CHANGES, Edit, a_dense_module, edits
from tiny_model import WIDTH, edit_json, tensors, write_json, write_safetensors, write_tiny_model
from transvase.core.encoders import load, space_of
from transvase.core.encoders.builtin import MINILM_WEIGHTS, verify
from transvase.core.encoders.space_file import read_space, write_space
from transvase.core.errors import BadValue, Unfit, UnknownName
from transvase.core.space import Side


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "model", prompts={"query": "query: ", "document": ""})


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_whatever_changes_a_vector_changes_the_id(model: Path, change: Edit) -> None:
    before = space_of(str(model)).id
    change(model)
    assert space_of(str(model)).id != before


def other_order(directory: Path) -> None:
    write_safetensors(directory / "model.safetensors", dict(sorted(tensors(0).items(), reverse=True)))


def shards(directory: Path) -> None:
    values = list(tensors(0).items())
    parts = {"model-00001-of-00002.safetensors": dict(values[:9]), "model-00002-of-00002.safetensors": dict(values[9:])}
    for name, part in parts.items():
        write_safetensors(directory / name, part)
    index = {tensor: name for name, part in parts.items() for tensor in part}
    write_json(directory / "model.safetensors.index.json", {"metadata": {}, "weight_map": index})
    (directory / "model.safetensors").unlink()


def saved_with_a_head(directory: Path) -> None:
    values = {f"bert.{name}": value for name, value in tensors(0).items() if not name.startswith("pooler.")}
    extra = {"bert.embeddings.position_ids": np.arange(64)[None], "cls.predictions.bias": np.zeros(4, np.float32)}
    write_safetensors(directory / "model.safetensors", values | extra)


def runtime_state(directory: Path) -> None:
    edit_json(directory / "tokenizer.json", truncation={"max_length": 9, "strategy": "LongestFirst", "stride": 0})


def records(directory: Path) -> None:
    (directory / "README.md").write_text("A card.", encoding="utf-8")
    write_space(directory, space_of(str(directory)).adapted("cut", dimension=4, side=Side.BOTH))


SAME: dict[str, Edit] = {
    "another order of the tensors": other_order,
    "shards": shards,
    "a head that no embedding passes": saved_with_a_head,
    "the tokenizer's state of a past run": runtime_state,
    "a card and a record beside it": records,
    "version and storage": edits("config.json", transformers_version="9", dtype="float32", _name_or_path="x", use_cache=False),
    "training's dropout": edits("config.json", hidden_dropout_prob=0.5, classifier_dropout=0.1),
    "defaults that are said": edits("config.json", is_decoder=False, position_embedding_type="absolute"),
    "the length said by the tokenizer": lambda directory: (
        edits("sentence_bert_config.json", max_seq_length=None)(directory),
        edits("tokenizer_config.json", model_max_length=48)(directory),
    )[0],
    "the pooling in today's words": lambda directory: write_json(
        directory / "1_Pooling/config.json", {"embedding_dimension": WIDTH, "pooling_mode": "mean", "include_prompt": True}
    ),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME.keys())
def test_what_changes_no_vector_leaves_the_id(model: Path, change: Edit) -> None:
    before = space_of(str(model))
    change(model)
    assert space_of(str(model)) == before


def test_the_id_does_not_depend_on_where_the_directory_lies(model: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "a much deeper" / "plâce"
    shutil.copytree(model, elsewhere)
    assert space_of(str(elsewhere)) == space_of(str(model))


def test_the_facts_are_read_as_they_are(model: Path) -> None:
    space = space_of(str(model))
    assert (space.pooling, space.query_prompt, space.document_prompt) == ("mean", "query: ", "")
    assert (space.normalised, space.max_length, space.dimension) == (True, 48, WIDTH)


def test_the_dimension_is_that_of_the_last_module(model: Path) -> None:
    a_dense_module(model)
    assert space_of(str(model)).dimension == 8


def test_no_text_is_longer_than_the_model_has_places(model: Path) -> None:
    edit_json(model / "sentence_bert_config.json", max_seq_length=512)
    assert space_of(str(model)).max_length == 64


FILES = ["modules.json", "config.json", "config_sentence_transformers.json", "1_Pooling/config.json", "tokenizer.json"]


@pytest.mark.parametrize("name", [*FILES, "tokenizer_config.json", "sentence_bert_config.json", "model.safetensors"])
@pytest.mark.parametrize("content", [b"", b"\0\0\0\0", b'{"a": \0 1}', b"{", b"\xff\xfe\xfd", b"[1, 2]", b'"x"'])
def test_a_garbled_file_is_named(model: Path, name: str, content: bytes) -> None:
    (model / name).write_bytes(content)
    with pytest.raises(Unfit, match=Path(name).name):
        load(str(model))


@pytest.mark.parametrize("name", ["modules.json", "config.json", "1_Pooling/config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_file_is_named(model: Path, name: str) -> None:
    (model / name).unlink()
    with pytest.raises(Unfit, match=f"{Path(name).name}: the file is missing"):
        load(str(model))


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.999])
def test_weights_that_were_cut_short_are_refused(model: Path, keep: float) -> None:
    path = model / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(Unfit, match="cut short"):
        space_of(str(model))


def test_pickled_weights_are_not_opened(model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    with pytest.raises(Unfit, match="safetensors"):
        space_of(str(model))


@pytest.mark.parametrize("kind", ["custom_code.Transformer", "sentence_transformers.models.CNN"])
def test_a_model_that_no_encoder_here_runs_is_refused(model: Path, kind: str) -> None:
    path = model / "modules.json"
    path.write_text(path.read_text(encoding="utf-8").replace("sentence_transformers.models.Transformer", kind), encoding="utf-8")
    with pytest.raises(Unfit):
        space_of(str(model))


def test_a_module_outside_the_directory_is_refused(model: Path) -> None:
    path = model / "modules.json"
    path.write_text(path.read_text(encoding="utf-8").replace("1_Pooling", "../1_Pooling"), encoding="utf-8")
    with pytest.raises(Unfit, match="leads out of the directory"):
        space_of(str(model))


@pytest.mark.parametrize("enc", ["/no/such/model", "./model", "builtin:other", "a/b/c"])
def test_a_model_that_is_not_there_is_unknown(enc: str) -> None:
    with pytest.raises(UnknownName, match="there is no model"):
        load(enc)


def test_a_hub_name_that_cannot_be_had_is_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UnknownName, match="no such directory, and no such model"):
        load("nobody/no-such-model")


def test_a_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"x")
    with pytest.raises(UnknownName, match="this is a file"):
        load(str(tmp_path / "model.onnx"))


@pytest.mark.parametrize("enc", ["https://example.org/v1?model=m", "", "unknown", "a\0b"])
def test_a_word_that_can_be_no_model_is_a_bad_value(enc: str) -> None:
    with pytest.raises(BadValue):
        load(enc)


def test_other_weights_than_the_published_ones_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(Unfit, match="not the published model"):
        verify(tmp_path / "model.safetensors", MINILM_WEIGHTS)


def test_the_record_beside_a_model_comes_back_and_vouches_for_its_files(model: Path) -> None:
    space = space_of(str(model))
    write_space(model, space, files=("config.json",))
    assert read_space(model, files=("config.json",)) == space
    with pytest.raises(Unfit, match=r"does not vouch for modules\.json"):
        read_space(model, files=("modules.json",))
    edit_json(model / "config.json", hidden_act="relu")
    with pytest.raises(Unfit, match=r"is not the one that space\.json recorded"):
        read_space(model)
