"""Makes a batch of row numbers into what the model reads: texts of each column with its prompt, cut to the training length."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transvase.core.space import Role
from transvase.core.training.lessons.table import Table


@dataclass(frozen=True, slots=True, eq=False)
class Collator:
    """The Trainer's data collator: rows carry a number, the texts come from the table. Labels are the numbers themselves."""

    table: Table
    preprocess: Callable[..., Mapping[str, Any]]
    prompts: Mapping[Role, str]
    router: bool
    """Whether the model treats the two roles by different modules, and has to be told which one a column is."""
    aligned: bool = False
    """Whether each row needs its own answer and negatives beside it, in columns; else every document comes once a batch."""
    valid_label_columns: tuple[str, ...] = ("label",)

    def __call__(self, features: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Columns ``anchor`` and ``positive``, aligned also ``negative_1`` …, as the library names their tensors."""
        import torch

        numbers = [int(feature["row"]) for feature in features]
        rows = self.table.rows[numbers]
        batch: dict[str, Any] = {"label": torch.tensor(numbers)}
        batch |= self._column("anchor", [self.table.queries[row] for row in rows[:, 0]], Role.QUERY)
        held = rows[:, 1:].T if self.aligned else self.table.laid(numbers).documents[None]
        for place, column in enumerate(held):
            name = f"negative_{place}" if place else "positive"
            batch |= self._column(name, [self.table.documents[number] for number in column], Role.DOCUMENT)
        return batch

    def _column(self, name: str, texts: list[str], role: Role) -> dict[str, Any]:
        prompt, task = self.prompts[role] or None, role.value if self.router else None
        features = {f"{name}_{key}": value for key, value in self.preprocess(texts, prompt=prompt, task=task).items()}
        return features if task is None else features | {f"{name}_task": task}
