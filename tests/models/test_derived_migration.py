"""A migration to a real cut and on to a real adapter of queries, by the commands, on Postgres: the files say what is served."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import psycopg
import pytest
from pgvector import Vector
from pgvector.psycopg import register_vector
from tiny_model import write_tiny_model
from transvase.cli import wiring
from transvase.cli.main import main
from transvase.core.encoders import load
from transvase.core.ports import Encoder
from transvase.core.space import Role, Side
from transvase.core.training.frozen.graft import cut, graft

TEXTS = [
    f"the {animal} {verb} the {thing}"
    for animal in ("cat", "dog", "owl")
    for verb in ("sees", "eats")
    for thing in ("tree", "fish", "sky")
]


@pytest.mark.model
def test_a_cut_is_derived_and_an_adapter_of_queries_switched_to(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = str(write_tiny_model(tmp_path / "base"))
    encoder = load(base)
    width = encoder.space.dimension
    cut(base, tmp_path / "cut", dimension=width // 2)
    noise = np.random.default_rng(1).standard_normal((width // 2, width // 2), dtype=np.float32)
    graft(str(tmp_path / "cut"), tmp_path / "asking", matrix=np.eye(width // 2, dtype=np.float32) + 0.1 * noise, side=Side.QUERY)
    with psycopg.connect(database, autocommit=True) as session:
        register_vector(session)
        session.execute(f"CREATE TABLE docs (id bigint PRIMARY KEY, body text, embedding vector({width}))")
        for number, row in enumerate(encoder.encode(TEXTS, Role.DOCUMENT).matrix):
            session.execute("INSERT INTO docs VALUES (%s, %s, %s)", (number, TEXTS[number], Vector(row)))

    def command(*words: str) -> dict[str, object]:
        status = main(["--store", database, *words, "--json"])
        out, err = capsys.readouterr()
        assert status == 0, err
        found = json.loads(out)
        assert isinstance(found, dict)
        return found

    wiring.encoders.cache_clear()
    command("adopt", "docs", "--table", "docs", "--key", "id", "--text", "body", "--vector", "embedding", "--encoder", base)
    assert command("plan", "docs", "--to", str(tmp_path / "cut"))["kind"] == "derived"
    command("migrate", "docs", "--to", str(tmp_path / "cut"), "--derive", "--until", "live")
    command("retire", "docs")
    assert command("plan", "docs", "--to", str(tmp_path / "asking"))["kind"] == "query-only"
    command("migrate", "docs", "--to", str(tmp_path / "asking"), "--until", "live")
    found = command("search", "docs", TEXTS[5], "-k", "3")
    asking = load(str(tmp_path / "asking"))
    assert found["space"] == asking.space.id
    cut_alone = load(str(tmp_path / "cut"))
    documents = cut_alone.encode(TEXTS, Role.DOCUMENT).matrix
    hits = found["hits"]
    assert isinstance(hits, list)

    def near(asker: Encoder) -> bool:
        """One Space may be computed in bf16 here and in float32 there, which moves a score by less than a thousandth."""
        best = np.sort(documents @ asker.encode([TEXTS[5]], Role.QUERY).matrix[0])[::-1][:3]
        return bool(np.allclose([hit["score"] for hit in hits], best, atol=1e-3))

    assert near(asking)
    assert not near(cut_alone)
    assert command("rollback", "docs")["phase"] == "filled"
    wiring.encoders.cache_clear()
