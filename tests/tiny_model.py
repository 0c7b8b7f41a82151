"""A whole sentence-transformers directory in a few kilobytes, written without torch: what the tests change one fact of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

WIDTH, LAYERS, INNER, PLACES = 16, 2, 32, 64
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789:.-_"
VOCABULARY = [*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS), "query", "passage", "valve", "boiler", "invoice"]
CONFIG: Mapping[str, object] = {
    "architectures": ["BertModel"],
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": WIDTH,
    "initializer_range": 0.02,
    "intermediate_size": INNER,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": PLACES,
    "model_type": "bert",
    "num_attention_heads": 2,
    "num_hidden_layers": LAYERS,
    "pad_token_id": 0,
    "type_vocab_size": 2,
    "vocab_size": len(VOCABULARY),
}
PREFIX = "sentence_transformers.models."


def write_tiny_model(directory: Path, *, seed: int = 0, prompts: Mapping[str, str] | None = None, normalise: bool = True) -> Path:
    """Write the model and give its directory. ``seed`` chooses the weights."""
    directory.mkdir(parents=True)
    kinds = ["Transformer", "Pooling", *(["Normalize"] if normalise else [])]
    paths = ["", "1_Pooling", "2_Normalize"]
    modules = [{"idx": n, "name": str(n), "path": paths[n], "type": PREFIX + kind} for n, kind in enumerate(kinds)]
    for name, content in {
        "modules.json": modules,
        "config.json": CONFIG,
        "sentence_bert_config.json": {"max_seq_length": 48, "do_lower_case": False},
        "config_sentence_transformers.json": {"__version__": {"sentence_transformers": "2.0.0"}, "prompts": dict(prompts or {})},
        "1_Pooling/config.json": {"word_embedding_dimension": WIDTH, "pooling_mode_mean_tokens": True},
        "tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512},
    }.items():
        write_json(directory / name, content)
    _tokenizer().save(str(directory / "tokenizer.json"))
    write_safetensors(directory / "model.safetensors", tensors(seed))
    return directory


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def edit_json(path: Path, **changes: object) -> None:
    """Change some entries of a JSON object; None removes one."""
    content = json.loads(path.read_text(encoding="utf-8")) | changes
    write_json(path, {name: value for name, value in content.items() if value is not None})


def tensors(seed: int) -> dict[str, np.ndarray]:
    """All parameters of a small BERT, by the names that transformers gives them."""
    source = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(VOCABULARY), WIDTH),
        "embeddings.position_embeddings.weight": (PLACES, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
        "pooler.dense.weight": (WIDTH, WIDTH),
        "pooler.dense.bias": (WIDTH,),
    }
    for layer in range(LAYERS):
        root = f"encoder.layer.{layer}."
        for part, rows, columns in (
            ("attention.self.query", WIDTH, WIDTH),
            ("attention.self.key", WIDTH, WIDTH),
            ("attention.self.value", WIDTH, WIDTH),
            ("attention.output.dense", WIDTH, WIDTH),
            ("intermediate.dense", INNER, WIDTH),
            ("output.dense", WIDTH, INNER),
        ):
            shapes |= {f"{root}{part}.weight": (rows, columns), f"{root}{part}.bias": (rows,)}
    values = {name: source.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    norms = [
        "embeddings.LayerNorm",
        *(f"encoder.layer.{n}.{part}.LayerNorm" for n in range(LAYERS) for part in ("attention.output", "output")),
    ]
    for norm in norms:
        values |= {f"{norm}.weight": np.ones(WIDTH, np.float32), f"{norm}.bias": np.zeros(WIDTH, np.float32)}
    return values


def write_safetensors(path: Path, values: Mapping[str, np.ndarray]) -> None:
    """The published layout: length, header, raw tensors."""
    header, at = {}, 0
    kinds = {"float32": "F32", "float16": "F16", "int64": "I64"}
    for name, value in values.items():
        header[name] = {"dtype": kinds[str(value.dtype)], "shape": list(value.shape), "data_offsets": [at, at + value.nbytes]}
        at += value.nbytes
    said = json.dumps(header).encode()
    path.write_bytes(len(said).to_bytes(8, "little") + said + b"".join(value.tobytes() for value in values.values()))


def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece({word: n for n, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [("[CLS]", SPECIAL.index("[CLS]")), ("[SEP]", SPECIAL.index("[SEP]"))]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer
