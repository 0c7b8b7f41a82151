"""Reads the Space of a model out of its directory (sentence-transformers layout) without loading the model.

Nothing in here needs torch: serving machines must be able to say which space a directory speaks before they load it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ..errors import Unfit, UnknownName
from ..space import Space
from .fingerprint import architecture, digest, digest_of_tokenizer
from .json_file import damaged, read_json, read_object, read_object_if_there
from .matrix_file import digest_of_matrix, read_matrix
from .tail import Module, tail_of
from .weights import digest_of_weights

_BODY: Final = "Transformer"
_LEARNT: Final = ("Dense", "LayerNorm")
_POOLING_KEYS: Final = {
    "pooling_mode_cls_token": "cls", "pooling_mode_max_tokens": "max", "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens", "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}  # fmt: skip
"""The switches that older savers wrote, in the order in which several of them are joined."""
_USUAL: Final[Mapping[str, object]] = {
    "transformer_task": "feature-extraction",
    "module_output_name": "token_embeddings",
    "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
}
_HANDLED: Final = ("max_seq_length", "do_lower_case", "unpad_inputs")
_FOREIGN: Final = ("query_length", "document_length", "query_expansion", "processing_kwargs")
_NO_LIMIT: Final = 1_000_000
"""Tokenizers without a limit record an astronomical one."""


def space_of_directory(directory: Path) -> Space:
    """The Space of the model in ``directory``, from its content alone.

    UnknownName when there is no such directory, Unfit when a file in it is missing, garbled, cut short or asks for
    something that no encoder here does.
    """
    return space_of_modules(directory, read_modules(directory))


def space_of_modules(directory: Path, modules: list[Module]) -> Space:
    """The Space of what the first so many ``modules`` of ``directory`` give: of a whole model, or of the base of an adapter."""
    if tail := tail_of(modules):
        matrix = read_matrix(tail.weight)
        base = space_of_modules(directory, modules[: tail.kept])
        if matrix.shape[0] != base.dimension:
            raise damaged(tail.weight, f"its matrix takes {matrix.shape[0]} values, and {base.dimension} come")
        return base.adapted(digest_of_matrix(matrix), dimension=matrix.shape[1], side=tail.side)
    if any(module.kind == "Router" for module in modules):
        remedy = "only a query-side adapter at the end, or adapters behind it, are understood"
        raise Unfit(f"{directory / 'modules.json'}: a Router stands between other modules", remedy=remedy)
    body, pooling = modules[0].path, _pooling(modules)
    options, settings = _options(body), read_object_if_there(body / "tokenizer_config.json")
    config = read_object(body / "config.json")
    prompts = _prompts(directory)
    return Space(
        weights=_weights(modules, config),
        tokenizer=digest_of_tokenizer(
            read_object(body / "tokenizer.json"), settings=settings, lower=bool(options.get("do_lower_case"))
        ),
        modules=digest([architecture(config), _unusual(options), *(_described(module) for module in modules[1:])]),
        pooling=_pooling_name(pooling),
        query_prompt=prompts["query"],
        document_prompt=prompts["document"],
        normalised=modules[-1].kind == "Normalize",
        max_length=_max_length(body, options=options, settings=settings, config=config),
        dimension=_dimension(modules, pooling),
    )


def read_modules(directory: Path) -> list[Module]:
    """The modules in order: a transformer, a pooling, then any of Dense, LayerNorm, Dropout, Normalize and Router."""
    if not directory.is_dir():
        raise UnknownName("model", str(directory), hint="no such directory")
    path = directory / "modules.json"
    listed = read_json(path)
    if not isinstance(listed, list) or not listed:
        raise damaged(path, "a list of modules is needed")
    modules = [_module(directory, entry) for entry in listed]
    kinds = [module.kind for module in modules]
    known = {"Dense", "LayerNorm", "Dropout", "Normalize", "Router"}
    if kinds[0] != _BODY or kinds[1:2] != ["Pooling"] or not known.issuperset(kinds[2:]):
        raise Unfit(
            f"{path}: the modules are {', '.join(kinds)}",
            remedy="a Transformer, a Pooling and then only Dense, LayerNorm, Dropout, Normalize and Router are understood",
        )
    return modules


def _module(directory: Path, entry: object) -> Module:
    path = directory / "modules.json"
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str) or not isinstance(entry.get("path"), str):
        raise damaged(path, f"{entry!r} is not a module")
    place = Path(entry["path"])
    if place.is_absolute() or ".." in place.parts:
        raise damaged(path, f"{entry['path']!r} leads out of the directory")
    if not entry["type"].startswith("sentence_transformers."):
        raise Unfit(f"{path}: the module {entry['type']} is code of the model's own", remedy="such models are not run")
    return Module(entry["type"].rpartition(".")[2], directory / place)


def _options(body: Path) -> dict[str, object]:
    """The transformer module's own settings, without those that say nothing."""
    found = sorted(body.glob("sentence_*_config.json"))
    options = read_object(found[0]) if found else {}
    kept = {name: value for name, value in options.items() if value not in (None, {}, []) and value != _USUAL.get(name)}
    strange = sorted({*_USUAL, *_FOREIGN} & kept.keys())
    if strange:
        raise Unfit(
            f"{found[0]}: the model sets {', '.join(strange)}",
            remedy="only plain text models with one length for both roles are understood",
        )
    return kept


