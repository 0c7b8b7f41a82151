"""An export speaks the Space of its model, runs without torch, and is there whole or not at all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_model import edit_json, write_tiny_model
from transvase.core.encoders import load, space_of
from transvase.core.encoders.probes import proving_texts
from transvase.core.errors import Unfit
from transvase.core.space import Role, cosines

pytestmark = pytest.mark.model
PROMPTS = {"query": "query: ", "document": "passage: "}


def silent(what: str, done: int, total: int) -> None:
    assert what
    assert done <= total


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny", prompts=PROMPTS)


@pytest.fixture(scope="module")
def exported(tiny: Path) -> Path:
    from transvase.core.training.export import PROOF, export

    result = export(str(tiny), tiny.parent / "exported", progress=silent)
    assert result.least_cosine >= PROOF
    assert result.compared >= 400
    assert result.space == space_of(str(tiny)).id
    assert result.size == (tiny.parent / "exported/model.onnx").stat().st_size
    return tiny.parent / "exported"


def test_an_export_is_in_the_space_of_its_model(tiny: Path, exported: Path) -> None:
    assert space_of(str(exported)) == space_of(str(tiny))
    assert json.loads((exported / "space.json").read_text(encoding="utf-8"))["id"] == space_of(str(tiny)).id


@pytest.mark.parametrize("role", list(Role))
def test_an_export_gives_the_vectors_of_its_model(tiny: Path, exported: Path, role: Role) -> None:
    texts = proving_texts(60)
    original, copy = load(str(tiny)), load(str(exported))
    assert float(cosines(original.encode(texts, role), copy.encode(texts, role)).min()) > 0.999
    assert original.tokens(texts) == copy.tokens(texts)
    assert copy.encode([], role).matrix.shape == (0, 16)


def test_an_export_runs_without_torch(exported: Path) -> None:
    code = (
        "import sys; from transvase.core.encoders import load; from transvase.core.space import Role; "
        f"e = load({str(exported)!r}); assert len(e.encode(['valve', '', 'x'], Role.QUERY)) == 3; "
        "assert not {'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_nothing_remains_beside_an_export(exported: Path) -> None:
    assert sorted(path.name for path in exported.iterdir()) == ["model.onnx", "space.json", "tokenizer.json"]
    assert not [path for path in exported.parent.iterdir() if path.name.startswith(".")]


def test_an_export_never_overwrites(tiny: Path, exported: Path) -> None:
    from transvase.core.training.export import export

    before = (exported / "space.json").read_bytes()
    with pytest.raises(Unfit, match="is there already"):
        export(str(tiny), exported, progress=silent)
    assert (exported / "space.json").read_bytes() == before


def test_an_export_that_does_not_agree_leaves_nothing(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bar is put out of reach: a graph that fell short of it must not appear."""
    from transvase.core.training import export as module

    monkeypatch.setattr(module, "PROOF", 1.1)
    with pytest.raises(Unfit, match="does not agree with torch"):
        module.export(str(tiny), tmp_path / "out", progress=silent)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_export_leaves_nothing(tiny: Path, tmp_path: Path) -> None:
    from transvase.core.training.export import export

    def interrupted(what: str, done: int, total: int) -> None:
        if what == "proving":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(str(tiny), tmp_path / "deep" / "out", progress=interrupted)
    assert list((tmp_path / "deep").iterdir()) == []


def test_an_export_is_not_exported_again(exported: Path, tmp_path: Path) -> None:
    from transvase.core.training.export import export

    with pytest.raises(Unfit, match="an export already"):
        export(str(exported), tmp_path / "out", progress=silent)


def test_a_model_that_leaves_its_prompt_out_is_not_exported(tmp_path: Path) -> None:
    from transvase.core.training.export import export

    model = write_tiny_model(tmp_path / "model", prompts=PROMPTS)
    edit_json(model / "1_Pooling/config.json", include_prompt=False)
    with pytest.raises(Unfit, match="leaves its prompt out"):
        export(str(model), tmp_path / "out", progress=silent)


@pytest.mark.parametrize(
    ("name", "message"), [("model.onnx", "recorded"), ("tokenizer.json", "recorded"), ("space.json", "damaged")]
)
def test_a_damaged_export_is_refused(exported: Path, tmp_path: Path, name: str, message: str) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(exported, copy)
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: len(content) // 2] + b"\0" + content[len(content) // 2 + 1 :])
    with pytest.raises(Unfit, match=message):
        load(str(copy))
    (copy / name).unlink()
    with pytest.raises(Unfit, match=name.replace(".", "\\.")):
        load(str(copy))
