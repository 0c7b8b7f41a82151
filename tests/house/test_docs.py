"""The documentation says what is so: tests, commands, options, fields, versions and links are compared with the product."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import click
import pytest
from transvase.cli.main import COMMANDS, cli
from transvase.cli.states import page
from transvase.core import errors
from transvase.core.migration import Phase
from transvase.core.ports import Source
from transvase.migrations.adopt import adopt
from transvase.migrations.audit import audit
from transvase.migrations.migrate import migrate
from transvase.migrations.plan import plan
from transvase.migrations.prove import CHECKS, prove
from transvase.migrations.status import status
from worlds import NEW, OLD, MemoryWorld, body, rows_of

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")) if path.is_file()
)
README = (ROOT / "README.md").read_text(encoding="utf-8")
INVARIANTS = (ROOT / "docs" / "invariants.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(#[^)]*)?\)")


def table(heading: str) -> list[list[str]]:
    """The rows of README's table that begins with these headings."""
    lines = README.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def fields(shape: str) -> list[str]:
    """``{a, b{c, d}, e[{f}]}`` → a, b, e: the names at the top of an object as the README writes it."""
    while re.search(r"[\[{][^\[\]{}]*[\]}]", shape[1:-1]):
        shape = shape[0] + re.sub(r"[\[{][^\[\]{}]*[\]}]", "", shape[1:-1]) + shape[-1]
    return [name.strip() for name in shape.strip("{}").split(",")]


