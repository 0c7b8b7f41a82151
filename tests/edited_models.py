"""Edits of a small model directory, each of which changes a vector; by the words that a test names it with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tiny_model import WIDTH, edit_json, tensors, write_json, write_safetensors

Edit = Callable[[Path], object]


def edits(name: str, **changes: object) -> Edit:
    return lambda directory: edit_json(directory / name, **changes)


def one_weight(directory: Path) -> None:
    values = tensors(0)
    values["encoder.layer.1.output.dense.bias"][3] += np.float32(1e-6)
    write_safetensors(directory / "model.safetensors", values)


def one_token(directory: Path) -> None:
    path = directory / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"valve"', '"valves"'), encoding="utf-8")


def no_normalise(directory: Path) -> None:
    path = directory / "modules.json"
    write_json(path, json.loads(path.read_text(encoding="utf-8"))[:2])


def half_precision(directory: Path) -> None:
    write_safetensors(directory / "model.safetensors", {name: value.astype(np.float16) for name, value in tensors(0).items()})


def a_dense_module(directory: Path) -> None:
    path = directory / "modules.json"
    write_json(directory / "3_Dense/config.json", {"in_features": WIDTH, "out_features": 8, "bias": False})
    write_safetensors(directory / "3_Dense/model.safetensors", {"linear.weight": np.ones((8, WIDTH), np.float32)})
    listed = json.loads(path.read_text(encoding="utf-8"))
    write_json(path, [*listed[:2], {"idx": 2, "name": "2", "path": "3_Dense", "type": "sentence_transformers.models.Dense"}])


CHANGES: dict[str, Edit] = {
    "one weight": one_weight,
    "half precision": half_precision,
    "one token": one_token,
    "the query's prompt": edits("config_sentence_transformers.json", prompts={"query": "query:", "document": ""}),
    "the document's prompt": edits("config_sentence_transformers.json", prompts={"query": "query: ", "document": "passage: "}),
    "the pooling": edits("1_Pooling/config.json", pooling_mode_mean_tokens=False, pooling_mode_cls_token=True),
    "two poolings": edits("1_Pooling/config.json", pooling_mode_cls_token=True),
    "pooling without the prompt": edits("1_Pooling/config.json", include_prompt=False),
    "the maximum length": edits("sentence_bert_config.json", max_seq_length=47),
    "lower-casing": edits("tokenizer_config.json", do_lower_case=False),
    "the activation": edits("config.json", hidden_act="relu"),
    "the number of heads": edits("config.json", num_attention_heads=4),
    "an unknown setting": edits("config.json", rope_theta=10_000.0),
    "the normalisation": no_normalise,
    "another module": a_dense_module,
}
