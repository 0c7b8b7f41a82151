"""How a linear adapter looks at the end of a sentence-transformers model: the shapes that make its Space a derived one.

Both sides: ``…, Dense (no bias, no activation), Normalize``. Query side: ``…, Router`` whose query route is that pair and
whose document route changes nothing. What stands before is a whole model with a Space of its own: the adapter's base.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import Unfit
from ..space import Side
from .json_file import damaged, read_object, read_object_if_there

ROUTER_FILE: Final = "router_config.json"
DENSE: Final = "sentence_transformers.base.modules.dense.Dense"
NORMALIZE: Final = "sentence_transformers.base.modules.normalize.Normalize"
ROUTER: Final = "sentence_transformers.base.modules.router.Router"
DROPOUT: Final = "sentence_transformers.sentence_transformer.modules.dropout.Dropout"
PASSING: Final = "torch.nn.modules.linear.Identity"
_PLAIN: Final[Mapping[str, object]] = {
    "bias": False, "activation_function": PASSING, "use_residual": False,
    "module_input_name": "sentence_embedding", "module_output_name": "sentence_embedding",
}  # fmt: skip
_UNSAID: Final[dict[str, object]] = {
    "use_residual": False, "module_input_name": "sentence_embedding", "module_output_name": "sentence_embedding",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Module:
    """One entry of modules.json: the last part of its type's name, and where its files lie."""

    kind: str
    path: Path


@dataclass(frozen=True, slots=True)
class Tail:
    """An adapter at the end of a list of modules."""

    kept: int
    """How many modules stand before it: those of the base."""
    side: Side
    weight: Path
    """The file with its matrix."""


def tail_of(modules: list[Module]) -> Tail | None:
    """The adapter that the modules end in, or None. Unfit when they end in a Router that is anything else."""
    if modules[-1].kind == "Router":
        return Tail(len(modules) - 1, Side.QUERY, _routed(modules) / "model.safetensors")
    if len(modules) > 3 and _moves(modules[-2:]):
        return Tail(len(modules) - 2, Side.BOTH, modules[-2].path / "model.safetensors")
    return None


def _routed(modules: list[Module]) -> Path:
    """The directory of the Dense on the query's route."""
    place = modules[-1].path
    facts = read_object(place / ROUTER_FILE)
    routes = _routes(place, facts)
    settings = facts.get("parameters")
    mapped = settings.get("route_mappings") if isinstance(settings, dict) else None
    query, document = routes.get("query", []), routes.get("document", [])
    before = next(module.kind for module in reversed(modules) if module.kind != "Router")
    idle = {"Dropout", "Normalize"} if before == "Normalize" else {"Dropout"}
    if routes.keys() != {"query", "document"} or mapped or not _moves(query) or not idle.issuperset(m.kind for m in document):
        told = "; ".join(f"{name}: {', '.join(part.kind for part in parts)}" for name, parts in routes.items())
        raise Unfit(
            f"{place / ROUTER_FILE}: the routes are {told or 'none'}",
            remedy="only a Router behind a whole model is understood, with Dense (no bias, no activation) and Normalize for "
            "queries and nothing that moves a vector for documents",
        )
    return query[0].path


def _routes(place: Path, facts: Mapping[str, object]) -> dict[str, list[Module]]:
    types, structure = facts.get("types"), facts.get("structure")
    if not isinstance(types, dict) or not isinstance(structure, dict):
        raise damaged(place / ROUTER_FILE, "'types' and 'structure' are needed")
    routes: dict[str, list[Module]] = {}
    for name, parts in structure.items():
        if not isinstance(parts, list):
            raise damaged(place / ROUTER_FILE, f"the route {name!r} is not a list")
        routes[name] = [_part(place, str(part), types.get(part)) for part in parts]
    return routes


def _part(place: Path, name: str, kind: object) -> Module:
    if not isinstance(kind, str) or Path(name).is_absolute() or ".." in Path(name).parts:
        raise damaged(place / ROUTER_FILE, f"{name!r} is not a module")
    if not kind.startswith("sentence_transformers."):
        raise Unfit(f"{place / ROUTER_FILE}: {kind} is code of the model's own", remedy="such models are not run")
    return Module(kind.rpartition(".")[2], place / name)


def _moves(modules: list[Module]) -> bool:
    """True for a plain Dense and the normalisation behind it."""
    if [module.kind for module in modules] != ["Dense", "Normalize"]:
        return False
    dense = _UNSAID | _said(read_object(modules[0].path / "config.json"))
    unit = _UNSAID | _said(read_object_if_there(modules[1].path / "config.json"))
    usual = all(unit[name] == _PLAIN[name] for name in ("module_input_name", "module_output_name"))
    return usual and all(dense.get(name) == wanted for name, wanted in _PLAIN.items())


def _said(facts: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in facts.items() if value is not None}
