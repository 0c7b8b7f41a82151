"""The whole surface as a program uses it: real models, a real Postgres, one JSON object a command, and nothing else on stdout."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from helm import Helm
from pgvector import Vector
from pgvector.psycopg import register_vector
from tiny_model import write_tiny_model
from transvase.core.encoders import load, space_of
from transvase.core.ports import Encoder
from transvase.core.space import Role

pytestmark = [pytest.mark.story, pytest.mark.model]
COUNT = 80
STATUS = {
    "alias", "phase", "source", "target", "live", "rows", "owed", "rate", "eta_s", "throttled_by", "worker_seen_s", "warnings",
}  # fmt: skip
CHECKS = {"counts", "gaps", "sane", "likeness", "recompute", "recall", "outbox", "latency"}


def text_of(number: int) -> str:
    return f"valve {number} of boiler {number * 7919 % 101} and invoice {number * number}"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two models that run without torch: real directories, as ``export`` writes them, with weights of their own."""
    from transvase.core.export import export

    place = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("base", "tuned")):
        whole = write_tiny_model(place / f"{name}-whole", seed=seed, prompts={"query": "query: ", "document": "passage: "})
        export(str(whole), place / name, progress=lambda *_: None)
    return place / "base", place / "tuned"


def stock(helm: Helm, encoder: Encoder) -> None:
    """A table of the application's, its vectors made by ``encoder``."""
    texts = [text_of(i) for i in range(COUNT)]
    matrix = encoder.encode(texts, Role.DOCUMENT).matrix
    with psycopg.connect(helm.url, autocommit=True) as connection:
        register_vector(connection)
        connection.execute("CREATE TABLE notes (id bigint PRIMARY KEY, note text, team text, vec vector(16))")
        with connection.cursor().copy("COPY notes FROM STDIN") as copy:
            for number, row in enumerate(matrix):
                copy.write_row([number, texts[number], "infra" if number % 2 else "sales", Vector(row)])
        connection.execute("CREATE INDEX ON notes USING hnsw (vec vector_cosine_ops)")


def adoption(encoder: Path | str) -> tuple[str, ...]:
    return ("adopt", "notes", "--table", "notes", "--key", "id", "--text", "note", "--vector", "vec", "--encoder", str(encoder))


def side(found: dict[str, Any], name: str) -> tuple[str, str]:
    assert found[name].keys() == {"index", "space"}
    return found[name]["index"], found[name]["space"]


