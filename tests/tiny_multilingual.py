"""A multilingual sentence-transformers directory in a few kilobytes, as those that read a hundred languages are built.

XLM-RoBERTa in place of BERT: pieces of SentencePiece with a mark where a word begins, no lower-casing, one kind of token, padding
that is not number 0, and positions that count from behind it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tiny_model import CONFIG, PLACES, PREFIX, WIDTH, tensors, write_json, write_safetensors
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
LETTERS = "Vάέήίόύώabcdefghijklmnopqrstuvwxyzäöüß0123456789:.-_клапнотевсрαβγδεζηθικλμνξοπρςστυφχψωボイラー弁在庫صمامغلايةس"
WORDS = ["▁query:", "▁passage:", "▁клапан", "▁котел", "▁Ventil", "▁ボイラー", "▁صمام", "▁βαλβίδα"]
PIECES = [*SPECIAL, "▁", *dict.fromkeys(LETTERS), *WORDS, "<mask>"]


def write_tiny_multilingual(directory: Path, *, seed: int = 0) -> Path:
    """Write the model and give its directory. ``seed`` chooses the weights."""
    directory.mkdir(parents=True)
    config = {
        **CONFIG,
        "architectures": ["XLMRobertaModel"],
        "model_type": "xlm-roberta",
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
        "max_position_embeddings": PLACES + 2,
        "type_vocab_size": 1,
        "vocab_size": len(PIECES),
    }
    named = {"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>", "unk_token": "<unk>"}
    prompts = {"query": "query: ", "document": "passage: "}
    for name, content in {
        "modules.json": [
            {"idx": n, "name": str(n), "path": path, "type": PREFIX + kind}
            for n, (path, kind) in enumerate([("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")])
        ],
        "config.json": config,
        "sentence_bert_config.json": {"max_seq_length": 48, "do_lower_case": False},
        "config_sentence_transformers.json": {"__version__": {"sentence_transformers": "2.0.0"}, "prompts": prompts},
        "1_Pooling/config.json": {"word_embedding_dimension": WIDTH, "pooling_mode_mean_tokens": True},
        "tokenizer_config.json": {
            "tokenizer_class": "XLMRobertaTokenizer",
            "model_max_length": 512,
            "pad_token": "<pad>",
            "mask_token": "<mask>",
            **named,
        },
    }.items():
        write_json(directory / name, content)
    _tokenizer().save(str(directory / "tokenizer.json"))
    write_safetensors(directory / "model.safetensors", _tensors(seed))
    return directory


def _tensors(seed: int) -> dict[str, np.ndarray]:
    source, values = np.random.default_rng(seed + 1), tensors(seed)
    for name, rows in (("word", len(PIECES)), ("position", PLACES + 2), ("token_type", 1)):
        values[f"embeddings.{name}_embeddings.weight"] = source.normal(0, 0.5, (rows, WIDTH)).astype(np.float32)
    return values


def _tokenizer() -> Tokenizer:
    scores = [(piece, 0.0 if piece in SPECIAL else -1.0 if len(piece) > 1 else -2.0) for piece in PIECES]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=SPECIAL.index("<unk>")))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.add_special_tokens([*SPECIAL, "<mask>"])
    return tokenizer
