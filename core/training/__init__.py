"""Training an embedding model on judged pairs. Importing this loads no model library; ``train`` does, when it is called.

In the order of reading: ``settings`` (what a run is told and returns), ``trainer`` (a whole run on a page), ``opening`` (what is
measured before anything is taught), ``workshop`` (what every rung works with), ``ladder`` (the rungs, and which standing is
kept), ``climb`` (their order), ``plan`` (the time), ``finish`` and ``dimensions`` (what is written). Behind these:

- ``lessons``: from judgments to the rows that are taught;
- ``weights``: the model at one moment, its vectors, whether it collapsed or forgot;
- ``frozen``: the cheap rungs, a matrix on vectors that stay as they are;
- ``tuning``: the dear rungs, fine-tuning the model itself;
- ``records``: what a run leaves on disk beside the model.
"""

from __future__ import annotations

from .ladder import Rung
from .settings import CurvePoint, Trained, TrainSettings
from .trainer import train
from .tuning.ranks import first as is_first

__all__ = ["CurvePoint", "Rung", "TrainSettings", "Trained", "is_first", "train"]
