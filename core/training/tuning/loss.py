"""The loss: sentence-transformers' ranking loss, told which documents of a batch are no negatives and how much each row counts.

The library's own takes every other document of the batch for wrong and every row for equally sure. Its machinery (columns,
GradCache, Matryoshka around it) is used as it is; what is replaced is the sum over the batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.training.lessons.table import Laid, Table

MINI_BATCH: Final = 32
"""Texts that the cached form embeds at a time."""

CHUNK: Final = 32
"""Rows of like length that a processor embeds at a time: 16 took a fifth longer in bf16 and as long in float32."""

MARGIN: Final = 0.2
"""Of the triplet form, between cosines."""


@dataclass(frozen=True, slots=True, eq=False)
class Guide:
    """The frozen base's view, unit vectors by number: what it scores above a row's own answer is no negative of that row.

    The filter is that of GISTEmbed (Solatorio 2024) with the base itself as the guide.
    """

    queries: NDArray[np.float32]
    documents: NDArray[np.float32]
    margin: float

    def doubtful(self, table: Table, rows: list[int], laid: Laid) -> NDArray[np.bool_]:
        """Shape (b, m): True where the guide prefers a document to the row's answer by more than the margin."""
        scores = self.queries[table.rows[rows, 0]] @ self.documents[laid.documents].T
        own = np.take_along_axis(scores, laid.places[:, :1], axis=1)
        mask: NDArray[np.bool_] = scores > own + self.margin
        np.put_along_axis(mask, laid.places[:, :1], values=False, axis=1)
        return mask


def embed_by_length(model: Any, features: dict[str, Any]) -> Any:
    """Vectors of one column, shape (b, d), computed in chunks of rows of like length, each padded to its own longest only.

    Measured on questions with 13 tokens on average and 35 at most: more than half of a batch of 32 was padding.
    """
    import torch

    mask = features.get("attention_mask")
    if mask is None or mask.ndim != 2 or len(mask) <= CHUNK or mask.device.type != "cpu" or not bool(mask[:, 0].all()):
        return model(features)["sentence_embedding"]
    lengths = mask.sum(dim=1)
    order = torch.argsort(lengths, stable=True)
    parts = []
    for rows in torch.split(order, CHUNK):
        longest = int(lengths[rows].max())
        part = {
            name: (value[rows, :longest] if value.ndim > 1 and value.shape[1] == mask.shape[1] else value[rows])
            if isinstance(value, torch.Tensor) and value.ndim and len(value) == len(mask)
            else value
            for name, value in features.items()
        }
        parts.append(model(part)["sentence_embedding"])
    return torch.cat(parts)[torch.argsort(order)]


def contrast(asked: Any, held: Any, *, own: Any, blocked: Any, weights: Any, scale: float) -> Any:
    """Weighted mean of −log softmax of each row's own answer.

    ``asked`` (b, d) and ``held`` (m, d) are unit vectors; ``own`` (b) says which of the held answers each row; ``blocked``
    (b, m) is left out of the softmax; ``weights`` (b).
    """
    import torch

    cosines = (asked @ held.T).masked_fill(blocked, -torch.inf)
    losses = torch.nn.functional.cross_entropy(cosines.float() * scale, own, reduction="none")
    return (losses * weights).mean()


def loss_for(
    model: Any,
    table: Table,
    *,
    form: str,
    scale: float,
    guide: Guide | None = None,
    teacher: NDArray[np.float32] | None = None,
    matryoshka: Mapping[int, float] | None = None,
) -> Any:
    """The loss module that the Trainer drives; labels are row numbers of the table.

    ``form`` is ``ranking``, ``cached`` or ``triplet``; ``teacher`` holds a cross-encoder's scores of each row's answer and
    negatives, shape (rows, 1 + negatives); ``matryoshka`` holds smaller dimensions with their weights.
    """
    from sentence_transformers.sentence_transformer import losses

    if form == "triplet":
        metric = losses.TripletDistanceMetric.COSINE
        loss = losses.TripletLoss(model, distance_metric=metric, triplet_margin=MARGIN)
    else:
        plain = _ranking(model, table, scale=scale, guide=guide, teacher=teacher)
        loss = _cached(model, plain) if form == "cached" else plain
    if matryoshka:
        return losses.MatryoshkaLoss(model, loss, list(matryoshka), matryoshka_weights=list(matryoshka.values()))
    return loss


def distil(asked: Any, held: Any, *, taught: Any, scale: float) -> Any:
    """Mean divergence of how the model spreads its belief over each row's own documents from how the teacher does.

    ``asked`` (b, d), ``held`` (b, columns, d), ``taught`` (b, columns) in the teacher's own units: listwise distillation.
    """
    import torch

    own = torch.einsum("bd,bcd->bc", asked, held).float() * scale
    target = torch.log_softmax(taught.float(), dim=1)
    return torch.nn.functional.kl_div(torch.log_softmax(own, dim=1), target, reduction="batchmean", log_target=True)


def _ranking(model: Any, table: Table, *, scale: float, guide: Guide | None, teacher: NDArray[np.float32] | None) -> Any:
    import torch
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    class Ranking(MultipleNegativesRankingLoss):  # type: ignore[misc]  # the library is not typed
        """The library's loss with a mask and weights."""

        def forward(self, sentence_features: Iterable[dict[str, Any]], labels: Any) -> Any:
            return self.compute_loss_from_embeddings(
                [embed_by_length(self.model, column) for column in sentence_features], labels
            )

        def compute_loss_from_embeddings(self, embeddings: list[Any], labels: Any) -> Any:
            asked, held = (torch.nn.functional.normalize(vectors, dim=1) for vectors in embeddings)
            rows = [int(row) for row in labels.reshape(-1)]
            laid = table.laid(rows)
            blocked = laid.blocked if guide is None else laid.blocked | guide.doubtful(table, rows, laid)
            places = torch.from_numpy(laid.places).to(asked.device)
            value = contrast(
                asked,
                held,
                own=places[:, 0],
                blocked=torch.from_numpy(blocked).to(asked.device),
                weights=torch.from_numpy(table.weights[rows]).to(asked.device),
                scale=self.scale,
            )
            if teacher is not None:
                taught = torch.from_numpy(teacher[rows]).to(asked.device)
                value = value + distil(asked, held[places], taught=taught, scale=self.scale)
            return value

    return Ranking(model, scale=scale)


def _cached(model: Any, plain: Any) -> Any:
    import torch
    from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss

    class Cached(CachedMultipleNegativesRankingLoss):  # type: ignore[misc]  # the library is not typed
        """GradCache around the loss above: the whole batch is one softmax, only the texts are embedded in parts."""

        def forward(self, sentence_features: Iterable[dict[str, Any]], labels: Any) -> Any:
            return self.forward_cached(list(sentence_features), labels)

        def calculate_loss(self, reps: list[list[Any]], labels: Any = None, *, with_backward: bool = False) -> Any:
            loss = plain.compute_loss_from_embeddings([torch.cat(parts) for parts in reps], labels)
            if with_backward:
                loss.backward()
                loss = loss.detach()
            return loss

    return Cached(model, scale=plain.scale, mini_batch_size=MINI_BATCH)