@cache
def names_in(path: Path) -> frozenset[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"))


def test_the_drawing_of_the_machine_is_the_machine():
    """`make docs` draws it anew."""
    assert (ROOT / "docs" / "states.md").read_text(encoding="utf-8") == page()


def test_every_invariant_names_a_test_that_exists():
    named = re.findall(r"`(tests/[\w/]+\.py)::(?:\w+::)?(test_\w+)`", INVARIANTS)
    assert len(named) > 40
    missing = {f"{path}::{test}" for path, test in named if not (ROOT / path).exists() or test not in names_in(ROOT / path)}
    assert missing == set()


def test_every_line_of_the_invariants_is_held_by_something():
    lines = [line for line in INVARIANTS.splitlines() if line.startswith("| ") and not line.startswith(("| always", "|---"))]
    assert len(lines) > 30
    assert [line for line in lines if "::test_" not in line] == []


@cache
def commands() -> dict[str, click.Command]:
    """Every command by what the user types; those of a group stand under the group's name and their own."""
    found: dict[str, click.Command] = {}
    for name in (name for group in COMMANDS for name in group):
        command = cli.get_command(click.Context(cli), name)
        assert command is not None, name
        if isinstance(command, click.Group):
            members = {
                member: command.get_command(click.Context(command), member)
                for member in command.list_commands(click.Context(command))
            }
            found |= {f"{name} {member}": one for member, one in members.items() if one is not None}
        else:
            found[name] = command
    return found


def named(cell: str) -> str:
    """The command that a cell of the README's table begins with."""
    typed = cell.strip("`").split()
    return " ".join(typed[:2]) if " ".join(typed[:2]) in commands() else typed[0]


def test_the_commands_of_the_readme_are_those_of_the_tool():
    """All of them, and in no other words than the tool's."""
    assert sorted(named(row[0]) for row in table("command | does")) == sorted(commands())


def test_every_option_that_the_readme_shows_exists():
    unknown = []
    for row in table("command | does"):
        known = {option for parameter in commands()[named(row[0])].params for option in parameter.opts}
        options = re.findall(r"(?<![\w-])--?[a-z][a-z-]*", row[0])
        unknown += [f"{named(row[0])} {option}" for option in options if option not in known]
    assert unknown == []


def test_every_command_speaks_to_programs():
    """As the README says: one object on stdout with --json."""
    mute = [name for name, command in commands().items() if "--json" not in {o for p in command.params for o in p.opts}]
    assert mute == []


def test_the_exit_statuses_are_those_of_the_errors():
    told = [int(row[0]) for row in table("exit status")]
    kinds = (errors.Misuse, errors.Refused, errors.WorldFailed)
    assert told == sorted({errors.DONE, 130, *(kind.status for kind in kinds)})


def test_the_extras_are_those_of_the_project():
    assert [row[0].strip("`") for row in table("extra")] == list(PROJECT["optional-dependencies"])


@pytest.fixture
def moved(memory_world: MemoryWorld) -> dict[str, dict[str, object]]:
    """The objects that a whole migration in memory writes, by command."""
    world, encoders = memory_world, {OLD.name: OLD, NEW.name: NEW}.__getitem__
    world.make("docs")
    world.put("docs", rows_of([body(n) for n in range(40)]))
    source = Source(table="docs", key=("id",), text="body", vector="embedding")
    said = {"adopt": adopt(world.store, "docs", source=source, encoder=OLD.name, encoders=encoders).as_json()}
    said["audit"] = audit(world.store, "docs", encoders=encoders).as_json()
    said["plan"] = plan(world.store, "docs", to=NEW.name, encoders=encoders).as_json()
    said["migrate"] = migrate(world.store, "docs", encoders=encoders, to=NEW.name, until=Phase.FILLED).as_json()
    verdict = prove(world.store, "docs", encoders=encoders)
    said["prove"] = {"passed": verdict.passed, "findings": [finding.as_json() for finding in verdict.findings]}
    said["status"] = status(world.store, "docs").as_json()
    return said


@pytest.mark.parametrize("command", ["adopt", "audit", "plan", "status", "prove"])
def test_the_objects_of_the_readme_have_the_fields_that_are_written(moved: dict[str, dict[str, object]], command: str):
    shapes = {row[0]: row[1] for row in table("command | object")}
    shape = re.match(r"`([^`]+)`", shapes[f"`{command}`"])
    assert shape is not None
    assert fields(shape[1]) == list(moved[command])


def test_the_moves_write_at_least_what_the_readme_says(moved: dict[str, dict[str, object]]):
    assert moved["migrate"].keys() >= {"alias", "phase", "source", "target"}


def test_the_changelog_knows_this_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[{re.escape(PROJECT['version'])}\]", changelog, re.MULTILINE)


def test_no_link_leads_nowhere():
    broken = [
        f"{path.relative_to(ROOT)}: {link}"
        for path in PAGES
        for link, _ in LINK.findall(path.read_text(encoding="utf-8"))
        if "://" not in link and not (path.parent / link).exists()
    ]
    assert broken == []


def test_every_page_can_be_found_from_the_first():
    """A page that nothing leads to is read by nobody; decisions are reached by their folder."""
    contents = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    lost = [path.name for path in (ROOT / "docs").glob("*.md") if path.name != "README.md" and f"({path.name})" not in contents]
    assert lost == []


def test_every_file_that_the_documentation_names_exists():
    """Paths of the product, as the pages give them in code style."""
    named = {
        (path.name, found)
        for path in PAGES
        for found in re.findall(
            r"`((?:core|migrations|adapters|cli|tests|docs|examples)/[\w/.-]+\.(?:py|md|sh|sql))[`:]",
            path.read_text(encoding="utf-8"),
        )
    }
    assert len(named) > 20
    assert {(page_name, found) for page_name, found in named if not (ROOT / found).exists()} == set()


def test_the_documents_that_the_code_names_exist():
    product = [path for floor in ("core", "migrations", "adapters", "cli") for path in (ROOT / floor).rglob("*.py")]
    named = {found for path in product for found in re.findall(r"docs/[\w/.-]+\.md", path.read_text(encoding="utf-8"))}
    assert named
    assert {found for found in named if not (ROOT / found).exists()} == set()


def test_the_glossary_has_the_nouns_of_the_ports():
    """Every class of the pure core whose name is a word of its own is explained, once."""
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    words = re.findall(r"^\| \*\*([^*]+)\*\* \|", glossary, re.MULTILINE)
    told = [word.strip() for entry in words for word in entry.split(",")]
    assert len(told) == len(set(told))
    names = [
        "space",
        "record",
        "verdict",
        "declaration",
        "figures",
        "migration",
        "ports",
        "index",
        "outbox",
        "encoder",
        "journal",
    ]
    files = [ROOT / "core" / f"{name}.py" for name in names]
    nouns = {
        node.name for path in files for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)
    }
    plain = {"Alias", "Census", "Corpus", "Declaration", "Encoder", "Finding", "Index", "Journal", "Migration", "Outbox", "Phase",
             "Place", "Record", "Role", "Space", "Store", "Vectors", "Verdict"}  # fmt: skip
    assert plain <= nouns, "the core has changed its nouns"
    assert {noun.lower() for noun in plain} <= {word.lower() for word in told}


def test_the_checks_of_a_proof_stand_in_files_of_their_own():
    assert {check.__name__ for check in CHECKS} == {
        path.stem for path in (ROOT / "migrations" / "prove").glob("*.py") if path.stem not in ("__init__", "scene", "verdict")
    }
