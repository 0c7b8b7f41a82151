"""REST clients that threads share: none is used by two at once, and none is closed under whoever uses it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from transvase.adapters.weaviate.wire import web as wire
from transvase.adapters.weaviate.wire.web import Web
from transvase.core.errors import StoreFailed

WAIT_S = 20.0


class Slow(ThreadingHTTPServer):
    """Answers when it is let, and says when somebody has asked."""

    def __init__(self) -> None:
        self.asked, self.let = threading.Semaphore(0), threading.Event()
        outer = self

        class Door(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.asked.release()
                outer.let.wait(WAIT_S)
                self.send_response(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                """Nothing."""

        super().__init__(("127.0.0.1", 0), Door)


@pytest.fixture
def slow() -> Iterator[Slow]:
    with Slow() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.let.set()
        server.shutdown()


@pytest.fixture
def made() -> list[httpx.Client]:
    """The clients that were needed."""
    return []


@pytest.fixture
def web(slow: Slow, made: list[httpx.Client]) -> Iterator[Web]:
    def make() -> httpx.Client:
        made.append(httpx.Client(base_url=f"http://127.0.0.1:{slow.server_address[1]}", trust_env=False))
        return made[-1]

    shared = Web(make, host="here", timeout_s=0.2)
    yield shared
    shared.close()


def ask(web: Web) -> str:
    return web.get("/", timeout=WAIT_S).text


def test_who_asks_meanwhile_has_another_client_and_who_asks_afterwards_one_that_is_there(
    web: Web, slow: Slow, made: list[httpx.Client]
) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(ask, web) for _ in range(2)]
        assert all(slow.asked.acquire(timeout=WAIT_S) for _ in both)
        slow.let.set()
        assert [one.result() for one in both] == ["ok", "ok"]
    assert [ask(web) for _ in range(5)] == ["ok"] * 5
    assert len(made) == 2


def test_a_request_under_way_gets_its_answer_when_the_store_is_closed_and_none_is_begun(
    web: Web, slow: Slow, made: list[httpx.Client]
) -> None:
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask, web)
        assert slow.asked.acquire(timeout=WAIT_S)
        web.close()
        slow.let.set()
        assert asking.result() == "ok"
    assert [one.is_closed for one in made] == [True]
    with pytest.raises(StoreFailed, match="was closed"):
        ask(web)


def test_more_requests_than_there_are_places_for_wait_and_then_say_so(
    web: Web, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "_places", threading.BoundedSemaphore(1))
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask, web)
        assert slow.asked.acquire(timeout=WAIT_S)
        with pytest.raises(httpx.PoolTimeout, match=f"{wire.MOST} requests"):
            ask(web)
        slow.let.set()
        assert asking.result() == "ok"
    assert ask(web) == "ok"
