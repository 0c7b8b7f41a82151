"""Several processes on one run, as torchrun or accelerate start them: the first decides everything, the others compute with it.

Nothing is guessed from a clock or a file by two processes at once: what the first decides, it sends. A process that breaks in
the middle of an update would leave the others waiting for it. It says why in the store through which they met, breaks their
group, and all of them meet anew; a process that is stuck in its card is broken out by a thread of its own.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from transvase.core.encoders.torch import import_torch
from transvase.core.errors import BadValue, EncoderFailed, Misuse, Refused, WorldFailed
from transvase.core.training.weights.learner import check_device
from transvase.core.training.weights.memory import out_of_memory

_PATIENCE: Final = timedelta(hours=12)
"""How long the others wait while the first mines or validates."""

_LOOK_S: Final = 1.0
_UNAIDED_S: Final = 5.0
"""How long a process may take to notice by itself that its group is broken."""

_STUCK_S: Final = 1800.0
"""How long it may take afterwards, since it may be in a validation; then it is ended, and whoever started it ends the others."""


@dataclass(slots=True)
class _Meeting:
    """Through which store the processes of this run meet, by what means they compute together, and how often they have met."""

    store: Any
    backend: str
    number: int = 0
    lines: dict[int, int] = field(default_factory=dict)
    """Sockets that the group has opened, with what tells each from a later one of its number."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self) -> None:
        from torch import distributed

        self.number += 1
        before = _sockets()
        store = distributed.PrefixStore(f"transvase-{self.number}", self.store)
        distributed.init_process_group(self.backend, store=store, rank=_own(), world_size=count(), timeout=_PATIENCE)
        self.lines = dict(_sockets().items() - before.items())

    def abort(self) -> None:
        """Break the group: whoever waits for this process in it gets an error in place of an answer.

        Cards have a call for it. Processors (gloo) have none: they wait on as long as anything at all holds the group, so its
        connections are shut down.
        """
        from torch import distributed

        with self.lock:
            if not distributed.is_initialized():
                return
            if self.backend == "gloo":
                for number, mark in self.lines.items():
                    _shut(number, mark)
            try:
                distributed.distributed_c10d._abort_process_group()  # noqa: SLF001  the library has no other way
            except (AttributeError, RuntimeError):  # of an older torch, for processors
                distributed.destroy_process_group()

    @property
    def fault(self) -> str:
        """Under what it is written why this group broke."""
        return f"transvase-broken-{self.number}"


def _sockets() -> dict[int, int]:
    found = {}
    for entry in Path("/dev/fd").iterdir():
        with suppress(OSError, ValueError):  # the one that lists them is gone by now
            state = os.fstat(int(entry.name))
            if stat.S_ISSOCK(state.st_mode):
                found[int(entry.name)] = state.st_ino
    return found


def _shut(number: int, mark: int) -> None:
    with suppress(OSError):  # it only listens, or is closed already
        if os.fstat(number).st_ino != mark:
            return
        with socket.socket(fileno=os.dup(number)) as line:
            line.getpeername()
            line.shutdown(socket.SHUT_RDWR)


_meetings: Final[list[_Meeting]] = []
"""The one meeting of this program, once there was one: torchrun's store outlives a group, and a number is never used twice."""


def count() -> int:
    """Processes of this run, from the environment that torchrun sets; 1 without it."""
    return _told_by_environment("WORLD_SIZE", 1)


def first() -> bool:
    """Whether this process is the one that decides, validates and writes."""
    return _own() == 0


def _own() -> int:
    return _told_by_environment("RANK", 0)


def _told_by_environment(name: str, usual: int) -> int:
    value = os.environ.get(name, str(usual))
    try:
        return int(value)
    except ValueError as error:
        raise BadValue(name, value, why="a number is needed, as torchrun sets it; unset it where there is one process") from error


def join(device: str | None) -> str | None:
    """Meet the other processes, if there are any; the device that this one computes on. BadValue for one that is not there."""
    check_device(device)
    if count() == 1:
        return device
    torch = import_torch()
    cards, place = device != "cpu" and torch.cuda.is_available(), _told_by_environment("LOCAL_RANK", 0)
    if cards:
        _check_card(device, place, there=torch.cuda.device_count())
        torch.cuda.set_device(place)  # what is sent between cards goes by the one that is set
    if not met():
        if not _meetings:
            store, _, _ = next(iter(torch.distributed.rendezvous("env://", timeout=_PATIENCE)))
            store.set_timeout(_PATIENCE)
            _meetings.append(_Meeting(store, "nccl" if cards else "gloo"))
        _meetings[0].begin()
    return f"cuda:{place}" if cards else "cpu"


