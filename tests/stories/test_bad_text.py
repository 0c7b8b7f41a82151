"""Text expressions that mean nothing, names that need quotes, and texts of every kind, from the adoption to the search."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helm import Helm, stocked
from psycopg import sql
from worlds import NEW, OLD, body, rows_of

pytestmark = pytest.mark.story
AWKWARD = ('Ünit "A" — 100%', 'Doc"s %s', 'the "Key" %', "Te xt%", "Vec tor")
"""Schema, table, key, text and vector column: quotes, spaces, capitals, percent signs."""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "give a column or an SQL expression"),
        ("   ", "give a column or an SQL expression"),
        ("bdoy", 'column "bdoy" does not exist'),
        ("lower(body", "syntax error"),
        ("body)", "syntax error"),
        ("body); DROP TABLE bare; --", "text expression"),
        ("body -- and no more", None),
        ("body /* open", "text expression"),
        ("string_agg(body, ' ')", "aggregate"),
        ("row_number() OVER ()", "text expression"),
        ("(SELECT max(body) FROM docs)", "it may not hold a subquery"),
        ("(SELECT body)", None),
        ("body || (SELECT count(*) FROM docs)", "it may not hold a subquery"),
        ("CASE WHEN EXISTS (SELECT 1 FROM docs) THEN body END", "it may not hold a subquery"),
        ("body || random()", "another text each time"),
        ("body || clock_timestamp()", "another text each time"),
        ("body || now()", "another text"),
        ("body || current_timestamp", "another text"),
        ("body || nextval('counter')", "another text"),
        ("unnest(string_to_array(body, ' '))", "set-returning"),
        ("regexp_split_to_table(body, ' ')", "set-returning"),
        ("nothing_known(body)", "does not exist"),
        ("body || $1", "text expression"),
        ("bo\x00dy", "give a column or an SQL expression"),
        ("1/(id-id)", "division by zero"),
        ("team.name", "text expression"),
    ],
)  # fmt: skip
def test_a_text_expression_that_is_not_one_lasting_value_of_a_row_is_refused(proven: Helm, text: str, says: str | None) -> None:
    proven.sql("CREATE SEQUENCE IF NOT EXISTS counter")
    words = proven.adopt(table="bare", alias="bare", text=text)
    if says is not None:
        proven.refused(*words, status=2, says=["text expression", says])
    else:
        proven.refused(*words[:-2], "--vector", "title", status=1, says="'title' is of type text")


@pytest.mark.parametrize(
    "text",
    [
        "body -- a remark at the end",
        "body /* a remark */",
        "docs.body",
        "replace(body, '%', '%%')",
        "body || ' 100% {braces} %s %(x)s'",
        "coalesce(body, '')",
        "CASE WHEN team = 'infra' THEN body ELSE title END",
        r"title || E'\n' || body",
        "id",
        "concat_ws(' ', title, body, team)",
    ],
)
def test_an_expression_of_any_form_is_poured_kept_current_and_searched(helm: Helm, text: str) -> None:
    """Comments, percent signs, braces and the table's own name: what is embedded is what PostgreSQL says it is."""
    helm.world.make("docs")
    for number in range(12):
        helm.sql("INSERT INTO docs (id, title, body, team) VALUES (%s, 'T', %s, 'infra')", number, f"{number} is 50% of it")
    texts = dict(helm.world.application.execute(sql.SQL("SELECT id, ({}\n)::text FROM docs").format(sql.SQL(text))).fetchall())  # type: ignore[arg-type]  # the test's own
    vectors = {(key,): made for key, made in texts.items()}
    for row, made in zip(rows_of(vectors), texts, strict=True):
        helm.world.put("docs", [{"id": made, "embedding": row["embedding"]}])
    assert helm(*helm.adopt(text=text)) == 0, helm.err
    assert helm("migrate", "docs", "--to", "new", "--until", "live") == 0, helm.err
    helm.sql("UPDATE docs SET body = 'changed' || id, team = NULL WHERE id = 3")
    assert helm.object("sync", "docs", "--once")["owed"] == 0
    now = helm.world.application.execute(sql.SQL("SELECT ({}\n)::text FROM docs WHERE id = 3").format(sql.SQL(text))).fetchone()  # type: ignore[arg-type]
    assert now is not None
    hit = helm.object("search", "docs", now[0], "-k", "1")["hits"][0]
    assert (hit["key"], hit["text"]) == ([3], now[0])
    assert hit["score"] == pytest.approx(1.0, abs=1e-4)


