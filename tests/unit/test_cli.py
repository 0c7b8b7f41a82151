"""The hand: exit statuses, what goes to stdout and what to stderr, and every command once, on a store in memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click
import pytest
from costless import HashEncoder
from transvase.adapters.memory import connect
from transvase.cli import progress as progress_module
from transvase.cli import wiring
from transvase.cli.main import COMMANDS, cli, main
from transvase.cli.options import seconds
from transvase.cli.progress import Lines, progress_to_stderr
from transvase.cli.states import page
from transvase.core.errors import UnknownName
from transvase.core.migration import AFTER, BEFORE, MOVES, Move, Phase
from transvase.core.ports import Encoder
from transvase.core.space import Role, Vectors
from worlds import NEW, OLD, WIDTH, MemoryWorld, rows_of

ADOPT = ("adopt", "docs", "--table", "docs", "--key", "id", "--text", "body", "--vector", "embedding")


class Interrupted(HashEncoder):
    """The operator presses Ctrl-C while it encodes."""

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        raise KeyboardInterrupt


class Defective(HashEncoder):
    """A defect of ours, no failure of the world's."""

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        raise ZeroDivisionError("seven")


@dataclass
class Terminal:
    """Runs commands as the program would, and keeps what they wrote."""

    world: MemoryWorld
    url: str
    captured: pytest.CaptureFixture[str]
    out: str = ""
    err: str = ""

    def __call__(self, *words: str) -> int:
        status = main(["--store", self.url, *words])
        self.out, self.err = self.captured.readouterr()
        return status

    def object(self, *words: str, status: int = 0) -> dict[str, object]:
        """The one object that the command writes to stdout."""
        assert self(*words, "--json") == status, self.err
        found = json.loads(self.out)
        assert isinstance(found, dict)
        assert self.out.count("\n") == 1
        return found


@pytest.fixture
def terminal(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Terminal]:
    """A terminal on a store in memory with the table ``docs``, and encoders that cost nothing."""
    named: dict[str, Encoder] = {
        "old": OLD,
        "new": NEW,
        "interrupted": Interrupted("interrupted", dimension=WIDTH, seed=7),
        "defective": Defective("defective", dimension=WIDTH, seed=8),
    }

    def load(enc: str) -> Encoder:
        if enc not in named:
            raise UnknownName("model", enc)
        return named[enc]

    monkeypatch.setattr(wiring, "load", load)
    wiring.encoders.cache_clear()
    url = f"memory:{request.node.name}"
    world = MemoryWorld(connect(url))
    world.make("docs")
    world.put("docs", rows_of([f"body {i}" for i in range(30)]))
    yield Terminal(world, url, capsys)
    wiring.encoders.cache_clear()


def adopted(terminal: Terminal) -> Terminal:
    assert terminal(*ADOPT, "--encoder", "old") == 0
    return terminal


def test_the_whole_road_forward_back_and_forward(terminal: Terminal) -> None:
    assert adopted(terminal).object("plan", "docs", "--to", "new")["rows"] == 30
    assert terminal.object("open", "docs", "--to", "new")["phase"] == "shadowing"
    assert terminal.object("pause", "docs") == {"alias": "docs", "phase": "shadowing", "paused": True}
    assert terminal.object("resume", "docs")["paused"] is False
    assert terminal.object("fill", "docs")["rows"] == 30
    proof = terminal.object("prove", "docs")
    assert proof["passed"] is True
    assert {"check", "measured", "threshold", "passed", "detail"} == proof["findings"][0].keys()
    assert terminal.object("cutover", "docs")["phase"] == "live"
    terminal.world.put("docs", [{"id": 3, "body": "edited"}])
    assert terminal.object("sync", "docs", "--once")["paid"] == 1
    assert terminal.object("rollback", "docs")["phase"] == "filled"
    assert terminal.object("migrate", "docs", "--until", "live")["phase"] == "live"
    assert terminal.object("retire", "docs", "--drop")["done"] == "dropped column embedding"
    found = terminal.object("search", "docs", "edited", "-k", "2", "--where", "team=infra")
    assert found["space"] == NEW.space.id
    assert found["hits"][0]["key"] == [3]
    assert len(found["hits"]) == 2
    events = terminal.object("history", "docs")["events"]
    moves = [event["what"] for event in events if event["what"] in set(Move)]
    assert moves == ["open", "fill", "prove", "cutover", "rollback", "prove", "cutover", "retire"]


