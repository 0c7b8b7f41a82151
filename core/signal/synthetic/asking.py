"""Asks a language model for many things at once, and pays for none of them twice.

An answer goes into the ledger before anybody sees it. What fails is tried again with growing pauses (stamina's), never before the
endpoint's own Retry-After is over. A run that is interrupted sends nothing more and waits for the answers that are under way,
since they are paid for; one that is killed loses those alone.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from transvase.core.errors import BadValue, EndpointFailed, ExtraMissing, TransvaseError
from transvase.core.ports import Progress

from .budget import Budget, Prices, most_tokens
from .endpoint import Endpoint, Kind, Reply, shown
from .ledger import Entry, Ledger, key_of
from .pace import Pace
from .prompts import Message, corrected, queries_in

_HOPELESS: Final = 5
"""Refusals, or questions given up one after the other, after which the endpoint is believed to mean it."""

_MUTE: Final = 10
"""Questions, all of them answered by something unreadable, after which no further answer is paid for."""

_QUOTED: Final = 80
"""Characters of an answer that cannot be read."""


class End(StrEnum):
    """How a question ended."""

    ANSWERED = "answered"
    GARBAGE = "answer not readable"
    REFUSED = "refused by the endpoint"
    UNANSWERED = "no answer after all attempts"
    UNASKED = "not asked: the budget is spent"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Job:
    """One question: which row of the records, in which style, for how many queries."""

    row: int
    style: str
    count: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended, the queries that came of it, and the reason when none did."""

    job: Job
    end: End
    queries: tuple[str, ...] = ()
    why: str = ""


class Asking:
    """What all workers of one run share."""

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        ledger: Ledger,
        budget: Budget,
        prices: Prices,
        pace: Pace,
        stop: threading.Event,
        conversation: Callable[[Job], list[Message]],
        most_out: int,
        attempts: int,
        pause_s: float,
    ) -> None:
        """``pause_s``: the first pause between attempts, doubled after each, a minute at most. ExtraMissing without stamina."""
        try:
            import stamina
        except ImportError as error:
            raise ExtraMissing("remote", needed_for="asking a language model") from error
        logging.getLogger("stamina").addHandler(logging.NullHandler())  # retries are counted in the report instead
        self._retried = stamina.RetryingCaller(
            attempts=attempts, timeout=None, wait_initial=pause_s, wait_max=60.0, wait_jitter=min(pause_s, 1.0)
        ).on(self._again)
        self.endpoint = endpoint
        self._ledger, self._budget, self._prices, self._pace = ledger, budget, prices, pace
        self._conversation, self._most_out = conversation, most_out
        self.stop = stop
        self._lock = threading.Lock()
        self.under_way = 0
        """Requests whose answers have not arrived yet."""
        self._readable, self._unreadable = 0, 0
        self.requests, self.failures = 0, 0
        """Requests sent in this run, and those of them that had to be made again or given up."""

    def settle(self, job: Job) -> Outcome:
        """Bring one job to its end; an answer that cannot be read is asked for once more, then counted as garbage."""
        conversation = self._conversation(job)
        got = self._words(conversation)
        if isinstance(got, Entry) and queries_in(got.text) is None:
            got = self._words(corrected(conversation, got.text))
        if isinstance(got, Reply):
            return Outcome(job, End.REFUSED, why=got.why)
        if isinstance(got, End):
            return Outcome(job, got)
        found = queries_in(got.text)
        with self._lock:
            self._readable += found is not None
            self._unreadable += found is None
        if found is None:
            return Outcome(job, End.GARBAGE, why=_quoted(got))
        return Outcome(job, End.ANSWERED, queries=tuple(found[: job.count]))

    def _words(self, conversation: list[Message]) -> Entry | End | Reply:
        """The model's answer, from the ledger or paid for now; else why there are none (a Reply: refused)."""
        key = key_of(conversation, model=self.endpoint.model)
        known = self._ledger.settled(key, most_out=self._most_out)
        return known or self._retried(self._once, conversation, key)

    def _once(self, conversation: list[Message], key: str) -> Entry | End | Reply:
        """One attempt: EndpointFailed when another may help, BadValue when nothing will."""
        if not self._pace.wait():
            return End.STOPPED
        tokens_in = most_tokens(conversation)
        most = self._prices.of(tokens_in, self._most_out)
        if not self._budget.reserve(most):
            return End.UNASKED
        if not self._begun():
            self._budget.settle(most, paid=0.0)
            return End.STOPPED
        paid = most  # whatever breaks in between, the worst is assumed
        try:
            reply = self.endpoint.ask(conversation, key=key)
            entry, paid = self._booked(key, reply, most=(tokens_in, self._most_out))
        finally:
            self._budget.settle(most, paid=paid)
            with self._lock:
                self.under_way -= 1
        return entry or self._heard(reply)

    def _begun(self) -> bool:
        """Count a request as under way, unless the run has ended in this very moment: what is sent is waited for."""
        with self._lock:
            if self.stop.is_set() or (self._unreadable >= _MUTE and not self._readable):
                return False
            self.under_way += 1
            self.requests += 1
            return True

    def end(self) -> None:
        """Let no further request begin."""
        with self._lock:
            self.stop.set()

    def _booked(self, key: str, reply: Reply, *, most: tuple[int, int]) -> tuple[Entry | None, float]:
        """Write down what a reply cost, with its words; the answer where it is one, and US dollars."""
        if reply.kind is Kind.ANSWERED:
            measured = reply.tokens_in is not None and reply.tokens_out is not None
            used = (reply.tokens_in or 0, reply.tokens_out or 0) if measured else most
            entry = Entry(
                text=reply.text, tokens_in=used[0], tokens_out=used[1], measured=measured, cut=most[1] if reply.cut else 0
            )
            self._ledger.keep(key, entry)
            return entry, self._prices.of(*used)
        if reply.kind is Kind.LOST:
            self._ledger.keep_lost(key, tokens_in=most[0], tokens_out=most[1])
            return None, self._prices.of(*most)
        return None, 0.0

    def _heard(self, reply: Reply) -> Reply:
        """What is no answer: a refusal of this one question; raises where it is more than that, or less."""
        if reply.kind is Kind.REFUSED:
            return reply
        if reply.kind is Kind.FATAL:
            raise _never(self.endpoint, reply.why)
        with self._lock:
            self.failures += 1
        if reply.wait_s is not None:
            self._pace.hold(reply.wait_s)
        raise EndpointFailed(shown(self.endpoint.url), reply.why)

    def _again(self, error: Exception) -> bool:
        """Whether to try again after a growing pause; where the endpoint said how long to wait, ``Pace`` holds everybody back."""
        return isinstance(error, EndpointFailed) and not self.stop.is_set()


