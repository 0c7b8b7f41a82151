"""A model as one graph that serves without torch: written, made smaller if asked, and measured before it appears."""

from __future__ import annotations

from .exporting import Exported, Precision, export
from .trial import Trial, draw_trial

__all__ = ["Exported", "Precision", "Trial", "draw_trial", "export"]