def test_people_read_stderr_and_stdout_stays_empty(terminal: Terminal) -> None:
    for words in (("plan", "docs", "--to", "new"), ("migrate", "docs", "--to", "new"), ("status", "docs"), ("audit", "docs")):
        assert adopted(terminal)(*words) == 0
        assert terminal.out == ""
        assert terminal.err
    assert terminal("prove", "docs") == 0
    assert "recall" in terminal.err
    assert terminal("search", "docs", "body 3") == 0
    assert "body 3" in terminal.err
    assert terminal("history", "docs") == 0
    assert "adopt" in terminal.err


def test_search_before_any_migration_serves_the_adopted_index(terminal: Terminal) -> None:
    found = adopted(terminal).object("search", "docs", "body 7", "-k", "1")
    assert (found["index"], found["space"]) == ("docs.embedding", OLD.space.id)
    assert found["hits"] == [{"key": [7], "score": pytest.approx(1.0), "text": "body 7"}]


def test_a_refusal_ends_with_1_and_changes_nothing(terminal: Terminal) -> None:
    assert adopted(terminal)("cutover", "docs") == 1
    assert terminal.err.startswith("transvase: cutover refused")
    assert terminal.err.count("\n") == 1


def test_a_plan_that_would_be_refused_is_shown_and_ends_with_1(terminal: Terminal) -> None:
    found = adopted(terminal).object("plan", "docs", "--to", "old", status=1)
    assert "nothing to move" in found["refusals"][0]
    assert "nothing to move" in terminal.err


def test_a_proof_that_fails_is_shown_and_ends_with_1(terminal: Terminal) -> None:
    adopted(terminal)("migrate", "docs", "--to", "new", "--until", "filled")
    state = terminal.world.store._state("docs")
    state.indexes[state.shadow].shelf.remove((5,))
    found = terminal.object("prove", "docs", status=1)
    assert found["passed"] is False
    assert "1 missing" in terminal.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("status", "nowhere"), "no alias 'nowhere'"),
        ((*ADOPT, "--encoder", "no-such-model"), "no model 'no-such-model'"),
        (("adopt", "docs", "--table", "nope", *ADOPT[4:], "--encoder", "old"), "no table 'nope'"),
        ((*ADOPT[:-1], "nope", "--encoder", "old"), "no column 'nope'"),
        (("search", "docs", "text", "--where", "team"), "COL=VALUE"),
        (("search", "docs", "text", "-k", "0"), "0 is not in the range"),
        (("frobnicate",), "No such command"),
        (("status",), "Missing argument"),
        (("migrate", "docs", "--until", "retired"), "'retired' is not one of"),
        (("status", "docs", "--watch", "--json"), "use one of them"),
        *((("retire", "docs", f"--quiet={text}"), "90s, 15m, 2h or 1d") for text in ("soon", "-5m", "5 weeks", "", "1e3", "m")),
    ],
)
def test_misuse_ends_with_2_and_says_what_to_do(terminal: Terminal, words: tuple[str, ...], said: str) -> None:
    assert terminal(*words) == 2
    assert said in terminal.err
    assert "Traceback" not in terminal.err
    assert terminal.out == ""


@pytest.mark.parametrize(
    ("text", "wanted"), [("0", 0), ("90", 90), ("90s", 90), ("1.5m", 90), ("15 m", 900), ("2h", 7200), ("1d", 86400)]
)
def test_durations_have_a_unit_or_are_seconds(text: str, wanted: float) -> None:
    assert seconds(text, named="--quiet") == wanted


def test_an_old_side_that_was_just_read_is_not_quiet(terminal: Terminal) -> None:
    adopted(terminal)("migrate", "docs", "--to", "new", "--until", "live")
    old = terminal.world.store.index("docs", "docs.embedding")
    old.search(OLD.encode(["body 1"], Role.QUERY), 1)
    assert terminal("retire", "docs", "--quiet", "15m") == 1
    assert "docs.embedding was read 0 s ago, and 900 s of quiet are asked for" in terminal.err
    assert terminal.object("status", "docs")["phase"] == "live"
    found = terminal.object("retire", "docs", "--quiet", "0")
    assert isinstance(found["old_side_quiet_s"], float)
    assert found["phase"] == "retired"


def test_without_a_store_the_way_to_name_one_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("TRANSVASE_STORE", raising=False)
    assert main(["status", "docs"]) == 2
    assert "TRANSVASE_STORE" in capsys.readouterr().err


