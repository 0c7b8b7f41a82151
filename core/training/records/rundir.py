"""``runs/<id>/`` beside the model: what a run was told, its curves, and what a killed one needs to go on where it was.

The id is a digest of the data, the guard, the teacher, the base's Space, the settings and the name of the output: the same
command finds its own unfinished run, and no other. No training text lies in it at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from transvase.core.encoders.space_file import digest_of_file
from transvase.core.errors import BadValue, Unfit
from transvase.core.evaluation.judged import grades_path
from transvase.core.training.settings import TrainSettings

_STAGES: Final = "stages"
_PID: Final = "pid"
_READ: Final = ("corpus.jsonl", "queries.jsonl", "qrels/train.tsv", "qrels/dev.tsv", "weights/train.tsv")


class RunDirectory:
    """One run's directory. ``stages`` holds weights and checkpoints until the run is finished."""

    def __init__(self, path: Path, *, fresh: bool) -> None:
        self.path, self.stages, self.resumed = path, path / _STAGES, not fresh
        self._metrics = path / "metrics.jsonl"

    def log(self, kind: str, facts: Mapping[str, object]) -> None:
        """Add a line to ``metrics.jsonl``."""
        with self._metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"kind": kind, "at": round(time.time(), 1), **facts}) + "\n")

    def lines(self) -> Iterator[dict[str, object]]:
        """The lines of ``metrics.jsonl`` so far; a last one that a kill cut short is left out."""
        if not self._metrics.exists():
            return
        for line in self._metrics.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue

    def stage(self, name: str) -> Path:
        """A directory in ``stages`` for one rung."""
        place = self.stages / name
        place.mkdir(parents=True, exist_ok=True)
        return place

    def decided(self, name: str, *, measure: Callable[[], float]) -> float:
        """A measurement that decides something (True is 1): what the first process of this run measured, also after a kill."""
        path = self.stages / f"{name}.json"
        try:
            return float(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            pass
        measured, partial = measure(), path.with_suffix(".partial")
        partial.write_text(json.dumps(measured), encoding="utf-8")
        os.replace(partial, path)  # noqa: PTH105  # the atomic one on every platform
        return measured

    def give_up(self) -> None:
        """Leave nothing of a run that ends before it began; what an earlier process of it made stays."""
        if not self.resumed:
            shutil.rmtree(self.path, ignore_errors=True)

    def close(self) -> None:
        """Take away what only an unfinished run needs."""
        shutil.rmtree(self.stages, ignore_errors=True)
        (self.path / _PID).unlink(missing_ok=True)


def open_run(settings: TrainSettings, *, space: str) -> RunDirectory:
    """This command's run: the unfinished one if there is one, else a new one in its place.

    Unfit when another living process is at work in it, BadValue when it cannot be made.
    """
    path = settings.out.absolute().parent / "runs" / _identity(settings, space=space)
    try:
        unfinished = (path / _STAGES).is_dir()
        if unfinished and (owner := _owner(path)):
            raise Unfit(f"process {owner} is at this run already ({path})", remedy="wait for it, or stop it")
        if not unfinished:
            shutil.rmtree(path, ignore_errors=True)
        (path / _STAGES).mkdir(parents=True, exist_ok=True)
        (path / _PID).write_text(str(os.getpid()), encoding="utf-8")
        facts = settings.as_json() | {"space": space}
        (path / "settings.json").write_text(json.dumps(facts, indent=2, default=str) + "\n", encoding="utf-8")
    except OSError as error:
        raise BadValue("out", str(settings.out), why=f"no runs directory can be made beside it ({error.strerror})") from error
    return RunDirectory(path, fresh=not unfinished)


def _identity(settings: TrainSettings, *, space: str) -> str:
    told = settings.as_json() | {"space": space}
    facts = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode())
    for directory, name in _files(settings):
        if (directory / name).is_file():
            facts.update(f"{name} {digest_of_file(directory / name)}".encode())
    return f"{settings.out.absolute().name}-{facts.hexdigest()[:12]}"


def _files(settings: TrainSettings) -> Iterator[tuple[Path, str]]:
    """Directory and name of all files that decide what comes of a run, there or not: a name alone says nothing of its content.

    Of the data its test judgments are no part; a guard without dev judgments is asked by those.
    """
    for directory in (settings.data, settings.guard, settings.replay):
        yield from ((directory, name) for name in _READ if directory)
    if settings.guard and not grades_path(settings.guard, "dev").is_file():
        yield settings.guard, "qrels/test.tsv"
    if settings.teacher:
        yield from ((settings.teacher, str(path.relative_to(settings.teacher))) for path in sorted(settings.teacher.rglob("*")))


def _owner(path: Path) -> int | None:
    """The living process that the run belongs to, if it is not this one."""
    try:
        owner = int((path / _PID).read_text(encoding="utf-8"))
        os.kill(owner, 0)
    except (OSError, ValueError, OverflowError) as error:
        return owner if isinstance(error, PermissionError) else None
    return None if owner == os.getpid() else owner
