"""Training an embedding model on judged pairs. Importing this loads no model library; ``train`` does, when it is called."""

from __future__ import annotations

from .ladder import Rung
from .ranks import first as is_first
from .settings import CurvePoint, Trained, TrainSettings
from .trainer import train

__all__ = ["CurvePoint", "Rung", "TrainSettings", "Trained", "is_first", "train"]
