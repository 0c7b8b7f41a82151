"""Who we are to the server: an API key, a token, or a client's secret for which tokens are fetched and renewed.

They come from the environment and go into one header; nothing here is ever shown, kept or put into a URL.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from httpx import HTTPError
from transvase.core.errors import BadValue, StoreFailed, Unfit

if TYPE_CHECKING:
    from .web import Web

KEY: Final = "TRANSVASE_WEAVIATE_KEY"
TOKEN: Final = "TRANSVASE_WEAVIATE_TOKEN"  # noqa: S105 - the variable's name
SECRET: Final = "TRANSVASE_WEAVIATE_CLIENT_SECRET"  # noqa: S105 - the variable's name
SCOPE: Final = "TRANSVASE_WEAVIATE_SCOPE"

ISSUER_S: Final = 5.0
"""How long the server may take to name the issuer, and the issuer to answer."""
_EARLY_S: Final = 60
"""A token is renewed this long before it ends."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """At most one of the three; none for a server that lets everybody in."""

    bearer: str = field(default="", repr=False)
    """An API key or a token: the server takes both the same way."""
    secret: str = field(default="", repr=False)
    scope: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Credentials:
        """What the three variables say. BadValue where two of them are set, or one holds what no header can."""
        given = os.environ if environment is None else environment
        found = {name: given[name].strip() for name in (KEY, TOKEN, SECRET) if given.get(name, "").strip()}
        if len(found) > 1:
            raise BadValue("credentials", " and ".join(found), why="set one of them, so that it is plain who is asking")
        for name, value in found.items():
            if not (value.isascii() and value.isprintable()) or " " in value:
                raise BadValue(name, "(not shown)", why="it holds spaces, line breaks or characters that no key has")
        secret = found.pop(SECRET, "")
        return cls(next(iter(found.values()), ""), secret, given.get(SCOPE, "").strip())


class Badge:
    """Gives the header for the next request; fetches and renews a token where a client's secret was given. For many threads."""

    def __init__(self, credentials: Credentials, web: Web, *, verify: Any = True) -> None:
        self._credentials, self._web, self._verify = credentials, web, verify
        self._oauth: OAuth2Client | None = None
        self._lock = threading.Lock()

    def headers(self) -> dict[str, str]:
        """``authorization`` in lower case, as gRPC wants it; empty for nobody. StoreFailed when no token was to be had."""
        bearer = self._token() if self._credentials.secret else self._credentials.bearer
        return {"authorization": f"Bearer {bearer}"} if bearer else {}

    def close(self) -> None:
        """Let go of the connection to the issuer."""
        if self._oauth is not None:
            self._oauth.close()

    def _token(self) -> str:
        with self._lock:
            try:
                if self._oauth is None:
                    self._oauth = self._client()
                if self._oauth.token is None or self._oauth.token.is_expired(leeway=_EARLY_S):
                    self._oauth.fetch_token(grant_type="client_credentials")
                return str(self._oauth.token["access_token"])
            except (AuthlibBaseError, HTTPError, KeyError, TypeError, ValueError) as error:
                said = str(error) or type(error).__name__
                raise StoreFailed(f"the issuer gave no token for {SECRET}: {said}", code="no token") from error

    def _client(self) -> OAuth2Client:
        """A client of the issuer that the server names."""
        answer = self._web.get("/v1/.well-known/openid-configuration", timeout=ISSUER_S)
        if answer.status_code != 200:
            raise Unfit(f"the server knows no OpenID issuer (HTTP {answer.status_code})", remedy=f"unset {SECRET}, or set {KEY}")
        told = answer.json()
        endpoint = self._web.get(told["href"], timeout=ISSUER_S).json()["token_endpoint"]
        scope = self._credentials.scope or " ".join(told.get("scopes") or ())
        return OAuth2Client(
            told["clientId"],
            self._credentials.secret,
            token_endpoint=endpoint,
            scope=scope or None,
            verify=self._verify,
            trust_env=False,
        )
