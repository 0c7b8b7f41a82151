"""The REST clients of one host, each lent to one thread at a time.

Threads must not share one of httpx's (httpcore 1.0.9). Its pool asks of every connection that is idle whether there is something
to be read, which would mean that the host has hung up. Where another thread has begun to use the connection in that very moment
the answer to it is what there is to be read, and it is closed under that thread: ``[Errno 9] Bad file descriptor``, once in some
thousand requests of sixteen threads on one core. And whoever closes a client closes it under everybody.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import BoundedSemaphore
from typing import Any, Final

import httpx
from transvase.core.errors import StoreFailed

MOST: Final = 32
"""Requests at once; whoever comes then waits, for as long as an answer may take."""
ALIVE: Final = "/v1/.well-known/live"


class Web:
    """Safe for many threads. What it raises is httpx's, but for StoreFailed once it was closed."""

    def __init__(self, make: Callable[[], httpx.Client], *, host: str, timeout_s: float) -> None:
        self._make, self._host, self._timeout_s = make, host, timeout_s
        self._idle: list[httpx.Client] = []
        self._places = BoundedSemaphore(MOST)
        self._closed = False

    def get(self, url: str, *, timeout: httpx.Timeout | float) -> httpx.Response:
        """What GET answers there."""
        return self.request("GET", url, timeout=timeout)

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        """As the client's own ``request``; the answer has been read."""
        if not self._places.acquire(timeout=self._timeout_s):
            raise httpx.PoolTimeout(f"{MOST} requests are under way")
        try:
            client = self._taken()
            try:
                return client.request(method, url, **options)
            finally:
                self._idle.append(client)
                if self._closed:
                    self._let_go()
        finally:
            self._places.release()

    def alive(self, *, timeout: float) -> bool:
        """Whether the host says that it is there."""
        try:
            self.get(ALIVE, timeout=timeout)
        except httpx.HTTPError:
            return False
        return True

    def close(self) -> None:
        """Let go of every connection, and of those that are in use when they have been used."""
        self._closed = True
        self._let_go()

    def _taken(self) -> httpx.Client:
        if self._closed:
            raise StoreFailed(f"the connection to {self._host} was closed; open it again")
        try:
            return self._idle.pop()
        except IndexError:
            return self._make()

    def _let_go(self) -> None:
        while True:
            try:
                client = self._idle.pop()
            except IndexError:
                return
            client.close()
