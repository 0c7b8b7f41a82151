"""An export speaks the Space of its model, runs without torch, and is there whole or not at all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_model import edit_json, write_tiny_model
from transvase.core.encoders import derivation_of, load, space_of
from transvase.core.encoders.probes import proving_texts
from transvase.core.errors import BadValue, SpaceMismatch, Unfit
from transvase.core.space import FLOOR, Role, Side, cosines

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
    from transvase.core.export import export
    from transvase.core.export.exporting import PROOF

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
    assert sorted(path.name for path in exported.iterdir()) == ["export.json", "model.onnx", "space.json", "tokenizer.json"]
    assert not [path for path in exported.parent.iterdir() if path.name.startswith(".")]


def test_an_export_never_overwrites(tiny: Path, exported: Path) -> None:
    from transvase.core.export import export

    before = (exported / "space.json").read_bytes()
    with pytest.raises(BadValue, match="exists already"):
        export(str(tiny), exported, progress=silent)
    assert (exported / "space.json").read_bytes() == before


def test_an_export_that_does_not_agree_leaves_nothing(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bar is put out of reach: a graph that fell short of it must not appear."""
    from transvase.core.export import exporting as module

    monkeypatch.setattr(module, "PROOF", 1.1)
    with pytest.raises(Unfit, match="does not agree with torch"):
        module.export(str(tiny), tmp_path / "out", progress=silent)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_export_leaves_nothing(tiny: Path, tmp_path: Path) -> None:
    from transvase.core.export import export

    def interrupted(what: str, done: int, total: int) -> None:
        if what == "proving":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(str(tiny), tmp_path / "deep" / "out", progress=interrupted)
    assert list((tmp_path / "deep").iterdir()) == []


def test_an_export_is_not_exported_again(exported: Path, tmp_path: Path) -> None:
    from transvase.core.export import export

    with pytest.raises(Unfit, match="an export already"):
        export(str(exported), tmp_path / "out", progress=silent)


def test_a_model_that_leaves_its_prompt_out_is_not_exported(tmp_path: Path) -> None:
    from transvase.core.export import export

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


@pytest.fixture(scope="module")
def small(tiny: Path) -> Path:
    from transvase.core.export import Precision, export

    result = export(str(tiny), tiny.parent / "small", precision=Precision.INT8, progress=silent)
    assert result.least_cosine < FLOOR
    assert not result.same_space
    return tiny.parent / "small"


def test_a_coarser_graph_is_a_space_of_its_own(tiny: Path, small: Path) -> None:
    """8-bit weights give other vectors: nothing may compare them with the model's."""
    own, original = space_of(str(small)), space_of(str(tiny))
    assert own.id != original.id
    assert not own.derived_from
    with pytest.raises(SpaceMismatch):
        cosines(load(str(small)).encode(["valve"], Role.QUERY), load(str(tiny)).encode(["valve"], Role.QUERY))


def test_a_text_has_the_same_8_bit_vector_whatever_it_is_encoded_with(small: Path) -> None:
    """Activations are scaled over a whole batch, so every text has to be a batch of its own."""
    encoder, texts = load(str(small)), list(proving_texts(40))
    together = encoder.encode(texts, Role.DOCUMENT)
    alone = [encoder.encode([text], Role.DOCUMENT).matrix[0] for text in texts]
    assert all((row == together.matrix[number]).all() for number, row in enumerate(alone))


def test_an_export_says_what_was_measured(tiny: Path, tmp_path: Path) -> None:
    from transvase.core.evaluation.exam import Exam
    from transvase.core.export import Precision, Trial, export

    texts = tuple(f"{word} {number}" for word in ("valve", "gasket", "invoice") for number in range(10))
    names = tuple(map(str, range(len(texts))))
    exam = Exam(texts, texts, names, tuple({name: 1.0} for name in names), names)
    asked = Trial(exam=exam, asked_of="made-up texts", most_loss=1.0)
    result = export(str(tiny), tmp_path / "out", precision=Precision.INT8, trial=asked, progress=silent)
    assert result.worth is not None
    assert 0 < result.worth.overlap <= 1
    written = json.loads((tmp_path / "out/export.json").read_text(encoding="utf-8"))
    assert written == {**result.as_json(), "directory": "out"}
    assert written["worth"]["queries"] == len(texts)
    assert {"change", "overlap@10", "ndcg@10"} <= written["worth"].keys()


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_an_adapter_is_exported_as_its_base_and_a_matrix(tiny: Path, tmp_path: Path, side: Side, precision: str) -> None:
    """In fp32 the export is of the adapted model's own Space; both roles give what plain sentence-transformers gives."""
    from transvase.core.export import Precision, export
    from transvase.core.training.frozen.graft import graft

    matrix = np.random.default_rng(1).standard_normal((16, 16)).astype(np.float32)
    space = graft(str(tiny), tmp_path / "adapted", matrix=matrix, side=side)
    result = export(str(tmp_path / "adapted"), tmp_path / "out", precision=Precision(precision), progress=silent)
    served = load(str(tmp_path / "out"))
    assert (served.space == space) is (precision == "fp32") is result.same_space
    assert result.least_cosine > (0.9999 if precision == "fp32" else 0.8)
    derivation = derivation_of(str(tmp_path / "out"))
    assert (derivation is not None) is (side is Side.BOTH)
    assert json.loads((tmp_path / "out/base/space.json").read_text(encoding="utf-8"))["id"] == (
        served.space.derived_from if side is Side.BOTH else served.space.documents
    )


def test_a_cut_model_is_exported_at_unit_length(tiny: Path, tmp_path: Path) -> None:
    from transvase.core.export import export
    from transvase.core.training.frozen.graft import cut

    space = cut(str(tiny), tmp_path / "cut", dimension=8)
    export(str(tmp_path / "cut"), tmp_path / "out", progress=silent)
    vectors = load(str(tmp_path / "out")).encode(["valve", "a gasket"], Role.DOCUMENT)
    assert vectors.space == space
    assert vectors.matrix.shape == (2, 8)
    assert np.allclose(np.linalg.norm(vectors.matrix, axis=1), 1, atol=1e-5)
