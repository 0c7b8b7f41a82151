"""What an operator may get wrong, or find wrong: each with its exit status and its sentence, and nothing changed by it."""

from __future__ import annotations

import os

import pytest
from helm import Helm, stocked
from psycopg import sql
from worlds import NEW, PostgresWorld, body, rows_of

pytestmark = pytest.mark.story


@pytest.fixture
def docs(helm: Helm) -> Helm:
    """A table ``docs`` that is not adopted yet."""
    stocked(helm.world)
    return helm


# Names that do not exist, and values of no meaning.


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"table": "dosc"}, ["there is no table 'dosc'", "public.docs"]),
        ({"table": "nowhere.docs"}, ["there is no table 'nowhere.docs'", "public.docs"]),
        ({"table": ""}, "there is no table ''"),
        ({"table": "a.b.c.d.e"}, "there is no table"),
        ({"table": "do\x00cs"}, "NUL"),
        ({"key": "uid"}, ["there is no column 'uid'", "id, title, body"]),
        ({"key": "id,id"}, "name each key column once"),
        ({"key": ""}, "column"),
        ({"vector": "embeddings"}, ["there is no column 'embeddings'", "embedding"]),
        ({"encoder": "no/such/directory"}, "there is no model"),
        ({"encoder": ""}, "a model directory, builtin:minilm, a hub name or the URL of an endpoint is needed"),
        ({"encoder": "builtin:nothing"}, "the only built-in model is"),
        ({"encoder": "https://example.invalid/v1"}, "the model's name is missing"),
        ({"alias": ""}, "alias"),
        ({"alias": "   "}, "alias"),
        ({"alias": "a" * 41}, "it takes between 1 and 40 bytes"),
        ({"alias": "я" * 21}, "it takes between 1 and 40 bytes"),
        ({"alias": "do\x00cs"}, "alias"),
    ],
)
def test_an_adoption_that_names_what_is_not_there_ends_with_2(
    proven: Helm, changed: dict[str, str], says: list[str] | str
) -> None:
    words = proven.adopt(**({"table": "bare", "alias": "bare"} | changed))  # type: ignore[arg-type]  # words by name
    proven.refused(*words, status=2, says=says)


@pytest.mark.parametrize(
    "words",
    [
        ("status", "dosc"),
        ("audit", "dosc"),
        ("plan", "dosc", "--to", "new"),
        ("open", "dosc", "--to", "new"),
        ("fill", "dosc"),
        ("prove", "dosc"),
        ("cutover", "dosc"),
        ("rollback", "dosc"),
        ("retire", "dosc"),
        ("abort", "dosc"),
        ("migrate", "dosc", "--to", "new"),
        ("pause", "dosc"),
        ("resume", "dosc"),
        ("history", "dosc"),
        ("sync", "dosc", "--once"),
        ("search", "dosc", "a text"),
    ],
)
def test_a_command_on_an_alias_that_is_not_there_ends_with_2_and_names_those_that_are(
    proven: Helm, words: tuple[str, ...]
) -> None:
    proven.refused(*words, status=2, says=[f"there is no alias {words[1]!r}", "there are: docs"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("search", "docs", "x", "-k", "0"), "-k"),
        (("search", "docs", "x", "-k", "1001"), "between 1 and 1000 hits"),
        (("search", "docs", "x", "-k", "many"), "-k"),
        (("search", "docs", "x", "--where", "team"), "a condition is COL=VALUE"),
        (("search", "docs", "x", "--where", "=infra"), "a condition is COL=VALUE"),
        (
            ("search", "docs", "x", "--where", "squad=infra"),
            ["there is no column 'squad'", "a filter can name id, title, body, team"],
        ),
        (("search", "docs", "x", "--where", "embedding=1"), "there is no column 'embedding'"),
        (("search", "docs", "x", "--where", "id=seven"), "seven"),
        (("search", "docs", "x", "--where", "id=99999999999999999999999"), "out of range"),
        (("search", "docs", "x", "--where", "team=a\x00b"), "NUL"),
        (("status", "x\x00y"), "NUL"),
        (("cutover", "docs", "--allow-owed", "-1"), "--allow-owed"),
        (("cutover", "docs", "--allow-owed", "some"), "--allow-owed"),
        (("cutover", "docs", "--wait", "-1"), "--wait"),
        (("audit", "docs", "--sample", "0"), "--sample"),
        (("migrate", "docs", "--until", "retired"), "--until"),
        (("migrate", "docs", "--until", "planned"), "--until"),
        (("open", "docs"), "--to"),
        (("plan", "docs", "--to", "no/such/model"), "there is no model 'no/such/model'"),
        (("open", "docs", "--to", "no/such/model"), "there is no model 'no/such/model'"),
        (("migrate", "docs", "--to", "no/such/model"), "there is no model 'no/such/model'"),
        (("open", "docs", "--to", "unknown"), "a model directory"),
        (("status",), "ALIAS"),
        (("status", "docs", "more"), "unexpected extra argument"),
        (("stauts", "docs"), "No such command"),
        (("status", "docs", "--jsno"), "No such option"),
    ],
)
def test_misuse_ends_with_2_and_says_what_is_wrong(proven: Helm, words: tuple[str, ...], says: str | list[str]) -> None:
    proven.refused(*words, status=2, says=says)