def _check_card(device: str | None, place: int, *, there: int) -> None:
    if device not in (None, "cuda"):
        raise BadValue("device", device, why=f"each of {count()} processes has a card of its own; say cuda or cpu")
    if place >= there:
        why = f"process {place} of this machine needs a card of its own, and torch sees {there}; start fewer, or choose cpu"
        raise BadValue("device", device or "cuda", why=why)


def met() -> bool:
    """Whether this process is in a group with the others."""
    from torch import distributed

    return bool(distributed.is_initialized())


def leave() -> None:
    """Part from the other processes."""
    if count() > 1 and met():
        from torch import distributed

        distributed.destroy_process_group()


def told(what: Any) -> Any:
    """What the first process says here; ``what`` of the others is not looked at.

    An error travels as its kind and its sentence. Where the group is broken for good, everybody hears himself.
    """
    if count() == 1 or not met():
        return what
    from torch import distributed

    said = [_plain(what) if isinstance(what, BaseException) else what]
    distributed.broadcast_object_list(said, src=0)
    return said[0]


def _plain(error: BaseException) -> BaseException:
    kind = next((kind for kind in (Misuse, Refused) if isinstance(error, kind)), WorldFailed)
    return kind(str(error) or type(error).__name__)


def agreed(figures: Sequence[float], *, device: Any) -> list[float]:
    """The first process' figures, cheaply enough for every step."""
    if count() == 1:
        return list(figures)
    import torch
    from torch import distributed

    tensor = torch.tensor(list(figures), dtype=torch.float64, device=device)
    distributed.broadcast(tensor, src=0)
    return [float(figure) for figure in tensor]


@contextmanager
def together(*, device: Any) -> Iterator[None]:
    """Work of all processes with one another: either all come through, or all get an error and have met anew.

    Where it was memory that ran out in one of them, all get an error that ``out_of_memory`` knows; else the others get
    EncoderFailed with what broke. Nobody meets anew after an interruption from the keyboard.
    """
    if count() == 1 or not _meetings:
        yield
        return
    meeting, out = _meetings[0], threading.Event()
    threading.Thread(target=_watch, args=(meeting, meeting.fault, out), daemon=True).start()
    try:
        yield
        _all_here(device)
    except BaseException as error:
        out.set()
        said = _broken(meeting, error)
        if said["meet"]:
            meeting.begin()
        _raise_as(said, error)
        raise
    finally:
        out.set()


def _all_here(device: Any) -> None:
    import torch
    from torch import distributed

    tensor = torch.ones(1, device=device)
    distributed.all_reduce(tensor)
    float(tensor)  # waits for a card


def _broken(meeting: _Meeting, error: BaseException) -> dict[str, Any]:
    """What the first process that broke said of it; that may be this one."""
    mine = {
        "who": _own(),
        "memory": out_of_memory(error),
        "meet": isinstance(error, Exception),
        "why": f"{type(error).__name__}: {error}"[:500],
    }
    said = meeting.store.compare_set(meeting.fault, "", json.dumps(mine))
    meeting.abort()
    found: dict[str, Any] = json.loads(said)
    return found


def _raise_as(said: dict[str, Any], error: BaseException) -> None:
    """Raise what another process said in the place of an error that is but its echo."""
    if said["who"] == _own() or not isinstance(error, Exception):
        return
    if said["memory"]:
        raise MemoryError(f"process {said['who']} ran out of memory") from error
    raise EncoderFailed("the model in training", f"process {said['who']} of {count()} broke ({said['why']})") from error


def _watch(meeting: _Meeting, fault: str, out: threading.Event, end: Callable[[int], None] = os._exit) -> None:
    """Break this process out of whatever it waits for once another has said that it broke."""
    with suppress(RuntimeError):  # the store is gone: so is whoever kept it, and the run with it
        while not out.wait(_LOOK_S):
            if not meeting.store.check([fault]):
                continue
            if out.wait(_UNAIDED_S):
                return
            meeting.abort()
            if not out.wait(_STUCK_S):
                sys.stderr.write(f"transvase: another process broke ({meeting.store.get(fault)!r}), and this one is stuck\n")
                end(3)
            return