def test_names_with_quotes_spaces_capitals_and_percent_signs_go_the_whole_way(helm: Helm) -> None:
    schema, table, key, text, vector = AWKWARD
    place = sql.Identifier(schema, table)
    app = helm.world.application
    app.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    create = sql.SQL("CREATE TABLE {} ({} integer, {} text, {} vector(16), PRIMARY KEY ({}, {}))")
    app.execute(create.format(place, *map(sql.Identifier, (key, text, vector, key, text))))
    for row in rows_of([body(i) for i in range(20)]):
        values = map(sql.Literal, (row["id"], row["body"], str(row["embedding"].tolist())))  # type: ignore[attr-defined]
        app.execute(sql.SQL("INSERT INTO {} VALUES ({}, {}, {})").format(place, *values))
    alias = 'My "Alias" %s — é'
    spelled = ".".join('"' + part.replace('"', '""') + '"' for part in (schema, table))
    words = helm.adopt(table=spelled, alias=alias, key=f"{key},{text}", text='"Te xt%"', vector=vector)
    assert helm(*words) == 0, helm.err
    assert helm("migrate", alias, "--to", "new", "--until", "live") == 0, helm.err
    app.execute(sql.SQL("UPDATE {} SET {} = 'said 100%' WHERE {} = 7").format(place, sql.Identifier(text), sql.Identifier(key)))
    app.execute(sql.SQL("DELETE FROM {} WHERE {} = 8").format(place, sql.Identifier(key)))
    assert helm.object("sync", alias, "--once")["owed"] == 0
    hits = helm.object("search", alias, "said 100%", "-k", "1")["hits"]
    assert (hits[0]["key"], hits[0]["text"]) == ([7, "said 100%"], "said 100%")
    hits = helm.object("search", alias, body(5), "--where", f"{key}=5")["hits"]
    assert [hit["key"] for hit in hits] == [[5, body(5)]]
    view = sql.SQL("SELECT count(*), count(DISTINCT space) FROM {}").format(sql.Identifier("transvase", alias))
    assert app.execute(view).fetchone() == (19, 1)
    assert helm("rollback", alias) == 0, helm.err
    assert helm("migrate", alias, "--until", "live") == 0, helm.err
    assert helm("retire", alias) == 0, helm.err
    assert helm.object("search", alias, "said 100%", "-k", "1")["hits"][0]["key"] == [7, "said 100%"]


def test_a_table_may_be_named_as_somebody_types_who_does_not_think_of_quotes(helm: Helm) -> None:
    helm.world.make("Team Docs")
    helm.world.put("Team Docs", rows_of([body(i) for i in range(10)]))
    assert helm(*helm.adopt(table="Team Docs")) == 0, helm.err
    assert helm("migrate", "docs", "--to", "new", "--until", "live") == 0, helm.err
    assert helm.object("search", "docs", body(3))["hits"][0]["key"] == [3]


@pytest.mark.parametrize("alias", ["a" * 40, "тест🔎", "select", "docs.docs", "a'b\"c%d", "-"])
def test_an_alias_may_be_any_name_that_fits(helm: Helm, alias: str) -> None:
    stocked(helm.world, 12)
    assert helm("adopt", *helm.adopt()[2:], "--", alias) == 0, helm.err
    assert helm.sql("SELECT name FROM transvase_control.alias") == [(alias,)]
    assert helm("migrate", "--to", "new", "--until", "live", "--", alias) == 0, helm.err
    assert helm("search", "--json", "--", alias, body(3)) == 0, helm.err
    found = json.loads(helm.out)
    assert (found["alias"], found["hits"][0]["key"]) == (alias, [3])


ODD = {
    (1,): "",
    (2,): None,
    (3,): "x" * (1 << 20),
    (4,): "多言語のテキスト — ελληνικά, עברית, 🔎🧪",
    (5,): "a\ttab\nand\r\nlines \u2028 and \u00a0 spaces",
    (6,): "quotes ' \" ` $$ \\ %s %(x)s {0} ;--",
    (7,): "   ",
    (8,): "e\u0301 decomposed",
    (9,): "\u00e9 composed",
    (10,): "\x01\x02\x7f control",
    (11,): "\U0010ffff last of all",
}


