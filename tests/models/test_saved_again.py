"""A model that sentence-transformers saves again keeps its id, whatever the layout it comes back in."""

from __future__ import annotations

from pathlib import Path

import pytest
from edited_models import CHANGES
from tiny_model import write_tiny_model
from transvase.core.encoders import space_of


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "model", prompts={"query": "query: ", "document": ""})


@pytest.mark.model
def test_the_packaged_model_has_the_id_that_databases_already_hold() -> None:
    """A change of how facts are read would make every stored index foreign: it must be meant, and written about."""
    assert space_of("builtin:minilm").id == "sacbb25bb04c478a9"


@pytest.mark.model
def test_the_packaged_model_keeps_its_id_when_it_is_saved_again(tmp_path: Path) -> None:
    """The package holds the layout of 2021, saving it today writes other files with other words for the same facts."""
    from transvase.core.encoders import directory_of
    from transvase.core.encoders.torch import load_model

    load_model(directory_of("builtin:minilm"), device="cpu").save_pretrained(str(tmp_path / "again"), create_model_card=False)
    assert space_of(str(tmp_path / "again")) == space_of("builtin:minilm")


@pytest.mark.model
@pytest.mark.parametrize("change", [None, "two poolings", "the document's prompt", "lower-casing", "the maximum length"])
def test_a_small_model_keeps_its_id_when_it_is_saved_again(model: Path, tmp_path: Path, change: str | None) -> None:
    from transvase.core.encoders.torch import load_model

    if change:
        CHANGES[change](model)
    load_model(model, device="cpu").save_pretrained(str(tmp_path / "again"), create_model_card=False)
    assert space_of(str(tmp_path / "again")) == space_of(str(model))
