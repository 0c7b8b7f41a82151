"""The ways in: several hosts of which one is down, TLS, keys, OpenID, a server too old, started again, or half reachable."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from transvase.adapters.weaviate.wire.address import Address
from transvase.adapters.weaviate.wire.connection import Connection, connected
from transvase.adapters.weaviate.wire.credentials import Credentials
from transvase.adapters.weaviate.wire.failures import Kind, kind_of, refusal, retrying
from transvase.adapters.weaviate.wire.line import Line
from transvase.core.errors import StoreFailed, TransvaseError, Unfit
from weaviate.proto.v1 import search_get_pb2
from weaviate_doors import Issuer, certificate, issuing, tls_before
from weaviate_ground import Guarded, put
from weaviate_server import Node, needed, node, place, running

pytestmark = [pytest.mark.weaviate, pytest.mark.long]


def listed(connection: Connection, name: str) -> int:
    request = search_get_pb2.SearchRequest(collection=name, limit=100, uses_123_api=True, uses_127_api=True)
    return len(connection.search(request, index=name).results)


@pytest.fixture
def silent() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_server_is_reached_and_says_its_version_its_nodes_and_its_time(connection: Connection) -> None:
    assert tuple(int(part) for part in connection.version.split(".")[:2]) >= (1, 32)
    (only,) = connection.nodes()
    assert (only.status, only.mode, only.version) == ("HEALTHY", "ReadWrite", connection.version)
    assert abs(connection.now() - time.time()) < 5


def test_the_next_host_is_asked_where_one_is_not_reached(node: Node, silent: int, make: Callable[..., str]) -> None:
    name = make()
    address = Address.parse(f"weaviate://127.0.0.1:{silent},127.0.0.1:{node.rest}?grpc={silent},{node.grpc}")
    both = connected(address, Credentials())
    assert put(both, name, 3) == set()
    assert (listed(both, name), both.count(name)) == (10, 10)
    assert [str(line.host) for line in both.each] == [f"127.0.0.1:{silent}", f"127.0.0.1:{node.rest}"]
    with pytest.raises(StoreFailed) as failed:
        both.each[0].rest("GET", "/meta")
    assert kind_of(failed.value) is Kind.UNREACHED
    both.close()


def test_a_reader_is_given_to_the_next_host_where_one_asks_its_cluster_in_vain_and_a_writer_is_not(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = Connection(Address.parse(f"weaviate://127.0.0.1:{node.rest},localhost:{node.rest}?grpc={node.grpc}"), Credentials())
    asked, answered = list[str](), Line.rest

    def rest(line: Line, method: str, path: str, **more: Any) -> Any:
        asked.append(line.host.name)
        if len(asked) == 1:
            raise refusal(
                "failed to execute query: rpc error: code = Canceled desc = the client connection is closing", status=500
            )
        return answered(line, method, path, **more)

    monkeypatch.setattr(Line, "rest", rest)
    assert both.rest("GET", "/meta")["version"]
    assert asked == ["127.0.0.1", "localhost"]
    asked.clear()
    with pytest.raises(StoreFailed) as failed:
        both.rest("POST", "/objects", body={})
    assert (kind_of(failed.value), asked) == (Kind.LEADERLESS, ["localhost"])
    both.close()


def test_nobody_reached_is_told_at_once(silent: int) -> None:
    started = time.monotonic()
    with pytest.raises(StoreFailed, match="was not reached"):
        connected(Address.parse(f"weaviate://127.0.0.1:{silent}?grpc={silent}"), Credentials())
    assert time.monotonic() - started < 5


def test_a_grpc_port_that_is_wrong_is_told_apart(node: Node, silent: int) -> None:
    for port in (silent, node.rest):
        with pytest.raises(StoreFailed, match=rf"over gRPC nobody answers at 127.0.0.1:{port}.*\?grpc=PORT") as failed:
            connected(Address.parse(f"weaviate://127.0.0.1:{node.rest}?grpc={port}"), Credentials())
        assert (failed.value.status, failed.value.passing) == (3, False), "as where nobody answers over REST, and at once"


def test_a_server_that_was_started_again_is_found_again(make: Callable[..., str]) -> None:
    with place() as folder, running([node_in(folder)]) as (one,):
        connection = connected(Address.parse(one.url), Credentials())
        connection.rest("POST", "/schema", body={"class": "Kept"})
        put(connection, "Kept", 3, vector="")
        assert listed(connection, "Kept") == 10
        one.kill()
        with pytest.raises(TransvaseError):
            listed(connection, "Kept")
        one.start()
        reasons: list[str] = []
        assert retrying("the search", lambda: listed(connection, "Kept"), budget_s=60, report=reasons.append) == 10
        assert reasons
        connection.close()


def node_in(folder: Path) -> Node:
    return node(needed(), folder=folder)


def test_what_is_no_weaviate_or_too_old_is_refused() -> None:
    class Old(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"version": "1.31.9"} if self.path == "/v1/meta" else {}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Old) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(Unfit, match=r"Weaviate 1\.31\.9, which has no aliases; upgrade it to 1\.32"):
            connected(Address.parse(f"weaviate://127.0.0.1:{server.server_address[1]}"), Credentials())
        server.shutdown()


@pytest.fixture(scope="module")
def behind_tls(guarded: Guarded) -> Iterator[tuple[str, Path]]:
    """URL of the guarded server behind proxies that speak TLS, and their certificate."""
    with place() as folder:
        public, private = certificate(folder)
        with tls_before(guarded.node.rest, public, private) as rest, tls_before(guarded.node.grpc, public, private) as grpc:
            yield f"weaviate://127.0.0.1:{rest}?grpc={grpc}&tls=1&timeout=10", public


def test_a_server_behind_tls_is_reached_over_both_ways(behind_tls: tuple[str, Path]) -> None:
    url, public = behind_tls
    connection = connected(Address.parse(f"{url}&ca={public}"), Credentials(bearer="root-key"))
    connection.rest("POST", "/schema", body={"class": "Sealed"})
    try:
        assert put(connection, "Sealed", 3, vector="") == set()
        assert (listed(connection, "Sealed"), connection.count("Sealed")) == (10, 10)
    finally:
        connection.rest("DELETE", "/schema/Sealed")
        connection.close()


def test_a_certificate_that_nobody_vouches_for_is_refused(behind_tls: tuple[str, Path], tmp_path: Path) -> None:
    url, _ = behind_tls
    with pytest.raises(StoreFailed, match="CERTIFICATE_VERIFY_FAILED"):
        connected(Address.parse(url), Credentials(bearer="root-key"))
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(StoreFailed, match="holds no certificates"):
        connected(Address.parse(f"{url}&ca={tmp_path}/bad.pem"), Credentials())


def test_a_key_from_the_environment_opens_the_door(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSVASE_WEAVIATE_KEY", "root-key")
    connection = connected(Address.parse(guarded.node.url))
    assert connection.nodes()
    connection.close()
    monkeypatch.delenv("TRANSVASE_WEAVIATE_KEY")
    with pytest.raises(Unfit, match="set TRANSVASE_WEAVIATE_KEY"):
        connected(Address.parse(guarded.node.url))


@pytest.fixture(scope="module")
def known() -> Iterator[tuple[Node, Issuer]]:
    """A server that believes the tokens of an issuer."""
    with issuing() as issuer, place() as folder:
        one = node_in(folder)
        one.env.update(
            AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED="false",
            AUTHENTICATION_OIDC_CLIENT_ID="transvase",
            AUTHENTICATION_OIDC_ENABLED="true",
            AUTHENTICATION_OIDC_ISSUER=issuer.url,
            AUTHENTICATION_OIDC_USERNAME_CLAIM="sub",
        )
        with running([one]):
            yield one, issuer


def test_a_token_and_a_clients_secret_open_the_door(known: tuple[Node, Issuer]) -> None:
    one, issuer = known
    for credentials in (Credentials(bearer=issuer.token()), Credentials(secret="hush")):
        connection = connected(Address.parse(one.url), credentials)
        connection.rest("POST", "/schema", body={"class": "Opened"})
        assert listed(connection, "Opened") == 0
        connection.rest("DELETE", "/schema/Opened")
        connection.close()


def test_a_token_is_renewed_before_it_ends_and_kept_until_then(known: tuple[Node, Issuer]) -> None:
    one, issuer = known
    connection = Connection(Address.parse(one.url), Credentials(secret="hush"))
    before = issuer.given
    for _ in range(5):
        connection.rest("GET", "/meta")
    assert issuer.given == before + 1
    issuer.lasts_s = 30
    short = Connection(Address.parse(one.url), Credentials(secret="hush"))
    for _ in range(3):
        short.rest("GET", "/meta")
    issuer.lasts_s = 3600
    assert issuer.given == before + 4, "a token with less than a minute left is not used again"
    connection.close()
    short.close()


def test_a_wrong_secret_an_ended_token_and_a_server_without_an_issuer_are_told(known: tuple[Node, Issuer], node: Node) -> None:
    one, issuer = known
    with pytest.raises(StoreFailed, match=r"gave no token for TRANSVASE_WEAVIATE_CLIENT_SECRET: .*who are you") as refused:
        connected(Address.parse(one.url), Credentials(secret="psst"))
    assert "psst" not in str(refused.value)
    issuer.lasts_s = -600
    ended = issuer.token()
    issuer.lasts_s = 3600
    with pytest.raises(Unfit, match="a token that is valid"):
        connected(Address.parse(one.url), Credentials(bearer=ended))
    with pytest.raises(Unfit, match="knows no OpenID issuer"):
        connected(Address.parse(node.url), Credentials(secret="hush"))
