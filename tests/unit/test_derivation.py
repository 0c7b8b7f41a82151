"""Spaces that come from others by a matrix: told from the files, computed from what is stored, refused where untrue."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from costless import HashEncoder
from embedding_server import Endpoint, serving
from tiny_model import WIDTH, edit_json, write_json, write_safetensors, write_tiny_model
from transvase.core.encoders import derivation_of, load, space_of
from transvase.core.encoders.adapted import AdaptedEncoder
from transvase.core.encoders.adapter_directory import read_adapter, write_adapter
from transvase.core.encoders.matrix_file import digest_of_matrix, read_matrix, write_matrix
from transvase.core.encoders.tail import DENSE, NORMALIZE, PASSING, ROUTER
from transvase.core.errors import BadValue, SpaceMismatch, Unfit
from transvase.core.space import Role, Side, Space, Vectors, cosines

SOURCE = np.random.default_rng(7)
TURN = (np.eye(WIDTH) + SOURCE.normal(0, 0.2, (WIDTH, WIDTH))).astype(np.float32)
CUT = np.eye(WIDTH, 6, dtype=np.float32)
USUAL = {"module_input_name": "sentence_embedding", "module_output_name": "sentence_embedding"}
PLAIN = {"bias": False, "activation_function": PASSING, **USUAL}


def dense(place: Path, matrix: np.ndarray, **changes: object) -> None:
    place.mkdir(parents=True)
    facts = {"in_features": matrix.shape[0], "out_features": matrix.shape[1], **PLAIN} | changes
    write_json(place / "config.json", facts)
    write_safetensors(place / "model.safetensors", {"linear.weight": np.ascontiguousarray(matrix.T)})


def added(model: Path, *kinds: tuple[str, str]) -> None:
    path = model / "modules.json"
    listed = json.loads(path.read_text(encoding="utf-8"))
    write_json(path, [*listed, *({"idx": 9, "name": place, "path": place, "type": kind} for place, kind in kinds)])


def both_sides(model: Path, matrix: np.ndarray = TURN, *, at: str = "3", **changes: object) -> Path:
    dense(model / f"{at}_Dense", matrix, **changes)
    added(model, (f"{at}_Dense", DENSE), (f"{at}_Normalize", NORMALIZE))
    return model


def query_side(model: Path, matrix: np.ndarray = TURN, *, at: str = "3", document: str = NORMALIZE, **parameters: object) -> Path:
    place = model / f"{at}_Router"
    dense(place / "q0", matrix)
    kinds = {"q0": DENSE, "q1": NORMALIZE, "d0": document}
    structure = {"query": ["q0", "q1"], "document": ["d0"]}
    write_json(place / "router_config.json", {"types": kinds, "structure": structure, "parameters": parameters})
    added(model, (f"{at}_Router", ROUTER))
    return model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "model", prompts={"query": "query: "})


def some(space: Space, rows: int = 5, fence: int = 0) -> Vectors:
    matrix = SOURCE.standard_normal((rows, space.dimension), dtype=np.float32)
    return Vectors(space, np.pad(matrix, ((0, 0), (0, fence))))


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_a_matrix_behind_a_model_makes_a_derived_space(model: Path) -> None:
    base = space_of(str(model))
    space = space_of(str(both_sides(model)))
    assert (space.derived_from, space.documents_of, space.documents) == (base.id, "", space.id)
    assert (space.query_prompt, space.max_length, space.tokenizer) == (base.query_prompt, base.max_length, base.tokenizer)


def test_a_matrix_on_the_query_side_leaves_the_documents_where_they_are(model: Path) -> None:
    base = space_of(str(model))
    space = space_of(str(query_side(model)))
    assert (space.derived_from, space.documents_of, space.dimension) == ("", base.id, base.dimension)
    assert space.documents == base.documents == base.id
    assert space.id != base.id
    assert derivation_of(str(model)) is None
    assert derivation_of(str(model), source=base.id) is None, "nothing is to be computed"


def test_the_derivation_is_read_from_the_files_and_computes_the_vectors(model: Path) -> None:
    base = space_of(str(model))
    derivation = derivation_of(str(both_sides(model, CUT)))
    assert derivation is not None
    assert (derivation.source, derivation.target.dimension) == (base.id, 6)
    stored = some(base, fence=1)
    found = derivation.of(stored)
    assert (found.space, found.width) == (derivation.target, 6)
    assert np.allclose(found.matrix, unit(stored.matrix[:, :6]), atol=1e-6)


def test_a_model_that_stands_for_itself_is_derived_from_nothing(model: Path) -> None:
    assert derivation_of(str(model)) is None
    assert derivation_of(str(model), source=space_of(str(model)).id) is None
    assert derivation_of("https://example.org/v1?dimensions=3#m") is None


def test_a_chain_of_adapters_is_one_matrix_to_each_space_behind_it(model: Path) -> None:
    first = space_of(str(model))
    second = space_of(str(both_sides(model, TURN, at="3")))
    third = space_of(str(both_sides(model, CUT, at="5")))
    assert (second.derived_from, third.derived_from) == (first.id, second.id)
    near, far = derivation_of(str(model)), derivation_of(str(model), source=first.id)
    assert near is not None
    assert near.source == second.id
    assert far is not None
    assert far.target == third
    stored = some(first)
    step = derivation_of(str(model), source=second.id)
    assert step is not None
    middle = Vectors(second, unit(stored.matrix @ TURN).astype(np.float32))
    assert cosines(far.of(stored), step.of(middle)) == pytest.approx(1, abs=1e-6)
    assert derivation_of(str(model), source="s0000000000000000") is None


def test_a_cut_behind_a_query_adapter_is_derived_from_the_documents_that_both_share(model: Path) -> None:
    base = space_of(str(model))
    asked = space_of(str(query_side(model)))
    both_sides(model, CUT, at="5")
    derivation = derivation_of(str(model), source=base.id)
    assert derivation is not None
    assert derivation.source == base.id
    stored = some(asked)
    assert np.allclose(derivation.of(stored).matrix, unit(stored.matrix[:, :6]), atol=1e-6), "labelled so after its cutover"
    assert space_of(str(model)).derived_from == asked.id


def test_two_query_adapters_over_one_base_share_its_documents(tmp_path: Path) -> None:
    models = [write_tiny_model(tmp_path / name) for name in ("plain", "one", "two", "chain")]
    query_side(models[1], TURN)
    query_side(models[2], TURN.T.copy())
    query_side(query_side(models[3], TURN), TURN, at="4")
    spaces = [space_of(str(path)) for path in models]
    assert len({space.id for space in spaces}) == 4
    assert {space.documents for space in spaces} == {spaces[0].id}


def test_vectors_of_another_space_are_not_moved(model: Path) -> None:
    derivation = derivation_of(str(both_sides(model)))
    assert derivation is not None
    with pytest.raises(SpaceMismatch, match="must never be compared"):
        derivation.of(some(derivation.target))


def test_a_row_of_zeros_stays_one(model: Path) -> None:
    base = space_of(str(model))
    derivation = derivation_of(str(both_sides(model)))
    assert derivation is not None
    found = derivation.of(Vectors(base, np.zeros((2, base.dimension), np.float32)))
    assert not found.matrix.any()


def test_another_matrix_is_another_space_and_its_precision_on_disk_is_not(tmp_path: Path) -> None:
    near = TURN.astype(np.float16).astype(np.float32)
    wide, narrow, other = (write_tiny_model(tmp_path / name) for name in ("wide", "narrow", "other"))
    both_sides(wide, near)
    both_sides(narrow, near)
    write_safetensors(narrow / "3_Dense/model.safetensors", {"linear.weight": near.T.astype(np.float16)})
    both_sides(other, near + np.float32(1e-6))
    assert space_of(str(wide)) == space_of(str(narrow))
    assert space_of(str(wide)).id != space_of(str(other)).id


@pytest.mark.parametrize(
    "change", [{"bias": True}, {"activation_function": "torch.nn.modules.activation.Tanh"}, {"use_residual": True}], ids=str
)
def test_a_dense_that_is_no_matrix_alone_is_part_of_the_model(model: Path, change: dict[str, object]) -> None:
    space = space_of(str(both_sides(model, **change)))
    assert (space.derived_from, derivation_of(str(model))) == ("", None)


ROUTES = {
    "documents that are moved": {"document": DENSE},
    "documents through code of their own": {"document": "mine.Module"},
    "routes by kind of input": {"route_mappings": {"(None, 'text')": "query"}},
}


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES.keys())
def test_a_router_that_does_anything_else_is_refused(model: Path, route: dict[str, object]) -> None:
    with pytest.raises(Unfit, match=r"router_config\.json"):
        space_of(str(query_side(model, **route)))  # type: ignore[arg-type]


def test_documents_that_would_be_normalised_are_not_called_unchanged(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "raw", normalise=False)
    with pytest.raises(Unfit, match="document: Normalize"):
        space_of(str(query_side(model)))


def test_a_router_between_other_modules_is_refused(model: Path) -> None:
    added(query_side(model), ("9_Normalize", NORMALIZE))
    with pytest.raises(Unfit, match="a Router stands between"):
        space_of(str(model))


def test_a_matrix_that_does_not_fit_its_model_is_refused(model: Path) -> None:
    both_sides(model, np.ones((3, 3), np.float32))
    with pytest.raises(Unfit, match="takes 3 values, and 16 come"):
        space_of(str(model))


@pytest.mark.parametrize("values", [np.full((4, 4), np.nan, np.float32), np.ones(4, np.float32)], ids=["not finite", "a row"])
def test_what_is_no_matrix_is_refused(model: Path, values: np.ndarray) -> None:
    both_sides(model)
    write_safetensors(model / "3_Dense/model.safetensors", {"linear.weight": values})
    with pytest.raises(Unfit, match=r"linear\.weight"):
        space_of(str(model))


def test_a_matrix_comes_back_from_its_file(tmp_path: Path) -> None:
    write_matrix(tmp_path / "m.safetensors", CUT)
    assert (read_matrix(tmp_path / "m.safetensors") == CUT).all()
    assert digest_of_matrix(CUT) != digest_of_matrix(CUT.T)
    bf16 = (TURN.view(np.uint32) >> 16).astype(np.uint16)
    header = json.dumps({"linear.weight": {"dtype": "BF16", "shape": [WIDTH, WIDTH], "data_offsets": [0, 2 * WIDTH**2]}}).encode()
    (tmp_path / "b.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bf16.T.tobytes())
    assert np.allclose(read_matrix(tmp_path / "b.safetensors"), TURN, rtol=1e-2, atol=1e-6)
    with pytest.raises(BadValue, match="finite float32"):
        write_matrix(tmp_path / "m.safetensors", CUT.astype(np.float64))  # type: ignore[arg-type]


def adapter(tmp_path: Path, base: Path, *, side: Side = Side.BOTH, matrix: np.ndarray = TURN) -> Path:
    (tmp_path / "adapter").mkdir()
    write_adapter(tmp_path / "adapter", str(base), source=space_of(str(base)), side=side, matrix=matrix, probed=None)
    return tmp_path / "adapter"


@pytest.mark.parametrize(("side", "behind"), [(Side.BOTH, both_sides), (Side.QUERY, query_side)], ids=["both", "query"])
def test_an_adapter_directory_speaks_the_space_of_the_same_matrix_behind_the_model(tmp_path: Path, side: Side, behind) -> None:
    base, other = (write_tiny_model(tmp_path / name, prompts={"query": "query: "}) for name in ("base", "other"))
    found = adapter(tmp_path, base, side=side)
    assert space_of(str(found)) == space_of(str(behind(other)))
    step, same = (derivation_of(str(path)) for path in (found, other))
    assert (step is None, same is None) == (side is Side.QUERY,) * 2
    if step is not None and same is not None:
        assert (step.source, step.target) == (same.source, same.target)
        assert (step.matrix == same.matrix).all()


def test_an_adapter_may_stand_on_an_adapter_within_it(tmp_path: Path, model: Path) -> None:
    inner = adapter(tmp_path, model)
    (tmp_path / "outer").mkdir()
    inner.rename(tmp_path / "outer/base")
    source = space_of(str(tmp_path / "outer/base"))
    write_adapter(tmp_path / "outer", "./base", source=source, side=Side.BOTH, matrix=CUT, probed=None)
    (tmp_path / "outer").rename(tmp_path / "moved")
    far = derivation_of(str(tmp_path / "moved"), source=space_of(str(model)).id)
    assert far is not None
    assert np.allclose(far.matrix, TURN @ CUT, atol=1e-6)


def test_reading_a_space_or_a_derivation_loads_no_torch(tmp_path: Path, model: Path) -> None:
    plain = str(write_tiny_model(tmp_path / "plain"))
    found = str(adapter(tmp_path, both_sides(model), matrix=CUT))
    code = (
        "import sys; from transvase.core.encoders import derivation_of, space_of; "
        f"assert space_of({plain!r}) != space_of({found!r}) and derivation_of({found!r}); "
        "assert not {'torch', 'onnxruntime', 'httpx'} & sys.modules.keys()"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


SPOILT = {
    "another matrix": lambda place: write_matrix(place / "adapter.safetensors", np.eye(WIDTH, dtype=np.float32)),
    "another side": lambda place: edit_json(place / "adapter.json", side="query"),
    "another base": lambda place: edit_json(place / "adapter.json", base="builtin:minilm"),
    "no matrix": lambda place: (place / "adapter.safetensors").unlink(),
    "no record": lambda place: (place / "space.json").unlink(),
    "half a file": lambda place: (place / "adapter.json").write_text("{"),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT.keys())
def test_an_adapter_that_was_touched_is_refused(tmp_path: Path, model: Path, spoil) -> None:
    found = adapter(tmp_path, model)
    spoil(found)
    for read in (space_of, load, derivation_of):
        with pytest.raises(Unfit):
            read(str(found))


def test_a_record_that_does_not_belong_to_the_adapter_is_refused(tmp_path: Path, model: Path) -> None:
    from transvase.core.encoders.space_file import write_space

    found = adapter(tmp_path, model)
    write_space(found, space_of(str(model)), files=("adapter.json", "adapter.safetensors"))
    with pytest.raises(Unfit, match=r"its space is not that of adapter\.json"):
        space_of(str(found))


@pytest.mark.parametrize(
    ("matrix", "side"), [(CUT, Side.QUERY), (CUT.T.copy(), Side.BOTH)], ids=["queries of another dimension", "too few rows"]
)
def test_a_matrix_that_cannot_stand_there_is_a_bad_value(tmp_path: Path, model: Path, matrix: np.ndarray, side: Side) -> None:
    with pytest.raises(BadValue):
        adapter(tmp_path, model, matrix=matrix, side=side)


@pytest.mark.parametrize("side", Side)
def test_the_adapted_encoder_moves_what_its_side_says(tmp_path: Path, side: Side) -> None:
    base = HashEncoder(dimension=WIDTH)
    write_adapter(tmp_path, "costless", source=base.space, side=side, matrix=TURN, probed=None)
    encoder = AdaptedEncoder(base, read_adapter(tmp_path), name="adapted")
    texts = ["a", "b", "valve"]
    assert (encoder.name, encoder.tokens(texts)) == ("adapted", base.tokens(texts))
    for role in Role:
        plain = base.encode(texts, role).matrix
        moves = side is Side.BOTH or role is Role.QUERY
        found = encoder.encode(texts, role)
        assert found.space == space_of(str(tmp_path)) == encoder.space
        assert np.allclose(found.matrix, unit(plain @ TURN) if moves else plain, atol=1e-6)
    assert encoder.encode([], Role.QUERY).matrix.shape == (0, WIDTH)


class TestBehindAnEndpoint:
    """Nobody sees the weights there: what can be seen is what it gave for the probe texts."""

    @pytest.fixture
    def endpoint(self, monkeypatch: pytest.MonkeyPatch):
        pytest.importorskip("httpx")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with serving() as found:
            yield found

    @pytest.fixture
    def found(self, endpoint: Endpoint, tmp_path: Path) -> Path:
        from transvase.core.encoders.adapted import probe

        base = load(endpoint.enc)
        matrix = np.eye(12, dtype=np.float32)[::-1].copy()
        write_adapter(tmp_path, endpoint.enc, source=base.space, side=Side.QUERY, matrix=matrix, probed=probe(base).matrix)
        return tmp_path

    def test_it_is_loaded_while_the_probe_texts_get_their_vectors(self, endpoint: Endpoint, found: Path) -> None:
        encoder = load(str(found))
        plain = load(endpoint.enc).encode(["valve"], Role.QUERY).matrix
        assert np.allclose(encoder.encode(["valve"], Role.QUERY).matrix, plain[:, ::-1], atol=1e-6)
        assert encoder.space.documents_of == space_of(endpoint.enc).id

    def test_a_model_that_was_changed_under_its_name_is_found(self, endpoint: Endpoint, found: Path) -> None:
        endpoint.changed = True
        assert space_of(endpoint.enc).id == read_adapter(found).source.id, "the name alone does not tell"
        with pytest.raises(Unfit, match="no longer gives the vectors"):
            load(str(found))

    def test_other_dimensions_are_found(self, endpoint: Endpoint, found: Path) -> None:
        endpoint.width = 13
        with pytest.raises(Unfit, match="now speaks"):
            load(str(found))

    def test_its_space_is_read_without_asking(self, endpoint: Endpoint, found: Path) -> None:
        asked = len(endpoint.asked)
        assert space_of(str(found)).documents_of
        assert derivation_of(str(found)) is None
        assert len(endpoint.asked) == asked