def test_the_whole_road_with_json(helm: Helm, models: tuple[Path, Path]) -> None:
    """Forward, back, forward, retire, a second migration given up and a third made in one command."""
    base, tuned = models
    old, new = space_of(str(base)).id, space_of(str(tuned)).id
    stock(helm, load(str(base)))

    found = helm.object(*adoption(base))
    assert found["alias"] == "notes"
    assert (found["index"], found["space"], found["already"]) == ("public.notes.vec", old, False)
    assert (found["records"], found["missing"], found["zero"], found["sampled"], found["foreign"]) == (COUNT, 0, 0, COUNT, 0)
    assert helm.object(*adoption(base))["already"] is True

    found = helm.object("audit", "notes", "--sample", "50", "--seed", "7")
    assert (found["clean"], found["sampled"], found["seed"], found["space"]) == (True, 50, 7, old)
    assert found["keys"] == {"foreign": [], "others": []}

    found = helm.object("status", "notes")
    assert found.keys() == STATUS
    assert (found["phase"], found["source"], found["target"]) == (None, None, None)

    found = helm.object("plan", "notes", "--to", str(tuned))
    assert {"rows", "tokens", "cut_share", "seconds", "disk_bytes", "locks", "fenced", "refusals", "warnings"} <= found.keys()
    assert (found["rows"], found["fenced"], found["refusals"], found["target"]["width"]) == (COUNT, True, [], 17)
    assert {lock["move"] for lock in found["locks"]} == {"open", "fill", "cutover", "retire"}
    assert {lock["waits_for"] for lock in found["locks"] if lock["move"] == "cutover"} == {"nobody"}
    assert helm.object("status", "notes")["phase"] is None, "plan changes nothing"

    found = helm.object("open", "notes", "--to", str(tuned))
    assert (found["alias"], found["phase"], found["source"]) == ("notes", "shadowing", "public.notes.vec")
    assert helm.object("pause", "notes") == {"alias": "notes", "phase": "shadowing", "paused": True}
    assert "paused by an operator" in helm.object("status", "notes")["throttled_by"]
    assert helm.object("resume", "notes") == {"alias": "notes", "phase": "shadowing", "paused": False}
    assert helm.object("status", "notes")["rows"] == {"total": COUNT, "done": 0}

    found = helm.object("fill", "notes")
    assert (found["phase"], found["rows"]) == ("filled", COUNT)
    found = helm.object("prove", "notes", "--seed", "3")
    assert found.keys() == {"passed", "findings"}
    assert found["passed"] is True
    assert {finding["check"] for finding in found["findings"]} == CHECKS
    assert all(finding.keys() == {"check", "measured", "threshold", "passed", "detail"} for finding in found["findings"])

    found = helm.object("cutover", "notes")
    assert (found["phase"], found["owed"], found["waited_s"]) == ("live", 0, 0.0)
    assert found["switch_s"] < 5
    found = helm.object("status", "notes")
    assert found.keys() == STATUS
    assert side(found, "source") == ("public.notes.vec", old)
    assert side(found, "live") == side(found, "target") == (found["target"]["index"], new)
    assert (found["rows"], found["owed"], found["phase"]) == ({"total": COUNT, "done": COUNT}, 0, "live")

    helm.sql("UPDATE notes SET note = 'a passage about the boiler 9999' WHERE id = 5")
    found = helm.object("sync", "notes", "--once")
    assert (found["paid"], found["owed"], found["not_encodable"]) == (1, 0, [])
    assert helm.object("rollback", "notes")["phase"] == "filled"
    assert helm.object("search", "notes", text_of(3))["space"] == old
    assert helm.object("prove", "notes")["passed"] is True
    assert helm.object("cutover", "notes")["phase"] == "live"

    found = helm.object("search", "notes", "a passage about the boiler 9999", "-k", "3", "--where", "team=infra")
    assert found.keys() == {"alias", "index", "space", "hits"}
    assert (found["alias"], found["space"], len(found["hits"])) == ("notes", new, 3)
    assert all(hit.keys() == {"key", "score", "text"} and hit["key"][0] % 2 == 1 for hit in found["hits"])
    assert sorted((hit["score"] for hit in found["hits"]), reverse=True) == [hit["score"] for hit in found["hits"]]

    found = helm.object("retire", "notes")
    assert found["phase"] == "retired"
    assert found["done"].startswith("renamed the column public.notes.vec to")
    assert isinstance(found["old_side_reads"], int)

    assert helm.object("open", "notes", "--to", str(base))["phase"] == "shadowing"
    assert helm.object("abort", "notes")["phase"] == "aborted"
    found = helm.object("migrate", "notes", "--to", str(base), "--until", "live")
    assert (found["phase"], found["source"].startswith("notes_1"), found["target"].startswith("notes_3")) == ("live", True, True)
    assert helm.object("search", "notes", text_of(3))["space"] == old
    assert helm.sql("SELECT DISTINCT space, vector_dims(embedding) FROM transvase.notes") == [(old, 16)]

    found = helm.object("history", "notes")
    assert found.keys() == {"alias", "events"}
    assert all(event.keys() == {"at", "who", "what", "facts"} for event in found["events"])
    said = [event["what"] for event in found["events"]]
    road = [
        "adopt",
        "plan",
        "open",
        "pause",
        "resume",
        "fill",
        "prove",
        "cutover",
        "rollback",
        "prove",
        "cutover",
        "retire",
        "abort",
    ]
    remaining = iter(said)
    assert all(any(what == step for what in remaining) for step in road), said


