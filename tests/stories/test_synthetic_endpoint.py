"""Asking a language model over real HTTP, with every fault planted: nothing lost, nothing paid twice, never above the budget."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from planted_model import PlantedModel, always, write_records
from transvase.core.errors import BadValue, EndpointFailed, NotReady, WorldFailed
from transvase.core.evaluation import read
from transvase.core.signal.assembly import Made, Terms
from transvase.core.signal.cleaning import Rules
from transvase.core.signal.cut import Cut
from transvase.core.signal.synthetic.budget import Estimate, Prices
from transvase.core.signal.synthetic.synthesize import Model, Synthesis, synthesize

pytestmark = pytest.mark.story

FAULTS = ("429@0.05", "500", "502", "503", "cut", "slow", "html", "prose")
PRICES = Prices(into=100.0, out=1000.0)


def settings(at: Path, model: PlantedModel, **changes: object) -> Synthesis:
    """One query in each of three styles for each record of ``at/corpus.jsonl``, asked impatiently."""
    asked = Model(url=model.url, name="planted", timeout_s=2.0, pause_s=0.01, attempts=12, most_out=60)
    return Synthesis(
        source=at / "corpus.jsonl",
        out=at / "made",
        terms=Terms(rules=Rules(), cut=Cut(dev=0.2, test=0.0)),
        model=replace(asked, **changes),  # type: ignore[arg-type]
    )


def made(wanted: Synthesis, *, agree: bool = True) -> Made:
    return synthesize(wanted, load=lambda: None, agree=lambda _: agree, progress=lambda *_: None)


def fact(found: Made, *path: str) -> object:
    value: object = found.report
    for name in path:
        assert isinstance(value, dict), (path, value)
        value = value[name]
    return value


def test_whatever_the_endpoint_does_nothing_is_lost_and_nothing_is_paid_twice(tmp_path: Path):
    """Each question meets two faults before it is answered; between them, all kinds are met."""
    write_records(tmp_path / "corpus.jsonl", 12)
    order: dict[str, int] = {}

    def plan(key: str, attempt: int, corrected: bool) -> str:
        first = order.setdefault(key, len(order))
        fault = FAULTS[(first + attempt) % len(FAULTS)] if attempt < 2 else "well"
        return "well" if corrected and fault == "prose" else fault

    with PlantedModel(plan) as model:
        found = made(settings(tmp_path, model, workers=12))
        met = {fault for _, fault in model.seen.requests}
        questions = sum(fault == "well" for _, fault in model.seen.requests)
        assert {*FAULTS, "well"} <= met
        assert set(model.seen.delivered.values()) == {1}, "an answer was delivered, paid and asked for again"
        assert fact(found, "answers") == {"answered": 36}
        assert fact(found, "cost", "answers_paid") == sum(model.seen.delivered.values()) >= questions
        assert fact(found, "queries") == 36
        asked_before = len(model.seen.requests)
        again = made(replace(settings(tmp_path, model), out=tmp_path / "again"))
        assert len(model.seen.requests) == asked_before, "what is on the disk was asked for again"
    assert fact(again, "cost", "requests") == 0
    for name in ("queries.jsonl", "qrels/train.tsv", "qrels/dev.tsv"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "made" / name).read_bytes()


def test_the_collection_says_what_each_query_is_and_where_it_comes_from(tmp_path: Path):
    write_records(tmp_path / "corpus.jsonl", 12)
    with PlantedModel() as model:
        found = made(settings(tmp_path, model))
    judged = read(tmp_path / "made", split="train")
    assert {query.metadata["style"] for query in judged.queries} == {"question", "keywords", "problem"}
    assert all(judged.answers(query.id) == {query.metadata["record"]} == {query.family} for query in judged.queries)
    assert all(query.metadata["synthetic"] is True for query in judged.queries)
    assert len(judged.documents) == 12
    dev = read(tmp_path / "made", split="dev")
    assert {query.family for query in dev.queries}.isdisjoint({query.family for query in judged.queries})
    assert fact(found, "styles", "question") == {"made": 12, "kept": 12}


def test_an_endpoint_that_asks_for_a_pause_gets_it_from_all_workers(tmp_path: Path):
    write_records(tmp_path / "corpus.jsonl", 8)
    refused: list[str] = []

    def plan(key: str, _attempt: int, _corrected: bool) -> str:
        if not refused:
            refused.append(key)
            return "429@0.6"
        return "well"

    with PlantedModel(plan) as model:
        model.pause_s = 0.05
        made(settings(tmp_path, model, workers=2))
        assert model.seen.refused_at is not None
        under_way = 2  # requests that had left before the refusal arrived
        early = [at for at in model.seen.at if model.seen.refused_at < at < model.seen.refused_at + 0.55]
        assert len(early) <= under_way - 1
        assert len(model.seen.at) == 25


def test_no_more_requests_leave_in_a_minute_than_were_allowed(tmp_path: Path):
    write_records(tmp_path / "corpus.jsonl", 4)
    with PlantedModel() as model:
        wanted = settings(tmp_path, model, per_minute=1200.0, workers=8)
        made(replace(wanted, terms=Terms(rules=Rules(), cut=Cut(dev=0.0, test=0.0))))
        assert model.seen.at[-1] - model.seen.at[0] >= 0.05 * (len(model.seen.at) - 1) * 0.9
        assert len(model.seen.at) == 12


@pytest.mark.parametrize(("usage", "budget"), [(True, 1.0), (False, 4.0)])
def test_the_budget_holds_with_many_requests_in_flight_and_over_several_runs(tmp_path: Path, usage: bool, budget: float):
    write_records(tmp_path / "corpus.jsonl", 20)
    with PlantedModel(usage=usage) as model:
        model.pause_s = 0.02
        first = made(settings(tmp_path, model, prices=PRICES, budget=budget, workers=8))
        spent, asked = fact(first, "cost", "usd"), len(model.seen.requests)
        assert isinstance(spent, float)
        assert budget / 2 < spent <= budget
        assert 0 < asked < 60
        assert any("the budget is spent" in note for note in first.report["notes"])  # type: ignore[attr-defined]
        same = made(replace(settings(tmp_path, model, prices=PRICES, budget=budget), out=tmp_path / "same"))
        assert fact(same, "cost", "usd_over_all_runs") <= budget  # type: ignore[operator]
        rest = made(replace(settings(tmp_path, model, prices=PRICES, budget=50.0), out=tmp_path / "rest"))
        assert fact(rest, "answers") == {"answered": 60}
        assert set(model.seen.delivered.values()) == {1}


def test_answers_that_were_lost_count_against_the_budget_in_full(tmp_path: Path):
    """They may have been charged; a budget that ignored them could be passed without anybody noticing."""
    write_records(tmp_path / "corpus.jsonl", 8)
    with PlantedModel(always("cut")) as model:
        wanted = settings(tmp_path, model, prices=PRICES, budget=2.0, workers=1, attempts=3)
        with pytest.raises((EndpointFailed, BadValue)):
            made(wanted)
        asked = len(model.seen.requests)
        assert 2 < asked < 30
        with pytest.raises((EndpointFailed, BadValue)):
            made(wanted)
        assert len(model.seen.requests) == asked, "a second run forgot what the first one may have paid"
    assert not (tmp_path / "made").exists()


def test_a_model_that_answers_in_prose_is_asked_once_more_and_then_never_again(tmp_path: Path):
    write_records(tmp_path / "corpus.jsonl", 12)
    odd: list[str] = []

    def plan(key: str, _attempt: int, corrected: bool) -> str:
        if not corrected:
            odd.append(key)
        return "prose" if corrected or len(odd) % 2 == 0 else "well"

    with PlantedModel(plan) as model:
        found = made(settings(tmp_path, model, workers=1))
        assert fact(found, "answers", "answer not readable", "count") == 18
        assert len(model.seen.requests) == 36 + 18
        assert all(len(body["messages"]) in (2, 4) for body in model.seen.bodies)
        made(replace(settings(tmp_path, model), out=tmp_path / "again"))
        assert len(model.seen.requests) == 36 + 18


def test_a_model_that_never_answers_readably_is_paid_for_a_few_questions_and_no_more(tmp_path: Path):
    write_records(tmp_path / "corpus.jsonl", 12)
    with PlantedModel(always("prose")) as model:
        wanted = settings(tmp_path, model, workers=4, prices=PRICES)
        with pytest.raises(BadValue, match=r"none of its answers to 1\d questions was a JSON array") as caught:
            made(wanted)
        paid = len(model.seen.requests)
        assert 20 <= paid <= 20 + 2 * 3, "the other workers may be in the middle of a question"
        assert "'Certainly! Here are some queries.'" in str(caught.value)
        assert f"{paid} answers were paid for in this run, at most $" in str(caught.value)
        assert "synthetic-answers.jsonl" in str(caught.value)
        with pytest.raises(BadValue, match="none of its answers") as again:
            made(wanted)
        assert len(model.seen.requests) == paid
        assert "paid for in this run" not in str(again.value)
    assert not (tmp_path / "made").exists()


def test_answers_that_were_cut_off_say_so_and_are_asked_for_again_where_they_may_be_longer(tmp_path: Path):
    write_records(tmp_path / "corpus.jsonl", 12)
    with PlantedModel(always("cut off")) as model:
        with pytest.raises(BadValue, match=r"cut off after 60 tokens.*raise --answer-tokens"):
            made(settings(tmp_path, model, workers=1, prices=PRICES, budget=50.0))
        model.plan, before = always("well"), len(model.seen.requests)
        found = made(settings(tmp_path, model, workers=1, prices=PRICES, budget=50.0, most_out=90))
        assert fact(found, "answers") == {"answered": 36}
        assert len(model.seen.requests) - before == 36
        total, own = fact(found, "cost", "usd_over_all_runs"), fact(found, "cost", "usd")
        assert isinstance(total, float)
        assert isinstance(own, float)
        assert total > own, "what was cut off has been paid for too"
        again = made(replace(settings(tmp_path, model, prices=PRICES, most_out=90), out=tmp_path / "again"))
        assert fact(again, "cost", "requests") == 0
        assert fact(again, "cost", "usd_over_all_runs") == total


def test_a_collection_that_is_refused_says_what_was_paid_for_it(tmp_path: Path):
    write_records(tmp_path / "corpus.jsonl", 1)
    with PlantedModel() as model, pytest.raises(BadValue, match="3 answers were paid for in this run, at most") as caught:
        made(settings(tmp_path, model, prices=PRICES))
    assert "this one answer" in str(caught.value)


def test_a_full_disk_is_told_as_what_it_is_and_leaves_whole_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_records(tmp_path / "corpus.jsonl", 12)
    room, write = [7], os.write

    def written(file: int, line: bytes) -> int:
        room[0] -= 1
        if room[0] < 0:
            raise OSError(28, "No space left on device")
        return write(file, line if room[0] else line[: len(line) // 2])

    with PlantedModel() as model:
        with monkeypatch.context() as full:
            full.setattr("transvase.core.signal.synthetic.ledger.os.write", written)
            with pytest.raises(WorldFailed, match=r"cannot be written \(No space left on device\); make room"):
                made(settings(tmp_path, model, workers=1))
        kept = (tmp_path / "synthetic-answers.jsonl").read_text(encoding="utf-8").splitlines()
        assert len(kept) == 6
        assert all(json.loads(line)["text"] for line in kept)
        found = made(settings(tmp_path, model))
        assert fact(found, "answers") == {"answered": 36}
        assert fact(found, "cost", "answers_from_before") == 6


def test_a_few_questions_without_an_answer_are_reported_and_asked_alone_the_next_time(tmp_path: Path):
    write_records(tmp_path / "corpus.jsonl", 12)
    bad: set[str] = set()

    def plan(key: str, _attempt: int, _corrected: bool) -> str:
        if len(bad) < 2:
            bad.add(key)
        return "500" if key in bad else "well"

    with PlantedModel(plan) as model:
        first = made(settings(tmp_path, model, attempts=2))
        assert fact(first, "answers", "no answer after all attempts", "count") == 2
        model.plan = always("well")
        before = len(model.seen.requests)
        second = made(replace(settings(tmp_path, model), out=tmp_path / "second"))
        assert len(model.seen.requests) - before == 2
        assert fact(second, "answers") == {"answered": 36}


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_no_request_will_change_ends_the_run_at_once(tmp_path: Path, status: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TRANSVASE_API_KEY", "sk-very-secret")
    write_records(tmp_path / "corpus.jsonl", 12)
    with PlantedModel(always(str(status))) as model:
        with pytest.raises(BadValue, match=f"answered {status}.*TRANSVASE_API_KEY") as caught:
            made(settings(tmp_path, model, workers=1))
        assert len(model.seen.requests) == 1
    assert "secret" not in str(caught.value)


def test_an_endpoint_that_refuses_everything_is_believed(tmp_path: Path):
    write_records(tmp_path / "corpus.jsonl", 12)
    with PlantedModel(always("400")) as model:
        with pytest.raises(BadValue, match="answered 400"):
            made(settings(tmp_path, model, workers=1))
        assert 5 <= len(model.seen.requests) <= 7, "a worker may be a step ahead"


def test_an_endpoint_that_is_down_ends_the_run_and_leaves_nothing(tmp_path: Path):
    write_records(tmp_path / "corpus.jsonl", 12)
    with PlantedModel(always("503")) as model, pytest.raises(EndpointFailed, match="503"):
        made(settings(tmp_path, model, attempts=2))
    gone = model
    with pytest.raises(EndpointFailed, match="no connection"):
        made(settings(tmp_path, gone, attempts=2))
    assert not (tmp_path / "made").exists()


def test_the_key_is_sent_and_written_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TRANSVASE_API_KEY", "sk-very-secret")
    write_records(tmp_path / "corpus.jsonl", 12)
    with PlantedModel() as model:
        found = made(settings(tmp_path, model))
        assert model.seen.keys == {"Bearer sk-very-secret"}
    assert "secret" not in json.dumps(found.as_json())
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 4
    assert not [path for path in files if b"secret" in path.read_bytes()]


def test_without_a_key_no_authorisation_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TRANSVASE_API_KEY", raising=False)
    write_records(tmp_path / "corpus.jsonl", 12)
    with PlantedModel() as model:
        made(settings(tmp_path, model))
        assert model.seen.keys == {None}


def test_nothing_is_asked_before_the_cost_was_agreed_to(tmp_path: Path):
    write_records(tmp_path / "corpus.jsonl", 12)
    told: list[Estimate] = []

    def agree(cost: Estimate) -> bool:
        told.append(cost)
        return False

    with PlantedModel() as model:
        with pytest.raises(NotReady, match="not agreed"):
            synthesize(settings(tmp_path, model, prices=PRICES), load=lambda: None, agree=agree, progress=lambda *_: None)
        assert model.seen.requests == []
        found = made(settings(tmp_path, model, prices=PRICES))
    assert (told[0].prompts, told[0].answered) == (36, 0)
    measured = fact(found, "cost", "usd")
    assert isinstance(measured, float)
    assert told[0].usd is not None
    assert told[0].usd_at_most is not None
    assert measured / 3 < told[0].usd < measured * 3
    assert measured <= told[0].usd_at_most


def test_a_model_that_knows_the_limit_by_its_newer_name_gets_it(tmp_path: Path):
    write_records(tmp_path / "corpus.jsonl", 12)
    with PlantedModel(always("renamed")) as model:
        found = made(settings(tmp_path, model, workers=1))
        assert fact(found, "answers") == {"answered": 36}
        assert len(model.seen.requests) == 37
        assert {body.get("max_completion_tokens") for body in model.seen.bodies[1:]} == {60}


def test_real_queries_show_the_tone_and_are_not_repeated(tmp_path: Path):
    """Those of a collection, whatever their split, and those that were given as examples."""
    write_records(tmp_path / "corpus.jsonl", 12)
    with PlantedModel() as model:
        plain = made(settings(tmp_path, model))
        first = json.loads((tmp_path / "made" / "queries.jsonl").read_text(encoding="utf-8").splitlines()[0])["text"]
        real = [
            {"_id": f"q{n}", "text": text} for n, text in enumerate([first.upper(), *(f"real number {n}" for n in range(20))])
        ]
        given = "".join(json.dumps(query) + "\n" for query in real)
        (tmp_path / "queries.jsonl").write_text(given, encoding="utf-8")
        inside = made(replace(settings(tmp_path, model), source=tmp_path, out=tmp_path / "inside"))
        assert fact(inside, "queries") == 35
        assert fact(inside, "cost", "requests") == 0
        assert fact(inside, "dropped", "nearly a real query", "count") == 1
        asked = len(model.seen.bodies)
        shown = made(replace(settings(tmp_path, model), examples=tmp_path / "queries.jsonl", out=tmp_path / "shown"))
        assert fact(shown, "cost", "requests") == 36, "other examples make another question"
        said = [json.loads(body["messages"][1]["content"]) for body in model.seen.bodies[asked:]]
    tones = {tuple(one["real_queries_of_other_records_for_their_tone"]) for one in said}
    assert len(tones) == 1
    assert len(tones.pop()) == 8
    assert fact(plain, "queries") == 36


_LISTENING = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("transvase.cli.main", run_name="__main__", alter_sys=True)
"""
"""The command, deaf to no keyboard: what is started in a shell's background inherits that interrupts are ignored."""