def test_the_store_may_stand_in_the_environment(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    adopted(terminal)
    monkeypatch.setenv("TRANSVASE_STORE", terminal.url)
    assert main(["status", "docs", "--json"]) == 0
    assert json.loads(terminal.captured.readouterr().out)["alias"] == "docs"


def test_ctrl_c_ends_with_130_and_says_that_the_same_command_goes_on(terminal: Terminal) -> None:
    adopted(terminal)
    assert terminal("migrate", "docs", "--to", "interrupted") == 130
    assert "the same command goes on" in terminal.err
    assert terminal.object("status", "docs")["phase"] == "shadowing"
    with terminal.world.store.hold("docs"):
        pass


def test_a_defect_is_one_sentence_and_shows_where_only_when_asked(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    adopted(terminal)
    assert terminal("plan", "docs", "--to", "defective") == 3
    assert "unexpected ZeroDivisionError: seven" in terminal.err
    assert "Traceback" not in terminal.err
    monkeypatch.setenv("TRANSVASE_DEBUG", "1")
    assert terminal("plan", "docs", "--to", "defective") == 3
    assert "Traceback" in terminal.err


def test_help_lists_the_commands_that_are_there_and_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    context = click.Context(cli)
    there = cli.list_commands(context)
    assert set(there) <= {name for group in COMMANDS for name in group}
    assert {"adopt", "migrate", "cutover", "rollback", "retire", "status", "search", "sync"} <= set(there)
    for name in ("adopt", "migrate", "search"):
        assert name in said


def test_a_command_whose_module_is_not_there_is_absent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("transvase.cli.main.COMMANDS", (("adopt", "levitate"),))
    assert cli.list_commands(click.Context(cli)) == ["adopt"]
    assert main(["levitate"]) == 2
    assert "No such command" in capsys.readouterr().err


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("adopt", "audit", "plan", "migrate", "open", "fill", "prove", "cutover", "rollback", "retire", "abort"):
        assert main([name, "--help"]) == 0
        said = capsys.readouterr().out
        assert "ALIAS" in said
        assert "--json" in said


def test_plain_progress_is_one_line_a_subject_and_one_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    for done in range(0, 1_001, 10):
        lines("filling", done, 1_000)
    lines("building the index", 0, 0)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "filling: 0 of 1,000"
    assert said[1].startswith("filling: 1,000 of 1,000, ")
    assert said[2:] == ["building the index"]


def test_plain_progress_tells_rate_and_time_left(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 0.0, 10.0])
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: next(now))
    lines = Lines()
    lines("filling", 500, 2_000)
    lines("filling", 1_000, 2_000)
    assert capsys.readouterr().err.splitlines()[1] == "filling: 1,000 of 2,000, 50/s, 20 s left"


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.openpty()
    with os.fdopen(write, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        with progress_to_stderr() as progress:
            progress("filling", 1, 10)
            progress("filling", 10, 10)
            progress("building the index", 0, 0)
    said = os.read(read, 100_000).decode()
    os.close(read)
    assert "10/10" in said
    assert "building the index" in said


def test_the_page_of_states_says_every_move_and_every_guard() -> None:
    said = page()
    for phase, exits in MOVES.items():
        for move, leads_to in exits.items():
            assert f"{phase} --> {leads_to}: {move}" in said
    for guards in (*BEFORE.values(), *AFTER.values()):
        for guard in guards:
            assert guard.__name__.strip("_").replace("_", " ") in said
    assert f"[*] --> {Phase.PLANNED}" in said


def test_a_polite_request_to_end_counts_as_an_interruption() -> None:
    """A real process, since a signal is asked for: ``sync`` waits in it for debts until it is told to end."""
    program = (
        "import sys, threading, os, signal\n"
        "from transvase.adapters.memory import connect, VectorColumn\n"
        "from transvase.cli.main import main\n"
        "store = connect('memory:x')\n"
        "store.make_table('docs', key=('id',), columns=('body',), vectors=(VectorColumn(name='v', width=4),))\n"
        "adopt = 'adopt docs --table docs --key id --text body --vector v --encoder unknown'.split()\n"
        "assert main(['--store', 'memory:x', *adopt]) == 0\n"
        "threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()\n"
        "sys.exit(main(['--store', 'memory:x', 'sync', 'docs', '--json']))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"alias": "docs", "paid": 0, "owed": 0, "not_encodable": []}
    assert signal.getsignal(signal.SIGTERM) is not None
