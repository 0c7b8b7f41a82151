"""An encoder behind a URL: right vectors in the right order, whatever the endpoint does, or a clear failure."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from embedding_server import Endpoint, serving
from transvase.core.encoders import load, space_of
from transvase.core.encoders.endpoint import endpoint_of
from transvase.core.encoders.remote import Patience, RemoteEncoder, load_remote
from transvase.core.errors import BadValue, EncoderFailed
from transvase.core.space import Role

pytest.importorskip("httpx")
pytest.importorskip("stamina")
QUICK = Patience(attempts=3, first=0.001, longest=0.2, answer=5.0)
ONCE = Patience(attempts=1, first=0.001, longest=0.2, answer=0.3)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving() as found:
        yield found


def quick(endpoint: Endpoint, settings: str = "") -> RemoteEncoder:
    return load_remote(endpoint.url + settings + "#tiny-embed", patience=QUICK)


def wanted(endpoint: Endpoint, texts: list[str], width: int = 12) -> np.ndarray:
    rows = np.array([endpoint.vector(text, width) for text in texts])
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_each_text_gets_its_vector_in_order_and_of_unit_length(endpoint: Endpoint) -> None:
    texts = [f"text {n}" for n in range(75)]
    vectors = quick(endpoint, "?batch=10").encode(texts, Role.DOCUMENT)
    assert np.allclose(vectors.matrix, wanted(endpoint, texts), atol=1e-6)
    assert [len(body["input"]) for body in endpoint.asked[1:]] == [10] * 7 + [5]


def test_load_and_space_of_understand_the_url(endpoint: Endpoint) -> None:
    encoder = load(endpoint.enc)
    assert (encoder.name, encoder.space, encoder.space.dimension) == (endpoint.enc, space_of(endpoint.enc), 12)
    assert encoder.encode([], Role.QUERY).matrix.shape == (0, 12)


def test_dimensions_that_are_stated_are_asked_for_and_cost_no_question(endpoint: Endpoint) -> None:
    enc = f"{endpoint.url}?dimensions=8#tiny-embed"
    assert (space_of(enc).dimension, endpoint.asked) == (8, [])
    assert np.allclose(load(enc).encode(["a"], Role.QUERY).matrix, wanted(endpoint, ["a"], 8), atol=1e-6)
    assert endpoint.asked[0]["dimensions"] == 8


def test_prompts_and_the_cut_reach_the_endpoint(endpoint: Endpoint) -> None:
    encoder = quick(endpoint, "?query_prompt=query:%20&document_prompt=d%26d+&max_length=4")
    encoder.encode(["a valve that leaks"], Role.QUERY)
    encoder.encode(["boiler"], Role.DOCUMENT)
    assert [body["input"] for body in endpoint.asked[1:]] == [["query: a valve t"], ["d&d boiler"]]
    assert (encoder.space.query_prompt, encoder.space.document_prompt, encoder.space.max_length) == ("query: ", "d&d ", 4)
    assert encoder.tokens(["", "abc", "abcde"]) == [0, 1, 2], "the estimate by which texts are cut"


def test_an_empty_text_and_half_a_character_are_sent_as_something_that_endpoints_take(endpoint: Endpoint) -> None:
    vectors = quick(endpoint).encode(["", "half \ud800", "nul \0"], Role.DOCUMENT)
    assert endpoint.asked[-1]["input"] == [" ", "half \ufffd", "nul \0"]
    assert np.allclose(np.linalg.norm(vectors.matrix, axis=1), 1, atol=1e-6)


OTHERS = {
    "another model": lambda url: f"{url}#other",
    "another address": lambda url: f"{url}/eu#tiny-embed",
    "other dimensions": lambda url: f"{url}?dimensions=7#tiny-embed",
    "a prompt": lambda url: f"{url}?dimensions=8&query_prompt=q#tiny-embed",
    "another length": lambda url: f"{url}?dimensions=8&max_length=5#tiny-embed",
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_whatever_is_asked_otherwise_is_another_space(other: Callable[[str], str]) -> None:
    url = "https://example.org/v1"
    one, two = endpoint_of(f"{url}?dimensions=8#tiny-embed"), endpoint_of(other(url))
    assert one.space(8).id != two.space(two.dimensions or 8).id


def test_the_same_endpoint_written_otherwise_is_the_same_space() -> None:
    plain = endpoint_of("https://example.org/v1#m").space(8)
    for enc in ("HTTPS://Example.ORG:443/v1/#m", "https://example.org/v1/embeddings#m", "https://example.org/v1?batch=7#%6d"):
        assert endpoint_of(enc).space(8) == plain


def test_the_key_goes_along_and_appears_nowhere(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSVASE_API_KEY", "sk-very-secret")
    encoder = quick(endpoint)
    assert endpoint.headers[0]["authorization"] == "Bearer sk-very-secret"
    endpoint.troubles = [(401, {}, b"Incorrect API key provided: sk-very-secret")]
    with pytest.raises(EncoderFailed, match="401") as failed:
        encoder.encode(["a"], Role.QUERY)
    assert "very-secret" not in f"{failed.value} {encoder.name} {encoder.space} {encoder!r}"
    assert "TRANSVASE_API_KEY" in str(failed.value)


def test_without_a_key_none_is_sent(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRANSVASE_API_KEY", raising=False)
    quick(endpoint)
    assert "authorization" not in endpoint.headers[0]


PASSING = {
    "too many requests": (429, {"Retry-After": "0.05"}, b"slow down"),
    "an inner error": (500, {}, b"oops"),
    "a gateway": (503, {}, b"<html>later</html>"),
    "half a JSON": (200, {}, b'{"data": [{"index": 0, "embed'),
    "no text at all": (200, {}, b"\xff\xfe"),
    "a connection that ends early": (200, {"Content-Length": "5000"}, b'{"data": ['),
}


@pytest.mark.parametrize("trouble", PASSING.values(), ids=PASSING.keys())
def test_what_passes_is_waited_out(endpoint: Endpoint, trouble: tuple[int, dict[str, str], bytes]) -> None:
    encoder = quick(endpoint)
    endpoint.troubles = [trouble, trouble]
    began = time.monotonic()
    assert np.allclose(encoder.encode(["a"], Role.QUERY).matrix, wanted(endpoint, ["a"]), atol=1e-6)
    assert len(endpoint.asked) == 4
    if "Retry-After" in trouble[1]:
        assert time.monotonic() - began >= 0.1, "it was told to wait twice 0.05 s"


@pytest.mark.parametrize("trouble", PASSING.values(), ids=PASSING.keys())
def test_what_does_not_pass_fails_in_the_end(endpoint: Endpoint, trouble: tuple[int, dict[str, str], bytes]) -> None:
    encoder = quick(endpoint)
    endpoint.troubles = [trouble] * 9
    with pytest.raises(EncoderFailed, match=endpoint.url) as failed:
        encoder.encode(["a"], Role.QUERY)
    assert (len(endpoint.asked), failed.value.status) == (4, 3)


FATAL = {
    "a bad request": (400, {}, b'{"error": {"message": "input too long"}}'),
    "no such model": (404, {}, b"model not found"),
    "somewhere else": (307, {"Location": "http://127.0.0.1:1/v1/embeddings"}, b""),
    "a pause longer than anybody waits": (429, {"Retry-After": "3600"}, b"quota"),
}


@pytest.mark.parametrize("trouble", FATAL.values(), ids=FATAL.keys())
def test_what_another_try_would_not_mend_is_asked_once(endpoint: Endpoint, trouble: tuple[int, dict[str, str], bytes]) -> None:
    encoder = quick(endpoint)
    endpoint.troubles = [trouble]
    with pytest.raises(EncoderFailed, match=str(trouble[0])):
        encoder.encode(["a"], Role.QUERY)
    assert len(endpoint.asked) == 2


BENT: dict[str, Callable[[dict], object]] = {
    "a row too few": lambda answer: answer | {"data": answer["data"][1:]},
    "one row twice": lambda answer: answer | {"data": [answer["data"][0]] * len(answer["data"])},
    "no numbers of rows": lambda answer: answer | {"data": [{"embedding": row["embedding"]} for row in answer["data"]]},
    "rows of several lengths": lambda answer: answer | {"data": [answer["data"][0] | {"embedding": [1.0]}, *answer["data"][1:]]},
    "other dimensions": lambda answer: answer | {"data": [row | {"embedding": row["embedding"] * 2} for row in answer["data"]]},
    "words": lambda answer: answer | {"data": [row | {"embedding": ["a"] * 12} for row in answer["data"]]},
    "base64": lambda answer: answer | {"data": [row | {"embedding": "AAAA"} for row in answer["data"]]},
    "nothing but zeros": lambda answer: answer | {"data": [row | {"embedding": [0.0] * 12} for row in answer["data"]]},
    "no number": lambda answer: answer | {"data": [row | {"embedding": [float("nan")] * 12} for row in answer["data"]]},
    "an error that says 200": lambda answer: {"error": "overloaded", "was": len(answer)},
    "a bare list": lambda answer: answer["data"],
}


@pytest.mark.parametrize("bend", BENT.values(), ids=BENT.keys())
def test_an_answer_that_does_not_fit_is_refused(endpoint: Endpoint, bend: Callable[[dict], object]) -> None:
    encoder = quick(endpoint)
    endpoint.bend = bend
    with pytest.raises(EncoderFailed, match=r"vector|embeddings"):
        encoder.encode(["a", "b", "c"], Role.QUERY)


def test_a_slow_endpoint_is_not_waited_for_longer_than_patience_lasts(endpoint: Endpoint) -> None:
    encoder = load_remote(f"{endpoint.url}?dimensions=8#tiny-embed", patience=ONCE)
    endpoint.bend = lambda answer: time.sleep(0.6) or answer
    began = time.monotonic()
    with pytest.raises(EncoderFailed, match="no answer"):
        encoder.encode(["a"], Role.QUERY)
    assert time.monotonic() - began < 0.55


def test_an_endpoint_that_is_not_there_fails_when_it_is_loaded() -> None:
    with pytest.raises(EncoderFailed, match="no answer"):
        load_remote("http://127.0.0.1:1/v1#m", patience=ONCE)


@pytest.mark.parametrize(
    ("enc", "told"),
    [
        ("https://example.org/v1", "#"),
        ("https://#m", "host"),
        ("https://me:sk-secret@example.org/v1#m", "TRANSVASE_API_KEY"),
        ("https://example.org/v1?api_key=sk-secret#m", "api_key is not known"),
        ("https://example.org/v1?dimensions=0#m", "dimensions"),
        ("https://example.org/v1?dimensions=many#m", "dimensions"),
        ("https://example.org/v1?batch=1&batch=2#m", "twice"),
        ("https://example.org/v1?whatever#m", "NAME=VALUE"),
        ("https://example.org:port/v1#m", "no URL"),
        ("https://[broken/v1#m", "no URL"),
    ],
)
def test_a_url_that_says_too_little_or_too_much_is_a_bad_value(enc: str, told: str) -> None:
    with pytest.raises(BadValue, match=told) as found:
        load(enc)
    assert "sk-secret" not in str(found.value)


def test_a_key_that_no_header_can_carry_is_a_bad_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSVASE_API_KEY", "sk-sécret")
    with pytest.raises(BadValue, match="TRANSVASE_API_KEY") as found:
        load_remote("http://127.0.0.1:1/v1?dimensions=2#m", patience=ONCE)
    assert "cret" not in str(found.value).replace("secret", "")


def test_it_can_be_asked_from_several_threads(endpoint: Endpoint) -> None:
    from concurrent.futures import ThreadPoolExecutor

    encoder, texts = quick(endpoint, "?batch=3"), [f"t{n}" for n in range(20)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: encoder.encode(texts, Role.QUERY).matrix, range(6)))
    assert all(np.allclose(rows, wanted(endpoint, texts), atol=1e-6) for rows in found)
    assert json.dumps(endpoint.asked[0]["model"]) == '"tiny-embed"'


def test_what_was_answered_arrives_before_the_failure_of_another_request_is_told(endpoint: Endpoint) -> None:
    """Ten requests, three at once; the third is refused, and no new one is begun after that."""
    encoder = quick(endpoint, "?batch=1")
    real = endpoint.answer

    def answer(body: dict) -> dict:
        if body["input"] == ["2"]:
            return {"error": "refused"}
        time.sleep(0.05)
        return real(body)

    endpoint.answer = answer  # type: ignore[method-assign]
    kept: dict[int, np.ndarray] = {}
    with pytest.raises(EncoderFailed, match="no list"):
        kept.update(encoder.arriving([str(number) for number in range(40)], Role.QUERY))

    asked = {body["input"][0] for body in endpoint.asked[1:]}
    assert 2 not in kept
    assert {str(number) for number in kept} == asked - {"2"}
    assert 2 <= len(kept) < 20
    assert all(np.allclose(rows, wanted(endpoint, [str(number)]), atol=1e-6) for number, rows in kept.items())