def test_texts_of_every_kind_are_adopted_poured_kept_and_found(helm: Helm) -> None:
    """Empty, NULL, a megabyte, other scripts, control characters: the digest and the vector are those of the very text."""
    helm.world.make("docs")
    helm.world.put("docs", rows_of(ODD))
    adopted = helm.object(*helm.adopt())
    assert (adopted["records"], adopted["missing"], adopted["foreign"]) == (10, 0, 0)
    assert helm("migrate", "docs", "--to", "new", "--until", "live") == 0, helm.err
    assert helm.object("audit", "docs")["clean"] is True
    for (key,), text in ODD.items():
        if text:
            hit = helm.object("search", "docs", text[:4000], "-k", "3")["hits"]
            assert len(text) > 4000 or (hit[0]["key"], hit[0]["text"]) == ([key], text)
    held = {hit["key"][0] for hit in helm.object("search", "docs", "anything", "-k", "50")["hits"]}
    assert held == {1, 3, 4, 5, 6, 7, 8, 9, 10, 11}, "only the row without a text has no vector"
    helm.world.put("docs", [{"id": 2, "body": "no longer without"}, {"id": 4, "body": None}])
    assert helm.object("sync", "docs", "--once")["owed"] == 0
    assert helm.object("search", "docs", "no longer without", "-k", "1")["hits"][0]["key"] == [2]
    held = {hit["key"][0] for hit in helm.object("search", "docs", "anything", "-k", "50")["hits"]}
    assert held == {1, 2, 3, 5, 6, 7, 8, 9, 10, 11}
    assert helm("rollback", "docs") == 0, helm.err
    assert helm.object("search", "docs", "no longer without", "-k", "1")["hits"][0]["key"] == [2]


@pytest.mark.parametrize("query", ["", " ", "x" * 100_000, "名前", "a 'quoted' \"%s\""])
def test_any_query_text_is_answered(proven: Helm, query: str) -> None:
    assert len(proven.object("search", "docs", query)["hits"]) == 5


def test_columns_that_are_called_like_ours_stand_in_the_view_under_another_name(helm: Helm) -> None:
    columns = ("space", "digest", "k1", "side", "live", "body", "only_index", "held", "distance")
    app = helm.world.application
    app.execute("CREATE TABLE docs (embedding integer PRIMARY KEY, vec vector(16))")
    for column in columns:
        app.execute(sql.SQL("ALTER TABLE docs ADD {} text DEFAULT 'mine'").format(sql.Identifier(column)))
    for number, row in enumerate(rows_of([body(i) for i in range(10)])):
        values = [number, str(row["embedding"].tolist()), row["body"]]  # type: ignore[attr-defined]  # an array
        app.execute("INSERT INTO docs (embedding, vec, body) VALUES (%s, %s, %s)", values)
    assert helm(*helm.adopt(key="embedding", vector="vec")) == 0, helm.err
    assert helm("migrate", "docs", "--to", "new", "--until", "live") == 0, helm.err
    query = "SELECT embedding_of_source, space_of_source, digest, k1, side, space, vector_dims(embedding) FROM transvase.docs"
    assert helm.sql(f"{query} WHERE embedding_of_source = 3") == [(3, "mine", "mine", "mine", "mine", NEW.space.id, 17)]
    assert helm.object("search", "docs", body(3), "--where", "k1=mine")["hits"][0]["key"] == [3]
    assert helm.object("search", "docs", body(3), "--where", "digest=other")["hits"] == []
    assert helm("rollback", "docs") == 0, helm.err
    assert helm.sql("SELECT DISTINCT space FROM transvase.docs") == [(OLD.space.id,)]


def test_columns_whose_new_names_are_taken_too_are_given_others(helm: Helm) -> None:
    """``space`` gives way to ``space_of_source``; where that exists as well, it is given another name."""
    stocked(helm.world, 10)
    helm.sql("ALTER TABLE docs ADD space text DEFAULT 'a', ADD space_of_source text DEFAULT 'b'")
    helm.reach("live")
    rows = helm.sql("SELECT space, space_of_source, space_of_source_ FROM transvase.docs WHERE id = 1")
    assert rows == [(NEW.space.id, "b", "a")]


def test_nul_bytes_in_the_files_of_training_data_are_named_by_file_and_line(
    helm: Helm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    documents = [{"_id": f"d{i}", "title": "", "text": f"document {i}"} for i in range(3)]
    queries = [{"_id": f"q{i}", "text": f"query {i}"} for i in range(3)]
    (tmp_path / "qrels").mkdir()
    for split in ("train", "dev", "test"):
        lines = "query-id\tcorpus-id\tscore\n" + "".join(f"q{i}\td{i}\t1\n" for i in range(3))
        (tmp_path / "qrels" / f"{split}.tsv").write_text(lines, encoding="utf-8")
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)), encoding="utf-8")
    for raw in ('{"_id": "d9", "title": "", "text": "a\\u0000b"}', '{"_id": "d9", "text": "a\x00b"}'):
        (tmp_path / "corpus.jsonl").write_text("\n".join([*map(json.dumps, documents), raw]), encoding="utf-8")
        for words in (
            ("evaluate", "--data", str(tmp_path), "builtin:minilm"),
            ("train", "--data", str(tmp_path), "--base", "builtin:minilm", "--out", str(tmp_path / "out")),
        ):
            assert helm(*words) == 2, helm.err
            assert "corpus.jsonl:4" in helm.err
            assert "NUL" in helm.err
            assert not (tmp_path / "out").exists()
