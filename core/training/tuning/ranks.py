"""Several processes on one run, as torchrun or accelerate start them: the first decides everything, the others compute with it.

Nothing is guessed from a clock or a file by two processes at once: what the first decides, it sends.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

_PATIENCE: Final = timedelta(hours=12)
"""How long the others wait while the first mines or validates."""


def count() -> int:
    """Processes of this run, from the environment that torchrun sets; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def first() -> bool:
    """Whether this process is the one that decides, validates and writes."""
    return int(os.environ.get("RANK", "0")) == 0


def join(device: str | None) -> str | None:
    """Meet the other processes, if there are any; the device that this process computes on."""
    if count() == 1:
        return device
    import torch
    from torch import distributed

    cards = device != "cpu" and torch.cuda.is_available()
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if cards else "gloo", timeout=_PATIENCE)
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if cards else "cpu"


def leave() -> None:
    """Part from the other processes."""
    if count() > 1:
        from torch import distributed

        if distributed.is_initialized():
            distributed.destroy_process_group()


def told(what: Any) -> Any:
    """What the first process says here; ``what`` of the others is not looked at."""
    if count() == 1:
        return what
    from torch import distributed

    said = [what]
    distributed.broadcast_object_list(said, src=0)
    return said[0]


def agreed(figures: Sequence[float], *, device: Any) -> list[float]:
    """The first process' figures, cheaply enough for every step."""
    if count() == 1:
        return list(figures)
    import torch
    from torch import distributed

    tensor = torch.tensor(list(figures), dtype=torch.float64, device=device)
    distributed.broadcast(tensor, src=0)
    return [float(figure) for figure in tensor]
