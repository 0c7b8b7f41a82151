"""What may stand before or beside a user's server: a proxy that speaks TLS, an issuer of OpenID tokens, a shelf for tenants."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from joserfc import jwk, jwt


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "transvase tests")])
    now = dt.datetime.now(dt.UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "cert.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return public, private


@contextmanager
def tls_before(port: int, public: Path, private: Path) -> Iterator[int]:
    """A port that speaks TLS and hands what it hears to another one; HTTP/1.1 and HTTP/2 alike."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    context.set_alpn_protocols(["h2", "http/1.1"])
    listener = socket.create_server(("127.0.0.1", 0))
    callers: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                raw, _ = listener.accept()
                threading.Thread(target=speak, args=(raw,), daemon=True).start()

    def speak(raw: socket.socket) -> None:
        try:
            caller = context.wrap_socket(raw, server_side=True)
        except OSError:
            raw.close()
            return
        server = socket.create_connection(("127.0.0.1", port))
        callers.extend((caller, server))
        threading.Thread(target=hand_on, args=(server, caller), daemon=True).start()
        hand_on(caller, server)

    def hand_on(giver: socket.socket, taker: socket.socket) -> None:
        with suppress(OSError):
            while data := giver.recv(65536):
                taker.sendall(data)
        for end in (giver, taker):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for end in callers:
            end.close()


@dataclass
class Issuer:
    """Gives tokens that last ``lasts_s`` to the client ``transvase`` with the secret ``hush``."""

    url: str = ""
    lasts_s: int = 3600
    given: int = 0
    key: jwk.RSAKey = field(default_factory=lambda: jwk.RSAKey.import_key(_pem(), {"kid": "one", "use": "sig", "alg": "RS256"}))

    def token(self) -> str:
        """A token for the user ``operator``."""
        self.given += 1
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": "transvase",
            "sub": "operator",
            "iat": now,
            "exp": now + self.lasts_s,
            "jti": self.given,
        }
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key)


@contextmanager
def issuing() -> Iterator[Issuer]:
    """An issuer on a loopback port."""
    issuer = Issuer()

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths: dict[str, Any] = {
                "/.well-known/openid-configuration": {
                    "issuer": issuer.url,
                    "jwks_uri": f"{issuer.url}/keys",
                    "token_endpoint": f"{issuer.url}/token",
                    "authorization_endpoint": f"{issuer.url}/authorize",
                    "id_token_signing_alg_values_supported": ["RS256"],
                },
                "/keys": {"keys": [issuer.key.as_dict(private=False)]},
            }
            self._answer(200, paths[self.path])

        def do_POST(self) -> None:
            asked = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
            basic = self.headers.get("authorization") == "Basic dHJhbnN2YXNlOmh1c2g="
            if not basic or asked["grant_type"] != ["client_credentials"]:
                self._answer(401, {"error": "invalid_client", "error_description": "who are you?"})
            else:
                self._answer(200, {"access_token": issuer.token(), "token_type": "Bearer", "expires_in": issuer.lasts_s})

        def _answer(self, status: int, body: object) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        issuer.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield issuer
        server.shutdown()


@dataclass
class Shelf:
    """As much of S3 as the server needs to put tenants away: files by bucket and name."""

    url: str = ""
    buckets: dict[str, dict[str, bytes]] = field(default_factory=dict)
    broken: bool = False
    """Answers everything with 500."""

    def settings(self) -> dict[str, str]:
        """What a server that uses it is started with."""
        return {
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_REGION": "us-east-1",
            "AWS_SECRET_ACCESS_KEY": "b",
            "ENABLE_MODULES": "offload-s3",
            "OFFLOAD_S3_BUCKET": "cold",
            "OFFLOAD_S3_BUCKET_AUTO_CREATE": "true",
            "OFFLOAD_S3_ENDPOINT": self.url,
            "OFFLOAD_TIMEOUT": "10",
        }

    def answer(self, verb: str, path: str, span: str, data: bytes) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers."""
        parts = urlsplit(path)
        asked = parse_qs(parts.query, keep_blank_values=True)
        bucket, _, name = unquote(parts.path).lstrip("/").partition("/")
        if self.broken:
            return 500, b"<Error><Code>InternalError</Code></Error>", {}
        files = self.buckets.setdefault(bucket, {})
        if verb == "PUT":
            files.update({name: data} if name else {})
            return 200, b"", {"ETag": '"x"'}
        if verb == "POST":
            gone = re.findall(r"<Key>(.*?)</Key>", data.decode())
            for one in gone:
                files.pop(one, None)
            told = "".join(f"<Deleted><Key>{one}</Key></Deleted>" for one in gone)
            return 200, f"<DeleteResult>{told}</DeleteResult>".encode(), {}
        if not name:
            return 200, _listing(bucket, asked.get("prefix", [""])[0], files), {"content-type": "application/xml"}
        return _piece(files[name], span)


@contextmanager
def shelving() -> Iterator[Shelf]:
    """A shelf on a loopback port."""
    shelf = Shelf()

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            data = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, body, headers = shelf.answer(self.command, self.path, self.headers.get("range", ""), data)
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = _any  # noqa: N815 - the base class finds them by these names

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        shelf.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield shelf
        server.shutdown()


def _listing(bucket: str, prefix: str, files: dict[str, bytes]) -> bytes:
    shown = "".join(
        f"<Contents><Key>{name}</Key><Size>{len(data)}</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        "<ETag>&quot;x&quot;</ETag><StorageClass>STANDARD</StorageClass></Contents>"
        for name, data in sorted(files.items())
        if name.startswith(prefix)
    )
    said = f"<IsTruncated>false</IsTruncated><Name>{bucket}</Name><Prefix>{prefix}</Prefix>{shown}"
    return f'<?xml version="1.0"?><ListBucketResult>{said}</ListBucketResult>'.encode()


def _piece(data: bytes, span: str) -> tuple[int, bytes, dict[str, str]]:
    headers = {"ETag": '"x"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", span)
    if asked is None:
        return 200, data, headers
    first, last = int(asked[1]), min(int(asked[2] or len(data)), len(data) - 1)
    return 206, data[first : last + 1], {**headers, "Content-Range": f"bytes {first}-{last}/{len(data)}"}


def _pem() -> bytes:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