def test_without_json_people_read_stderr_and_stdout_is_empty(helm: Helm, models: tuple[Path, Path]) -> None:
    base, tuned = models
    stock(helm, load(str(base)))
    for words in (
        adoption(base),
        ("audit", "notes"),
        ("status", "notes"),
        ("plan", "notes", "--to", str(tuned)),
        ("migrate", "notes", "--to", str(tuned), "--until", "live"),
        ("search", "notes", text_of(1)),
        ("sync", "notes", "--once"),
        ("history", "notes"),
        ("rollback", "notes"),
        ("abort", "notes"),
    ):
        assert helm(*words) == 0, helm.err
        assert helm.out == "", words
        assert helm.err.strip(), words
    assert "the plan" not in helm.err


def test_a_model_that_did_not_make_the_vectors_is_refused_with_a_real_model_too(helm: Helm, models: tuple[Path, Path]) -> None:
    base, tuned = models
    stock(helm, load(str(base)))
    helm.refused(*adoption(tuned), status=1, says="did not make these vectors")


def installed(*words: str, url: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The console script, as it was installed, in a process of its own."""
    script = Path(sys.executable).parent / "transvase"
    environment = {**os.environ, "TRANSVASE_STORE": url}
    return subprocess.run(
        [str(script), *words], capture_output=True, text=True, check=False, cwd=cwd, env=environment, timeout=120
    )


def test_the_installed_program_has_the_same_words_and_statuses(helm: Helm, models: tuple[Path, Path]) -> None:
    """A relative model directory is kept by its full path, so that the next command finds it from anywhere."""
    base, tuned = models
    stock(helm, load(str(base)))
    done = installed(*adoption("base"), "--json", url=helm.url, cwd=base.parent)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["space"] == space_of(str(base)).id
    done = installed("migrate", "notes", "--to", "tuned", "--until", "live", "--json", url=helm.url, cwd=base.parent)
    assert (done.returncode, json.loads(done.stdout)["phase"]) == (0, "live"), done.stderr
    assert "filling" in done.stderr, "plain lines of progress where nobody watches"
    assert "\x1b" not in done.stderr
    done = installed("search", "notes", text_of(4), "--json", url=helm.url, cwd=Path("/"))
    assert json.loads(done.stdout)["space"] == space_of(str(tuned)).id
    refused = installed("abort", "notes", url=helm.url, cwd=Path("/"))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.count("\n") == 1, "one sentence"
    assert installed("status", "noets", url=helm.url, cwd=Path("/")).returncode == 2
    assert installed("status", "notes", url="postgresql://postgres@127.0.0.1:1/x", cwd=Path("/")).returncode == 3


def test_a_served_worker_ends_on_a_polite_request_and_has_paid(helm: Helm, models: tuple[Path, Path]) -> None:
    """``sync`` without ``--once`` serves until it is asked to end; what was owed meanwhile has been paid."""
    base, tuned = models
    stock(helm, load(str(base)))
    assert helm(*adoption(base)) == 0, helm.err
    assert helm("migrate", "notes", "--to", str(tuned), "--until", "live") == 0, helm.err
    script = Path(sys.executable).parent / "transvase"
    worker = subprocess.Popen(
        [str(script), "--store", helm.url, "sync", "notes", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        helm.sql("UPDATE notes SET note = note || ' again' WHERE id < 30")
        for _ in range(300):
            if helm.object("status", "notes")["owed"] == 0:
                break
            helm.sql("SELECT pg_sleep(0.1)")
        assert helm.object("status", "notes")["warnings"] == []
        worker.send_signal(signal.SIGTERM)
        out, err = worker.communicate(timeout=30)
    finally:
        worker.kill()
        worker.wait()
    found = json.loads(out)
    assert (found["owed"], found["paid"], worker.returncode) == (0, 30, 0), err
