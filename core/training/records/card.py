"""The papers of a trained model: ``README.md`` for people and ``training.json`` for programs. Neither quotes a training text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Final

from transvase.core.training.settings import Trained, TrainSettings, base_name

_CARD: Final = Template("""\
---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags: [sentence-transformers, feature-extraction, transvase]
---

# $name

A text embedding model, fine-tuned by Transvase from `$base`.

**$note**

| | |
|---|---|
| Space | `$space` (all its facts: `space.json`) |
| Validation NDCG@10, base | $base_ndcg |
| Validation NDCG@10, this model | $best_ndcg ($difference, 95 % $low … $high, p = $p) |
| General guard, base → this model | $guard |
| Rung of the ladder | $rung, at $alpha of the way from the base, after $best_step updates |
| Moving a live index to it takes | $migration |
| Training pairs | $pairs |
| Loss | $loss, $negatives mined negatives a pair, batches without duplicates or family-mates |
| Settings | rate $rate, batch $batch, $length tokens while training, seed $seed |

Validation shares no query family with training, and is asked of $exam documents$cut.
What the model is worth on queries that nobody has chosen by is for `transvase evaluate` to say.
Vectors of this model can be compared only with vectors of the same Space.

## Rungs that were tried

| rung | migration | NDCG@10 on validation | guard | |
|---|---|---|---|---|
$rungs

$notes

```python
$loading
```
""")
_ANYWHERE: Final = """\
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("{}")"""
_HERE: Final = """\
from transvase.core.encoders import load

encoder = load("{}")  # a matrix over a base that sentence-transformers cannot read"""


MEANING: Final = {
    "none": "nothing",
    "cutover": "a cutover alone: the document vectors stay as they are",
    "derive": "new vectors computed from the stored ones, without texts and without an encoder",
    "fill": "encoding every text again",
}


def write_papers(directory: Path, trained: Trained, settings: TrainSettings) -> None:
    """Write both files into ``directory``."""
    report = {**trained.as_json(), "settings": settings.as_json()}
    (directory / "training.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    loading = _ANYWHERE.format(settings.out.resolve().name)
    if not (directory / "modules.json").exists():  # an adapter directory; nothing at all of a base behind an endpoint
        loading = _HERE.format(settings.out.resolve().name if trained.rung else base_name(settings.base))
    (directory / "README.md").write_text(_card(trained, settings, loading=loading), encoding="utf-8")


def _card(trained: Trained, settings: TrainSettings, *, loading: str) -> str:
    facts, comparison = trained.facts, trained.comparison
    cut = ""
    if facts["exam_documents"] != facts["documents"]:
        cut = f" of {facts['documents']} (the answers, and those that share rare words with the queries)"
    return _CARD.substitute(
        name=settings.out.resolve().name,
        loading=loading,
        base=base_name(settings.base),
        note=trained.note,
        space=trained.space,
        base_ndcg=f"{trained.base_ndcg:.4f}",
        best_ndcg=f"{trained.best_ndcg:.4f}",
        difference=f"{comparison.difference:+.4f}",
        low=f"{comparison.ci_low:+.4f}",
        high=f"{comparison.ci_high:+.4f}",
        p=f"{comparison.p_value:.4f}",
        guard="not asked" if not trained.guard else f"{trained.guard['before']:.4f} → {trained.guard['after']:.4f}",
        rung=trained.rung or "none: the base itself",
        alpha=f"{trained.alpha:g}",
        best_step=trained.best_step,
        migration=MEANING[trained.migration],
        rungs="\n".join(_row(rung) for rung in trained.rungs) or "| none | | | | |",
        loss=settings.loss,
        pairs=facts["pairs"],
        negatives=facts.get("negatives", 0),
        rate=f"{settings.rate:g}",
        batch=facts.get(f"{trained.rung} batch", "none"),
        length=settings.train_length,
        seed=settings.seed,
        exam=facts["exam_documents"],
        cut=cut,
        notes="\n".join(f"- {note}" for note in trained.notes),
    )


def _row(rung: Mapping[str, object]) -> str:
    guard = rung["guard"]
    asked = f"{guard:.4f}" if isinstance(guard, float) else ""
    return f"| {rung['rung']} | {rung['migration']} | {rung['ndcg']:.4f} | {asked} | {rung['fault']} |"