@pytest.mark.parametrize(
    ("url", "status", "says"),
    [
        ("", 2, "TRANSVASE_STORE"),
        ("docs", 2, "a store's URL begins with one of"),
        ("mysql://localhost/x", 2, ["mysql", "postgresql:"]),
        ("postgresql://[::1", 2, "not a PostgreSQL connection URL"),
        ("postgresql://localhost/x?nonsense=1", 2, "not a PostgreSQL connection URL"),
        ("embedded:", 2, "name a directory"),
        ("postgresql://postgres@127.0.0.1:1/x", 3, ["connecting", "refused"]),
        ("postgresql://postgres@host.invalid/x", 3, "connecting"),
        ("postgresql:///x?host=/nowhere/at/all", 3, "connecting"),
    ],
)
def test_a_store_that_cannot_be_reached_or_meant(helm: Helm, url: str, status: int, says: str | list[str]) -> None:
    found = helm("status", "docs", store=url) if url else _without_store(helm)
    assert found == status, helm.err
    for part in [says] if isinstance(says, str) else says:
        assert part in helm.err
    assert helm.out == ""


def _without_store(helm: Helm) -> int:
    from transvase.cli.main import main

    assert "TRANSVASE_STORE" not in os.environ
    status = main(["status", "docs"])
    helm.out, helm.err = helm.take()
    return status


def test_a_password_in_a_url_is_not_told(helm: Helm) -> None:
    for url in ("mysql://me:sesame@localhost/x", "postgresql://me:sesame@127.0.0.1:1/x", "postgresql://me:sesame@[::1/x"):
        assert helm("status", "docs", store=url) in (2, 3)
        assert "sesame" not in helm.err


def test_a_database_that_does_not_exist_ends_with_3(helm: Helm) -> None:
    assert helm("status", "docs", store=helm.url.replace("/test_", "/absent_")) == 3
    assert "does not exist" in helm.err


# Vectors, keys and columns that do not fit.


def test_a_model_that_did_not_make_the_vectors_is_refused(proven: Helm) -> None:
    proven.refused(
        *proven.adopt(table="bare", alias="bare", encoder="other"),
        status=1,
        says=["other did not make these vectors", "0 of 60 sampled rows agree"],
    )


def test_another_text_than_the_one_that_was_embedded_is_refused(proven: Helm) -> None:
    proven.refused(
        *proven.adopt(table="bare", alias="bare", text="title || body"),
        status=1,
        says=["did not make these vectors", "check the text expression"],
    )


def test_a_model_of_another_dimension_is_refused(proven: Helm) -> None:
    proven.refused(
        *proven.adopt(table="bare", alias="bare", encoder="wide"),
        status=1,
        says=["'embedding' holds vectors of 16 dimensions", "wide makes 24"],
    )


