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
    valid_label_columns: tuple[str, ...] = ("label",)

    def __call__(self, features: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Columns ``anchor``, ``positive``, ``negative_1`` … as the library names their tensors."""
        import torch

        rows = self.table.rows[[int(feature["row"]) for feature in features]]
        batch: dict[str, Any] = {"label": torch.tensor([int(feature["row"]) for feature in features])}
        for column in range(rows.shape[1]):
            role = Role.DOCUMENT if column else Role.QUERY
            texts = self.table.documents if column else self.table.queries
            name = ("anchor", "positive")[column] if column < 2 else f"negative_{column - 1}"
            prompt, task = self.prompts[role] or None, role.value if self.router else None
            features_of = self.preprocess([texts[int(number)] for number in rows[:, column]], prompt=prompt, task=task)
            batch |= {f"{name}_{key}": value for key, value in features_of.items()}
            if task is not None:
                batch[f"{name}_task"] = task
        return batch
