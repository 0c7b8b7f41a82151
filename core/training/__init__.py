"""Fine-tuning an embedding model on judged pairs. Importing this loads no model library; ``train`` does, when it is called."""

from __future__ import annotations

from .settings import CurvePoint, Trained, TrainSettings
from .trainer import train

__all__ = ["CurvePoint", "TrainSettings", "Trained", "train"]
