"""What a model is worth on judged queries: reading them, ranking, scoring, comparing. Knows no model library."""

from __future__ import annotations

from .comparison import Comparison, compare
from .evaluate import Evaluation, evaluate
from .judged import Document, Judged, Query, read

__all__ = ["Comparison", "Document", "Evaluation", "Judged", "Query", "compare", "evaluate", "read"]