@pytest.mark.parametrize(
    ("change", "key", "status", "says"),
    [
        ("ALTER TABLE docs DROP CONSTRAINT docs_pkey", "id", 1, ["not unique", "CREATE UNIQUE INDEX"]),
        ("ALTER TABLE docs ADD UNIQUE (title, id)", "title", 1, "not unique"),
        ("CREATE UNIQUE INDEX ON docs (id, team) WHERE team IS NOT NULL", "id,team", 1, "not unique"),
        ("ALTER TABLE docs DROP CONSTRAINT docs_pkey, ALTER id DROP NOT NULL, ADD UNIQUE (id)", "id", 1, "can be NULL"),
        ("ALTER TABLE docs ADD at date; UPDATE docs SET at = DATE '2000-01-01' + id::int; ALTER TABLE docs ADD UNIQUE (at)",
         "at", 1, ["'at' is of type date", "int8"]),
        ("ALTER TABLE docs ADD n numeric; UPDATE docs SET n = id; ALTER TABLE docs ADD UNIQUE (n)", "n", 1, "is of type numeric"),
    ],
)  # fmt: skip
def test_a_key_that_cannot_identify_a_row_is_refused(
    docs: Helm, change: str, key: str, status: int, says: str | list[str]
) -> None:
    docs.world.application.execute(change)  # no parameters: several statements
    docs.refused(*docs.adopt(key=key), status=status, says=says)


@pytest.mark.parametrize(
    ("change", "vector", "says"),
    [
        ("ALTER TABLE docs ADD other text", "other", "'other' is of type text"),
        ("ALTER TABLE docs ADD v vector", "v", ["no declared dimension", "no vectors"]),
        ("ALTER TABLE docs ADD v vector; UPDATE docs SET v = CASE WHEN id = 1 THEN '[1,2]'::vector ELSE '[1]' END", "v",
         ["no declared dimension", "1", "2"]),
        ("ALTER TABLE docs ADD v sparsevec(16)", "v", "is of type sparsevec"),
    ],
)  # fmt: skip
def test_a_column_that_holds_no_vectors_of_one_dimension_is_refused(
    docs: Helm, change: str, vector: str, says: str | list[str]
) -> None:
    docs.world.application.execute(change)
    docs.refused(*docs.adopt(vector=vector), status=1, says=says)


def test_one_column_under_two_aliases_is_refused(docs: Helm) -> None:
    """Two migrations of one column would each retire what the other one serves."""
    assert docs(*docs.adopt()) == 0, docs.err
    docs.refused(*docs.adopt(alias="more"), status=1, says=["public.docs.embedding", "docs"])
    assert docs("status", "docs") == 0, docs.err


def test_what_is_not_a_table_is_refused(docs: Helm) -> None:
    docs.sql("CREATE VIEW seen AS SELECT * FROM docs")
    docs.refused(*docs.adopt(table="seen"), status=1, says=["seen is not a table", "name the table"])


def test_an_alias_that_stands_for_something_else_is_not_taken_over(proven: Helm) -> None:
    proven.refused(*proven.adopt(table="bare"), status=2, says=["public.docs.embedding", "choose another"])
    proven.refused(*proven.adopt(text="coalesce(body, '')"), status=2, says="choose another")


def test_a_table_that_is_dropped_behind_our_back_is_named(docs: Helm) -> None:
    docs.reach("proven")
    docs.sql("DROP TABLE docs CASCADE")
    assert docs("status", "docs") == 3
    assert "the table behind alias 'docs' is gone" in docs.err


def test_a_side_table_that_is_dropped_behind_our_back_stops_everything_but_abort(docs: Helm) -> None:
    docs.reach("proven")
    side = sql.Identifier("transvase_control", docs.object("status", "docs")["target"]["index"])
    docs.world.application.execute(sql.SQL("DROP TABLE {} CASCADE").format(side))
    assert docs("cutover", "docs") == 1, docs.err
    assert docs("abort", "docs") == 0, docs.err
    assert docs("migrate", "docs", "--to", "new", "--until", "live") == 0, docs.err


def test_an_empty_table_goes_the_whole_way(helm: Helm) -> None:
    stocked(helm.world, 0)
    helm.reach("live")
    assert helm.object("search", "docs", "anything")["hits"] == []
    helm.world.put("docs", rows_of([body(1)], encoder=NEW))
    assert helm("sync", "docs", "--once") == 0
    assert len(helm.object("search", "docs", body(1))["hits"]) == 1


def test_the_same_database_under_two_worlds_is_one(helm: Helm) -> None:
    """What one process adopted, another one sees; there is no state beside the database."""
    stocked(helm.world)
    helm.reach("filled")
    other = PostgresWorld(helm.url)
    try:
        assert other.store.aliases() == ["docs"]
    finally:
        other.close()
