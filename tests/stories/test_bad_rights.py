"""Databases and roles that lack something: each is told what, before anything is made, and before hidden rows count as gone."""

from __future__ import annotations

import os
from collections.abc import Iterator

import psycopg
import pytest
from helm import Helm, stocked
from psycopg import sql
from worlds import OLD

pytestmark = pytest.mark.story


@pytest.fixture
def docs(helm: Helm) -> Helm:
    """A table ``docs`` that is not adopted yet."""
    stocked(helm.world)
    return helm


@pytest.fixture
def bare(server: str) -> Iterator[str]:
    """A database without pgvector."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE bare TEMPLATE template0 STRATEGY file_copy")
        yield server.replace("/postgres?", "/bare?")
        connection.execute("DROP DATABASE bare WITH (FORCE)")


def test_a_database_without_pgvector_is_refused(helm: Helm, bare: str) -> None:
    with psycopg.connect(bare, autocommit=True) as connection:
        connection.execute("CREATE TABLE docs (id bigint PRIMARY KEY, body text, embedding real[])")
    assert helm(*helm.adopt(), store=bare) == 1
    assert "pgvector is not installed" in helm.err
    assert "CREATE EXTENSION vector" in helm.err
    with psycopg.connect(bare) as connection:
        assert connection.execute("SELECT count(*) FROM pg_namespace WHERE nspname ~ '^transvase'").fetchone() == (0,)


@pytest.mark.parametrize("version", ["0.8.0", "0.7.4", "0.8.3"])
def test_a_pgvector_that_is_too_old_is_refused(docs: Helm, version: str) -> None:
    docs.sql("UPDATE pg_extension SET extversion = %s WHERE extname = 'vector'", version)
    docs.refused(*docs.adopt(), status=1, says=[f"pgvector {version} is too old", "0.8.4"])


@pytest.fixture
def clerk(docs: Helm) -> Iterator[str]:
    """URL of the same database for a role of its own, which owns nothing yet; the role is gone afterwards."""
    name = f"clerk_{os.getpid()}"
    docs.world.application.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
    docs.world.application.execute(sql.SQL("GRANT USAGE, CREATE ON SCHEMA public TO {}").format(sql.Identifier(name)))
    yield docs.url.replace("postgres:@", f"{name}:@")
    for left in ("REASSIGN OWNED BY {} TO postgres", "DROP OWNED BY {}", "DROP ROLE {}"):
        docs.world.application.execute(sql.SQL(left).format(sql.Identifier(name)))


def clerk_of(url: str) -> sql.Identifier:
    return sql.Identifier(url.partition("//")[2].partition(":")[0])


def test_a_role_without_the_needed_rights_is_told_which(docs: Helm, clerk: str) -> None:
    docs.refused(
        *docs.adopt(),
        store=clerk,
        status=1,
        says=["SELECT on docs", "UPDATE on docs", "ownership of docs", "CREATE on the database"],
    )
    docs.world.application.execute(sql.SQL("GRANT SELECT, UPDATE ON docs TO {}").format(clerk_of(clerk)))
    docs.refused(
        *docs.adopt(), store=clerk, status=1, says=["ownership of docs", "its owner is postgres", "CREATE on the database"]
    )
    assert "SELECT on docs" not in docs.err
    docs.world.application.execute(sql.SQL("ALTER TABLE docs OWNER TO {}").format(clerk_of(clerk)))
    docs.refused(*docs.adopt(), store=clerk, status=1, says="lacks: CREATE on the database (for the schemas")
    docs.world.application.execute(
        sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(
            sql.Identifier(docs.sql("SELECT current_database()")[0][0]), clerk_of(clerk)
        )
    )
    assert docs(*docs.adopt(), store=clerk) == 0, docs.err
    assert docs("migrate", "docs", "--to", "new", "--until", "live", store=clerk) == 0, docs.err


def test_a_role_without_rights_on_what_another_role_adopted_is_refused(docs: Helm, clerk: str) -> None:
    docs.reach("proven")
    docs.refused("status", "docs", store=clerk, status=1, says=["permission denied", "grant it, or connect as the table's owner"])
    docs.refused("cutover", "docs", store=clerk, status=1, says="permission denied")


def test_a_role_from_which_rows_are_hidden_is_refused(docs: Helm, clerk: str) -> None:
    database = sql.Identifier(docs.sql("SELECT current_database()")[0][0])
    docs.world.application.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(database, clerk_of(clerk)))
    docs.world.application.execute(sql.SQL("ALTER TABLE docs OWNER TO {}").format(clerk_of(clerk)))
    docs.sql("ALTER TABLE docs ENABLE ROW LEVEL SECURITY")
    docs.sql("ALTER TABLE docs FORCE ROW LEVEL SECURITY")
    docs.sql("CREATE POLICY few ON docs USING (id < 10)")
    docs.refused(*docs.adopt(), store=clerk, status=1, says=["row-level security hides rows of docs from the role", "BYPASSRLS"])


def test_rows_that_were_hidden_after_the_adoption_are_not_taken_for_gone(docs: Helm, clerk: str) -> None:
    """A role that suddenly sees a tenth of the table must not prove, nor switch, on what it sees."""
    database = sql.Identifier(docs.sql("SELECT current_database()")[0][0])
    docs.world.application.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(database, clerk_of(clerk)))
    docs.world.application.execute(sql.SQL("ALTER TABLE docs OWNER TO {}").format(clerk_of(clerk)))
    assert docs(*docs.adopt(), store=clerk) == 0, docs.err
    docs.sql("ALTER TABLE docs ENABLE ROW LEVEL SECURITY")
    docs.sql("ALTER TABLE docs FORCE ROW LEVEL SECURITY")
    docs.sql("CREATE POLICY few ON docs USING (id < 10)")
    assert docs("migrate", "docs", "--to", "new", "--until", "live", store=clerk) == 1
    assert "row-level security" in docs.err
    assert docs.object("status", "docs")["live"]["space"] == OLD.space.id


def test_a_worker_from_which_rows_are_hidden_removes_no_vector_of_theirs(docs: Helm, clerk: str) -> None:
    """What it does not see looks like a deleted row; it is refused before it clears anything."""
    database = sql.Identifier(docs.sql("SELECT current_database()")[0][0])
    docs.world.application.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(database, clerk_of(clerk)))
    docs.world.application.execute(sql.SQL("ALTER TABLE docs OWNER TO {}").format(clerk_of(clerk)))
    assert docs(*docs.adopt(), store=clerk) == 0, docs.err
    assert docs("migrate", "docs", "--to", "new", "--until", "live", store=clerk) == 0, docs.err
    docs.sql("ALTER TABLE docs ENABLE ROW LEVEL SECURITY")
    docs.sql("ALTER TABLE docs FORCE ROW LEVEL SECURITY")
    docs.sql("CREATE POLICY few ON docs USING (id < 10)")
    docs.sql("UPDATE docs SET body = body || '!' WHERE id IN (5, 50)")
    docs.refused("sync", "docs", "--once", store=clerk, status=1, says="row-level security hides rows")
    assert docs.object("status", "docs")["owed"] == 2
    assert docs.object("sync", "docs", "--once")["owed"] == 0, "a role that sees every row pays"
    assert docs.object("audit", "docs")["clean"] is True
