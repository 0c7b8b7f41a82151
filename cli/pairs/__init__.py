"""``transvase pairs …``: one file for each kind of signal."""

from __future__ import annotations

from .group import command

__all__ = ["command"]
