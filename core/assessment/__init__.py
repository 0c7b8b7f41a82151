"""Whether training is the right step at all: measured on a collection, with the reasons and the cheaper steps first."""

from __future__ import annotations

from .assess import Advice, Assessment, assess
from .settings import Conditions, Maturity

__all__ = ["Advice", "Assessment", "Conditions", "Maturity", "assess"]
