"""Where the documentation's code runs: a directory like a fresh clone after ``make install``, its two models written once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

Run = Callable[..., str]
"""Runs a command line in the workplace and gives what it wrote to both streams; fails unless it ends with status 0."""


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with ``.venv``, ``examples`` and the models of the examples."""
    place = tmp_path_factory.mktemp("clone")
    (place / ".venv").symlink_to(sys.prefix)
    (place / "examples").symlink_to(ROOT / "examples")
    _run(place, sys.executable, "-c", "import sys; sys.path.insert(0, 'examples'); import ground; ground.models()")
    return place


@pytest.fixture
def run(clone: Path) -> Run:
    """Runs a command line in the workplace."""
    return lambda *line: _run(clone, *line)


def _run(place: Path, *line: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRANSVASE_")}
    done = subprocess.run(
        line,
        cwd=place,
        env=environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(line)[:200]} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout
