"""A matrix behind frozen vectors: it learns, it is the same each time, and behind a model it serves the same everywhere."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embedding_server import serving
from tiny_model import WIDTH, write_tiny_model
from transvase.core.encoders import derivation_of, load, space_of
from transvase.core.errors import BadValue
from transvase.core.space import Role, Side, Space, Vectors, cosines
from transvase.core.training.frozen.adapter import AdapterSettings, fit_adapter, shrunk
from transvase.core.training.frozen.examples import Examples
from transvase.core.training.frozen.graft import cut, graft

TURN = (np.eye(WIDTH) + np.random.default_rng(1).normal(0, 0.2, (WIDTH, WIDTH))).astype(np.float32)
TEXTS = ["valve boiler", "invoice 12", "", "query: refund a boiler that leaks", "x " * 200]
PROMPTS = {"query": "query: ", "document": "passage: "}
SETTINGS = AdapterSettings(seed=5, steps=120, batch=64)


def turned(seed: int, *, count: int = 400, width: int = 24) -> Examples:
    """Queries that are their documents seen through a fixed wrong turn, with some noise."""
    source = np.random.default_rng(seed)
    turn = np.eye(width) + np.random.default_rng(99).normal(0, 0.35, (width, width))
    documents = source.standard_normal((count, width))
    queries = documents @ turn + source.normal(0, 0.4, (count, width))
    pairs = np.stack([np.arange(count)] * 2, axis=1)
    return Examples(queries=queries.astype(np.float32), documents=documents.astype(np.float32), pairs=pairs)


def found_first(examples: Examples, matrix: np.ndarray, side: Side) -> float:
    """The share of queries whose own document is the nearest."""
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (examples.queries @ matrix, examples.documents)]
    if side is Side.BOTH:
        moved = examples.documents @ matrix
        unit[1] = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return float(((unit[0] @ unit[1].T).argmax(axis=1) == np.arange(len(unit[0]))).mean())


@pytest.mark.model
class TestFitting:
    @pytest.mark.parametrize("side", Side)
    def test_it_finds_what_it_was_not_shown(self, side: Side) -> None:
        matrix = fit_adapter(turned(0), side=side, settings=SETTINGS)
        fresh, plain = turned(1), np.eye(24, dtype=np.float32)
        assert (matrix.shape, matrix.dtype) == ((24, 24), np.float32)
        assert found_first(fresh, matrix, side) > found_first(fresh, plain, side) + 0.1

    def test_the_same_seed_gives_the_same_matrix_and_another_another(self) -> None:
        one, two, other = (
            fit_adapter(turned(0), side=Side.BOTH, settings=AdapterSettings(seed=seed, steps=20)) for seed in (1, 1, 2)
        )
        assert (one == two).all()
        assert (one != other).any()

    def test_what_counts_for_nothing_teaches_nothing(self) -> None:
        """Half of the pairs are wrong; by their weights they are left out."""
        right = turned(0)
        wrong = np.random.default_rng(0).permutation(right.pairs[:, 1])
        pairs = np.concatenate([right.pairs, np.stack([right.pairs[:, 0], wrong], axis=1)])
        weights = np.repeat([1, 0], len(right.pairs)).astype(np.float32)
        weighed = Examples(queries=right.queries, documents=right.documents, pairs=pairs, weights=weights)
        blind = Examples(queries=right.queries, documents=right.documents, pairs=pairs)
        scores = [
            found_first(turned(1), fit_adapter(it, side=Side.QUERY, settings=SETTINGS), Side.QUERY) for it in (weighed, blind)
        ]
        assert scores[0] > scores[1] + 0.05

    def test_a_known_answer_is_not_pushed_away(self) -> None:
        """Each document has a sister that answers as well; where that is known, the sister stays near."""
        plain = turned(0, count=120)
        sisters = plain.documents + np.random.default_rng(4).normal(0, 0.05, plain.documents.shape).astype(np.float32)
        documents = np.concatenate([plain.documents, sisters])
        known = plain.pairs + np.array([0, 120])
        nearness = []
        for said in (known, None):
            examples = Examples(queries=plain.queries, documents=documents, pairs=plain.pairs, known=said)
            matrix = fit_adapter(examples, side=Side.QUERY, settings=AdapterSettings(seed=5, steps=120, others=10_000, stay=1e-4))
            asked = plain.queries @ matrix
            lengths = np.linalg.norm(asked, axis=1) * np.linalg.norm(sisters, axis=1)
            nearness.append(float(((asked * sisters).sum(axis=1) / lengths).mean()))
        assert nearness[0] > nearness[1]

    def test_a_matrix_shrinks_towards_the_identity(self) -> None:
        assert (shrunk(TURN, 0) == np.eye(WIDTH, dtype=np.float32)).all()
        assert np.allclose(shrunk(TURN, 1), TURN, atol=1e-7)
        assert np.allclose(shrunk(TURN, 0.5), (TURN + np.eye(WIDTH)) / 2, atol=1e-6)
        with pytest.raises(BadValue, match="square"):
            shrunk(TURN[:, :4], 0.5)


def plain(directory: Path) -> Any:
    """The model as anybody loads it."""
    from sentence_transformers import SentenceTransformer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SentenceTransformer(str(directory), device="cpu", local_files_only=True)


def same_everywhere(directory: Path, texts: list[str]) -> None:
    """Our encoder and plain sentence-transformers agree, at unit length, in both roles."""
    from transvase.core.encoders.torch import load_torch

    ours, theirs = load_torch(directory, name="grafted", fast=False, device="cpu"), plain(directory)
    for role, encode in ((Role.QUERY, theirs.encode_query), (Role.DOCUMENT, theirs.encode_document)):
        rows = encode(texts)
        assert np.allclose(ours.encode(texts, role).matrix, rows, atol=1e-5)
        assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


@pytest.mark.model
class TestGrafting:
    @pytest.fixture
    def base(self, tmp_path: Path) -> Path:
        return write_tiny_model(tmp_path / "base", prompts=PROMPTS)

    def test_both_sides_serve_alike_and_come_from_the_stored_vectors(self, base: Path, tmp_path: Path) -> None:
        space = graft(str(base), tmp_path / "out", matrix=TURN, side=Side.BOTH)
        same_everywhere(tmp_path / "out", TEXTS)
        derivation = derivation_of(str(tmp_path / "out"))
        assert derivation is not None
        assert (derivation.source, derivation.target, space) == (space_of(str(base)).id, space, space_of(str(tmp_path / "out")))
        stored = load(str(base)).encode(TEXTS, Role.DOCUMENT)
        fresh = load(str(tmp_path / "out")).encode(TEXTS, Role.DOCUMENT)
        assert cosines(derivation.of(stored), fresh) == pytest.approx(1, abs=1e-3)
        assert (space.query_prompt, space.document_prompt) == ("query: ", "passage: ")

    def test_the_query_side_serves_alike_and_leaves_documents_bit_by_bit(self, base: Path, tmp_path: Path) -> None:
        from transvase.core.encoders.torch import load_torch

        space = graft(str(base), tmp_path / "out", matrix=TURN, side=Side.QUERY)
        same_everywhere(tmp_path / "out", TEXTS)
        one, two = (load_torch(place, name="m", fast=False, device="cpu") for place in (base, tmp_path / "out"))
        assert np.allclose(one.encode(TEXTS, Role.DOCUMENT).matrix, two.encode(TEXTS, Role.DOCUMENT).matrix, atol=1e-7)
        assert not np.allclose(one.encode(TEXTS, Role.QUERY).matrix, two.encode(TEXTS, Role.QUERY).matrix, atol=1e-2)
        assert space.documents == space_of(str(base)).id

    def test_a_base_that_does_not_normalise_keeps_its_documents_too(self, tmp_path: Path) -> None:
        base = write_tiny_model(tmp_path / "raw", normalise=False)
        space = graft(str(base), tmp_path / "out", matrix=TURN, side=Side.QUERY)
        before, after = (plain(place).encode_document(TEXTS) for place in (base, tmp_path / "out"))
        assert np.allclose(before, after, atol=1e-6)
        assert (space.documents, space.normalised) == (space_of(str(base)).id, False)

    def test_a_cut_is_of_unit_length_in_plain_sentence_transformers(self, base: Path, tmp_path: Path) -> None:
        space = cut(str(base), tmp_path / "cut", dimension=5)
        same_everywhere(tmp_path / "cut", TEXTS)
        whole = plain(base).encode_document(TEXTS)[:, :5]
        rows = plain(tmp_path / "cut").encode_document(TEXTS)
        assert np.allclose(rows, whole / np.linalg.norm(whole, axis=1, keepdims=True), atol=1e-5)
        assert (space.dimension, space.derived_from) == (5, space_of(str(base)).id)

    def test_adapters_stand_on_adapters(self, base: Path, tmp_path: Path) -> None:
        graft(str(base), tmp_path / "one", matrix=TURN, side=Side.QUERY)
        graft(str(tmp_path / "one"), tmp_path / "two", matrix=TURN, side=Side.QUERY)
        cut(str(tmp_path / "two"), tmp_path / "three", dimension=7)
        same_everywhere(tmp_path / "two", TEXTS)
        same_everywhere(tmp_path / "three", TEXTS)
        assert space_of(str(tmp_path / "two")).documents == space_of(str(base)).id

    @pytest.mark.parametrize("side", Side)
    def test_saved_again_by_sentence_transformers_it_is_the_same_space(self, base: Path, tmp_path: Path, side: Side) -> None:
        space = graft(str(base), tmp_path / "out", matrix=TURN, side=side)
        plain(tmp_path / "out").save_pretrained(str(tmp_path / "again"), create_model_card=False)
        assert space_of(str(tmp_path / "again")) == space

    def test_no_card_and_no_record_of_the_base_comes_along(self, base: Path, tmp_path: Path) -> None:
        for name in ("README.md", "training.json", "space.json", "onnx/model.json"):
            (base / name).parent.mkdir(exist_ok=True)
            (base / name).write_text("{}", encoding="utf-8")
        graft(str(base), tmp_path / "out", matrix=TURN, side=Side.BOTH)
        there = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
        assert not there & {"README.md", "training.json", "onnx/model.json"}
        assert "space.json" in there, "its own"

    def test_one_matrix_behind_a_model_and_behind_its_export_is_one_space(self, base: Path, tmp_path: Path) -> None:
        from transvase.core.export import export

        export(str(base), tmp_path / "graph", progress=lambda *_: None)
        for side in Side:
            spaces = [
                graft(str(place), tmp_path / f"{side}-{place.name}", matrix=TURN, side=side)
                for place in (base, tmp_path / "graph")
            ]
            assert spaces[0] == spaces[1]
            one, two = (load(str(tmp_path / f"{side}-{name}")) for name in ("base", "graph"))
            for role in Role:
                assert (cosines(one.encode(TEXTS, role), two.encode(TEXTS, role)) > 0.999).all()
        shutil.rmtree(tmp_path / "graph")
        assert load(str(tmp_path / "query-graph")).space == spaces[0], "it has its own copy"

    def test_behind_an_endpoint_it_becomes_an_adapter_directory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        matrix = np.random.default_rng(0).standard_normal((12, 4), dtype=np.float32)
        with serving() as endpoint:
            space: Space = graft(endpoint.enc, tmp_path / "out", matrix=matrix, side=Side.BOTH)
            encoder, stored = load(str(tmp_path / "out")), load(endpoint.enc).encode(["a", "b"], Role.DOCUMENT)
            fresh = encoder.encode(["a", "b"], Role.DOCUMENT)
        derivation = derivation_of(str(tmp_path / "out"))
        assert derivation is not None
        assert isinstance(fresh, Vectors)
        assert fresh.space == space == derivation.target
        assert cosines(derivation.of(stored), fresh) == pytest.approx(1, abs=1e-6)

    @pytest.mark.parametrize(
        ("matrix", "side"),
        [
            (TURN[:4], Side.BOTH),
            (TURN[:, :4].copy(), Side.QUERY),
            (TURN.astype(np.float64), Side.BOTH),
            (np.full_like(TURN, np.nan), Side.BOTH),
            (np.zeros_like(TURN), Side.QUERY),
        ],
        ids=["too few rows", "queries of another dimension", "double precision", "not finite", "nothing but zeros"],
    )
    def test_a_matrix_that_cannot_stand_there_leaves_nothing(self, base: Path, tmp_path: Path, matrix: Any, side: Side) -> None:
        with pytest.raises(BadValue):
            graft(str(base), tmp_path / "out", matrix=matrix, side=side)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["base"]

    @pytest.mark.parametrize("dimension", [0, WIDTH, WIDTH + 1])
    def test_a_cut_must_be_shorter(self, base: Path, tmp_path: Path, dimension: int) -> None:
        with pytest.raises(BadValue, match="between 1 and 15"):
            cut(str(base), tmp_path / "out", dimension=dimension)

    def test_a_place_that_is_taken_is_left_alone(self, base: Path, tmp_path: Path) -> None:
        with pytest.raises(BadValue, match="exists already"):
            graft(str(base), base, matrix=TURN, side=Side.BOTH)
        assert load(str(base)).space == space_of(str(base))

    def test_the_packaged_model_with_a_matrix_behind_it(self, tmp_path: Path) -> None:
        matrix = (np.eye(384) + np.random.default_rng(0).normal(0, 0.01, (384, 384))).astype(np.float32)
        space = graft("builtin:minilm", tmp_path / "out", matrix=matrix, side=Side.QUERY)
        assert (space.documents_of, space.max_length) == ("sacbb25bb04c478a9", 256)
        same_everywhere(tmp_path / "out", ["How is a key rotated?", ""])