def start(at: Path, model: PlantedModel, *more: str) -> subprocess.Popen[str]:
    """The command itself, in a process that can be killed."""
    line = ["pairs", "synthesize", "--corpus", "corpus.jsonl", "--out", "made", "--endpoint", model.url, "--model", "planted"]
    line += ["--encoder", "none", "--workers", "3", "--json", *more]
    return subprocess.Popen(
        [sys.executable, "-c", _LISTENING, *line],
        cwd=at,
        env={**os.environ, "TRANSVASE_API_KEY": "sk-very-secret"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_killed_in_the_middle_and_run_again_it_pays_for_nothing_it_has(tmp_path: Path):
    """At most the answers under way, one for each worker, are paid a second time: nobody had received them."""
    write_records(tmp_path / "corpus.jsonl", 15)
    with PlantedModel() as model:
        model.pause_s = 0.03
        killed = start(tmp_path, model)
        wait_until(lambda: model.seen.delivered.total() >= 12)
        killed.send_signal(signal.SIGKILL)
        killed.communicate(timeout=60)
        lines = (tmp_path / "synthetic-answers.jsonl").read_bytes().splitlines(keepends=True)
        kept = {json.loads(line)["key"] for line in lines if line.endswith(b"\n")}
        assert 9 <= len(kept) < 45
        assert not (tmp_path / "made").exists()
        before = len(model.seen.requests)
        again = start(tmp_path, model)
        out, err = again.communicate(timeout=120)
        assert again.returncode == 0, err
        asked_again = [key for key, _ in model.seen.requests[before:]]
        assert kept.isdisjoint(asked_again)
        assert sum(count > 1 for count in model.seen.delivered.values()) <= 3
    assert json.loads(out)["answers"] == {"answered": 45}
    assert json.loads(out)["cost"]["answers_from_before"] == len(kept)
    assert "secret" not in out + err


def test_interrupted_from_the_keyboard_it_waits_for_the_answers_under_way(tmp_path: Path):
    write_records(tmp_path / "corpus.jsonl", 15)
    with PlantedModel() as model:
        model.pause_s = 1.0  # fifteen seconds in all: long enough to be interrupted on a busy machine too
        running = start(tmp_path, model)
        wait_until(lambda: model.seen.delivered.total() >= 2 and model.seen.at_once == 3)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=120)
        assert (running.returncode, out) == (130, ""), err
        assert "goes on from there" in err
        lines = (tmp_path / "synthetic-answers.jsonl").read_bytes().splitlines()
        assert {json.loads(line)["key"] for line in lines} == set(model.seen.delivered), "a paid answer was thrown away"
    assert len(lines) < 45
