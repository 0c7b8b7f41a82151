"""Says the same fact in one way however a saver wrote it, and digests it: tokenizers, architectures, module types.

Savers of different years write different files for one model. What is dropped here changes no vector; what is unknown is
kept, so that a doubt gives two ids for one space and never one id for two.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Final

_RUNTIME: Final = ("truncation", "padding", "version", "decoder")
"""Entries of tokenizer.json that are state of a past run, or that turn ids into text."""
_BERT_SETTINGS: Final = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}
_GENERIC: Final = ("PreTrainedTokenizer", "PreTrainedTokenizerFast", "TokenizersBackend")
"""Tokenizer classes that take tokenizer.json as it is; the named ones rebuild its normaliser from tokenizer_config.json."""
_MODEL_DEFAULTS: Final[Mapping[str, object]] = {
    "dropout": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
    "continuing_subword_prefix": None, "end_of_word_suffix": None, "unk_token": None,
}  # fmt: skip
_WITHOUT_EFFECT: Final = frozenset({
    "_name_or_path", "architectures", "auto_map", "bos_token_id", "dtype", "eos_token_id", "finetuning_task",
    "gradient_checkpointing", "id2label", "initializer_factor", "initializer_range", "label2id", "model_max_length",
    "num_labels", "output_attentions", "output_hidden_states", "output_past", "problem_type", "return_dict",
    "sep_token_id", "summary_activation", "summary_first_dropout", "summary_proj_to_labels", "summary_type",
    "summary_use_proj", "tie_word_embeddings", "tokenizer_class", "torch_dtype", "torchscript", "transformers_version",
    "use_cache", "_attn_implementation_autoset",
})  # fmt: skip
"""Entries of config.json about provenance, training, heads or storage."""
_UNSAID: Final[Mapping[str, object]] = {
    "position_embedding_type": "absolute", "add_cross_attention": False, "is_decoder": False,
    "is_encoder_decoder": False, "chunk_size_feed_forward": 0, "pruned_heads": {},
}  # fmt: skip
"""Entries that mean nothing new when they say this."""


def digest(facts: object) -> str:
    """SHA-256 of the facts as JSON with sorted names."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def digest_of_tokenizer(content: Mapping[str, object], *, settings: Mapping[str, object], lower: bool) -> str:
    """Digest of what turns text into ids: tokenizer.json without its runtime state, and the settings that override it.

    ``settings`` is tokenizer_config.json; ``lower`` is the module's own wish to lower-case.
    """
    facts: dict[str, object] = {name: value for name, value in content.items() if name not in _RUNTIME}
    facts["normalizer"] = _normaliser(facts.get("normalizer"), settings)
    facts["model"] = _vocabulary(facts.get("model"))
    facts["sides"] = [settings.get("truncation_side") or "right", settings.get("padding_side") or "right"]
    facts["ends"] = [name for name in ("add_bos_token", "add_eos_token") if settings.get(name)]
    facts["lower"] = lower and not _lowers(facts["normalizer"])
    return digest(facts)


def architecture(config: Mapping[str, object]) -> dict[str, object]:
    """The facts of a transformer's config.json that change its output."""
    return {
        name: value
        for name, value in config.items()
        if name not in _WITHOUT_EFFECT
        and "dropout" not in name
        and value is not None
        and not (name in _UNSAID and value == _UNSAID[name])
    }


def _normaliser(normaliser: object, settings: Mapping[str, object]) -> object:
    """The normaliser as a named tokenizer class rebuilds it."""
    if not isinstance(normaliser, dict) or normaliser.get("type") != "BertNormalizer":
        return normaliser
    if settings.get("tokenizer_class") in (None, *_GENERIC):
        return normaliser
    said = {inner: settings[outer] for outer, inner in _BERT_SETTINGS.items() if outer in settings}
    return {**normaliser, **said}


def _vocabulary(model: object) -> object:
    """The tokenizer's model with its defaults unsaid and its merges as pairs."""
    if not isinstance(model, dict):
        return model
    kept = {name: value for name, value in model.items() if not (name in _MODEL_DEFAULTS and value == _MODEL_DEFAULTS[name])}
    merges = kept.get("merges")
    if isinstance(merges, list):
        kept["merges"] = [merge.split(" ", 1) if isinstance(merge, str) else merge for merge in merges]
    return kept


def _lowers(normaliser: object) -> bool:
    if not isinstance(normaliser, dict):
        return False
    if normaliser.get("type") == "Sequence":
        parts = normaliser.get("normalizers")
        return isinstance(parts, list) and any(_lowers(part) for part in parts)
    return normaliser.get("type") == "Lowercase" or (
        normaliser.get("type") == "BertNormalizer" and bool(normaliser.get("lowercase"))
    )