def _unusual(options: Mapping[str, object]) -> dict[str, object]:
    """What remains of the options once length and lower-casing have been taken out."""
    rest = {name: value for name, value in options.items() if name not in _HANDLED}
    for name in ("processor_kwargs", "tokenizer_args", "model_kwargs", "model_args"):
        if isinstance(inner := rest.get(name), dict):
            rest[name] = {key: value for key, value in inner.items() if key not in ("model_max_length", "attn_implementation")}
    return {name: value for name, value in rest.items() if value != {}}


def _weights(modules: list[Module], config: Mapping[str, object]) -> str:
    """One digest for all learnt parts; a plain model has only its transformer."""
    first = digest_of_weights(modules[0].path, prefix=f"{config.get('model_type', '')}.")
    others = [digest_of_weights(module.path) for module in modules[1:] if module.kind in _LEARNT]
    return digest([first, *others]) if others else first


def _described(module: Module) -> list[object]:
    """Type and settings of a module after the transformer; pooling is a fact of its own, and dropout does nothing here."""
    if module.kind != "Dense":
        return [module.kind]
    facts = read_object(module.path / "config.json")
    usual = {"use_residual": False, "module_input_name": "sentence_embedding", "module_output_name": "sentence_embedding"}
    return [module.kind, {name: value for name, value in facts.items() if value != usual.get(name)}]


def _pooling(modules: list[Module]) -> dict[str, object]:
    return read_object(modules[1].path / "config.json")


def _pooling_name(facts: Mapping[str, object]) -> str:
    """``mean``, ``cls``, ``mean+max`` …; with a remark where the prompt's own tokens are left out."""
    mode = facts.get("pooling_mode") or [name for key, name in _POOLING_KEYS.items() if facts.get(key)] or ["mean"]
    name = mode if isinstance(mode, str) else "+".join(str(part) for part in mode)  # type: ignore[attr-defined]  # a list
    return name if facts.get("include_prompt", True) else f"{name} without prompt"


def _prompts(directory: Path) -> dict[str, str]:
    """What stands before a query and before a document, as sentence-transformers' ``encode_query`` and its sister take it."""
    path = directory / "config_sentence_transformers.json"
    prompts = read_object_if_there(path).get("prompts") or {}
    if not isinstance(prompts, dict):
        raise damaged(path, "'prompts' is not an object")
    chosen = {role: prompts.get(role) or "" for role in ("query", "document")}
    for role, prompt in chosen.items():
        if not isinstance(prompt, str):
            raise damaged(path, f"the prompt {role!r} is not a text")
    return chosen


def _max_length(
    body: Path, *, options: Mapping[str, object], settings: Mapping[str, object], config: Mapping[str, object]
) -> int:
    """Tokens that are read of a text, special ones included."""
    inner = options.get("processor_kwargs") or options.get("tokenizer_args")
    wishes = [inner.get("model_max_length") if isinstance(inner, dict) else None, options.get("max_seq_length")]
    wishes.append(settings.get("model_max_length"))
    wish = next((int(value) for value in wishes if isinstance(value, int | float)), _NO_LIMIT)
    room = config.get("max_position_embeddings")
    length = min(wish, room) if isinstance(room, int) and room > 0 else wish
    if not 0 < length < _NO_LIMIT:
        raise Unfit(f"{body}: the model states no maximum length", remedy="set max_seq_length in sentence_bert_config.json")
    return length


def _dimension(modules: list[Module], pooling: Mapping[str, object]) -> int:
    """Width of what the last module gives."""
    dense = [module.path / "config.json" for module in modules if module.kind == "Dense"]
    path = dense[-1] if dense else modules[1].path / "config.json"
    facts = read_object(path)
    width = facts.get("out_features") if dense else facts.get("embedding_dimension", facts.get("word_embedding_dimension"))
    if not isinstance(width, int) or width < 1:
        raise damaged(path, "it states no dimension")
    return width if dense else width * (1 + _pooling_name(pooling).count("+"))
