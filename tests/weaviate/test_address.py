"""What a store's URL says of a Weaviate server; no key is taken in one, and none is repeated in a message."""

from __future__ import annotations

from pathlib import Path

import pytest
from transvase.adapters.weaviate.collections.names import alias_name, canonical, is_class_name, object_id, physical
from transvase.adapters.weaviate.wire.address import Address, Host
from transvase.adapters.weaviate.wire.credentials import Credentials
from transvase.core.errors import BadValue


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("weaviate://db", (Host("db", 8080, 50051),)),
        ("weaviate://db:80?grpc=81", (Host("db", 80, 81),)),
        ("weaviate://db?tls=1", (Host("db", 443, 443),)),
        ("weaviate://a:1,b:2?grpc=3,4", (Host("a", 1, 3), Host("b", 2, 4))),
        ("weaviate://a,b?grpc=9", (Host("a", 8080, 9), Host("b", 8080, 9))),
        ("weaviate://[::1]:5,[::2]", (Host("::1", 5, 50051), Host("::2", 8080, 50051))),
        ("weaviate://x.cloud?tls=1&grpc=grpc-x.cloud", (Host("x.cloud", 443, 443, "grpc-x.cloud"),)),
        ("weaviate://x.cloud?tls=1&grpc=grpc-x.cloud:7", (Host("x.cloud", 443, 7, "grpc-x.cloud"),)),
    ],
)
def test_hosts_and_ports_are_read(url: str, hosts: tuple[Host, ...]) -> None:
    assert Address.parse(url).hosts == hosts


def test_brackets_are_put_back_around_an_ipv6_address() -> None:
    host = Address.parse("weaviate://[::1]:5?grpc=6").hosts[0]
    assert (str(host), host.target) == ("[::1]:5", "[::1]:6")


def test_a_journal_may_hold_a_password_that_is_never_shown() -> None:
    address = Address.parse("weaviate://db:1?journal=postgresql%3A%2F%2Fme%3Ahush%40pg%2Fdb%3Fsslmode%3Drequire&timeout=2.5")
    assert address.journal == "postgresql://me:hush@pg/db?sslmode=require"
    assert address.timeout_s == 2.5
    assert "hush" not in repr(address) + address.shown


@pytest.mark.parametrize(
    "url",
    [
        "weaviate:db",
        "http://db",
        "weaviate://",
        "weaviate:///x",
        "weaviate://db/path",
        "weaviate://db#x",
        "weaviate://db:0",
        "weaviate://db:70000",
        "weaviate://db:x",
        "weaviate://db:",
        "weaviate://a,,b",
        "weaviate://a,a",
        "weaviate://a,b?grpc=1,2,3",
        "weaviate://a b",
        "weaviate://[::1",
        "weaviate://db?grpc=",
        "weaviate://db?grpc=1&grpc=2",
        "weaviate://db?tls=yes",
        "weaviate://db?timeout=0",
        "weaviate://db?timeout=soon",
        "weaviate://db?timeout=nan",
        "weaviate://db?grps=1",
        "weaviate://db?tls=1&ca=/nowhere.pem",
        "weaviate://db?novalue",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(BadValue):
        Address.parse(url)


def test_certificates_without_tls_are_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("x")
    with pytest.raises(BadValue, match="add tls=1"):
        Address.parse(f"weaviate://db?ca={tmp_path}/ca.pem")


@pytest.mark.parametrize(
    "url", ["weaviate://me:hush@db", "weaviate://hush@db:1", "weaviate://db?api_key=hush", "weaviate://db?token=hush"]
)
def test_a_key_in_a_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(BadValue, match="TRANSVASE_WEAVIATE_KEY") as refused:
        Address.parse(url)
    assert "hush" not in str(refused.value)


def test_credentials_come_from_the_environment_and_are_not_shown() -> None:
    key = Credentials.from_environment({"TRANSVASE_WEAVIATE_KEY": " hush\n"})
    secret = Credentials.from_environment({"TRANSVASE_WEAVIATE_CLIENT_SECRET": "hush", "TRANSVASE_WEAVIATE_SCOPE": "a b"})
    assert (key.bearer, secret.secret, secret.scope) == ("hush", "hush", "a b")
    assert "hush" not in repr(key) + repr(secret)
    assert Credentials.from_environment({}) == Credentials()


def test_two_credentials_or_a_damaged_one_are_refused() -> None:
    with pytest.raises(BadValue, match="set one of them"):
        Credentials.from_environment({"TRANSVASE_WEAVIATE_KEY": "a", "TRANSVASE_WEAVIATE_TOKEN": "b"})
    with pytest.raises(BadValue, match="line breaks") as refused:
        Credentials.from_environment({"TRANSVASE_WEAVIATE_TOKEN": "hush\nX-Other: 1"})
    assert "hush" not in str(refused.value)


def test_names_are_those_that_the_server_makes_of_them() -> None:
    assert [canonical("docs"), physical("docs_1_ab12"), alias_name("docs")] == ["Docs", "Docs_1_ab12", "Docs"]
    assert not any(is_class_name(name) for name in ("", "1a", "a-b", "a b", "_a", "é", "A" * 201, "a\n"))


@pytest.mark.parametrize("name", ["", "a-b", "transvaseControl", "x" * 41, "TransvaseControl2"])
def test_an_alias_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(BadValue):
        alias_name(name)


def test_ids_of_our_objects_differ_by_kind_and_by_name() -> None:
    assert object_id("alias", "a") == object_id("alias", "a")
    assert len({object_id("alias", "a"), object_id("index", "a"), object_id("alias", "b"), object_id("alias", "a", "b")}) == 4