def ask_all(asking: Asking, jobs: Sequence[Job], *, workers: int, patience_s: float, progress: Progress) -> list[Outcome]:
    """Settle all jobs with so many threads; outcomes in the order of the jobs.

    BadValue when the endpoint will answer nothing at all, EndpointFailed when it answers nothing any more. Whatever ends it,
    answers under way are waited for, ``patience_s`` at most.
    """
    done: queue.SimpleQueue[tuple[int, Outcome | BaseException]] = queue.SimpleQueue()
    waiting = iter(enumerate(jobs))
    lock = threading.Lock()
    threads = [
        threading.Thread(target=_work, args=(asking, waiting, lock, done), daemon=True) for _ in range(min(workers, len(jobs)))
    ]
    outcomes: dict[int, Outcome] = {}
    progress("ask", 0, len(jobs))
    try:
        for thread in threads:
            thread.start()
        while len(outcomes) < len(jobs):
            place, outcome = _next(done)
            if isinstance(outcome, BaseException):
                raise outcome
            outcomes[place] = outcome
            _check(asking, outcomes, outcome)
            progress("ask", len(outcomes), len(jobs))
    finally:
        asking.end()
        _await_answers(asking, patience_s)
    _check_words(asking, outcomes)
    last = next((one for one in outcomes.values() if one.end is End.UNANSWERED), None)
    if last and not any(one.end is End.ANSWERED for one in outcomes.values()):
        raise EndpointFailed(shown(asking.endpoint.url), last.why)
    return [outcomes[place] for place in range(len(jobs))]


def _work(
    asking: Asking,
    waiting: Iterator[tuple[int, Job]],
    lock: threading.Lock,
    done: queue.SimpleQueue[tuple[int, Outcome | BaseException]],
) -> None:
    while True:
        with lock:
            place, job = next(waiting, (-1, None))
        if job is None:
            return
        try:
            done.put((place, asking.settle(job)))
        except EndpointFailed as error:
            done.put((place, Outcome(job, End.UNANSWERED, why=error.why)))
        except BaseException as error:  # carried to the thread that waits for it
            done.put((place, error))
            return


def _next(done: queue.SimpleQueue[tuple[int, Outcome | BaseException]]) -> tuple[int, Outcome | BaseException]:
    """Wait in short turns, so that an interruption from the keyboard is noticed on every platform."""
    while True:
        try:
            return done.get(timeout=0.5)
        except queue.Empty:
            continue


def _check(asking: Asking, outcomes: dict[int, Outcome], last: Outcome) -> None:
    """Give up on an endpoint that means it: nothing but refusals, or one question after the other without an answer."""
    if last.end is End.REFUSED and len(outcomes) >= _HOPELESS and all(one.end is End.REFUSED for one in outcomes.values()):
        raise _never(asking.endpoint, last.why)
    if len(outcomes) >= _MUTE:
        _check_words(asking, outcomes)
    if last.end is End.UNANSWERED:
        recent = list(outcomes.values())[-_HOPELESS:]
        if len(recent) == _HOPELESS and all(one.end is End.UNANSWERED for one in recent):
            why = f"{last.why}; {_HOPELESS} questions running had no answer. What was answered is kept: the same command goes on"
            raise EndpointFailed(shown(asking.endpoint.url), why)


def _check_words(asking: Asking, outcomes: dict[int, Outcome]) -> None:
    """BadValue where all answers so far are unreadable: the next ones would be paid for like these."""
    garbage = [one for one in outcomes.values() if one.end is End.GARBAGE]
    if not garbage or any(one.end not in (End.GARBAGE, End.STOPPED) for one in outcomes.values()):
        return
    last = garbage[-1]
    asked = f"none of its answers to {len(garbage)} questions was a JSON array of strings, though each was asked for twice"
    advice = "name another model" if ", cut off after" not in last.why else "raise --answer-tokens, or name another model"
    raise BadValue("--model", asking.endpoint.model, why=f"{asked} (such as: {last.why}); {advice}")


def _quoted(answer: Entry) -> str:
    words = " ".join(answer.text.split())
    quoted = repr(words[:_QUOTED] + ("…" if len(words) > _QUOTED else "")) if words else "nothing at all"
    return f"{quoted}, cut off after {answer.cut} tokens" if answer.cut else quoted


def _never(endpoint: Endpoint, why: str) -> TransvaseError:
    return BadValue("--endpoint", shown(endpoint.url), why=f"{why}; check the URL, the model's name and TRANSVASE_API_KEY")


def _await_answers(asking: Asking, patience_s: float) -> None:
    until = time.monotonic() + patience_s
    while asking.under_way and time.monotonic() < until:
        time.sleep(0.02)
