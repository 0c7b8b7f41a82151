"""The lexical baseline: which words it knows, what it finds, and that it never calls a document a hit that shares nothing."""

from __future__ import annotations

import numpy as np
import pytest
from transvase.core.errors import BadValue
from transvase.core.evaluation.lexical import Lexical, function_words, terms, tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ERR_AUTH_702 vpn c++ C# x-ray v2.3", ["err_auth_702", "vpn", "c++", "c#", "x-ray", "v2.3"]),
        ("run .net with --no-cache, then R&D.", ["run", ".net", "with", "no-cache", "then", "r&d"]),
        ("C#7 and a#b", ["c", "7", "and", "a", "b"]),
        ("10.0.0.1 or foo_bar@example.org", ["10.0.0.1", "or", "foo_bar@example.org"]),
        ("ﬁne Straße NAÏVE", ["fine", "strasse", "naïve"]),
        ("日本 no 本", ["日", "本", "日本", "no", "本"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("e\u0301te\u0301", ["été"]),
        ("…!?  ", []),
    ],
)
def test_words_are_kept_whole(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@pytest.mark.parametrize(
    ("text", "among"),
    [
        ("ERR_AUTH_702", {"err_auth_702", "err", "auth", "702"}),
        ("getUserName HTTPServer", {"getusername", "get", "user", "name", "httpserver", "http", "server"}),
        ("c++", {"c++", "c"}),
        ("libraries classes caches hashes boxes files", {"library", "class", "cache", "hash", "box", "file"}),
        ("status process gas x86s", {"status", "process", "gas", "x86s"}),
    ],
)
def test_parts_and_singulars_are_indexed(text: str, among: set[str]) -> None:
    assert set(terms(text)) == among


def test_the_document_with_the_rarer_word_comes_first() -> None:
    index = Lexical(["common words here", "common words and ERR_AUTH_702", "nothing alike", "common talk"])
    rows, scores = index.nearest(["common err_auth_702"], k=3)

    assert rows[0, 0] == 1
    assert set(rows[0].tolist()) == {0, 1, 3}
    assert scores[0, 0] > scores[0, 1] >= scores[0, 2] > 0


def test_a_document_that_shares_no_word_is_no_hit() -> None:
    rows, scores = Lexical(["alpha", "beta", "gamma"]).nearest(["beta", "delta", "…"], k=2)

    assert rows.tolist() == [[1, -1], [-1, -1], [-1, -1]]
    assert scores[1:].tolist() == [[0, 0], [0, 0]]
    assert scores.dtype == np.float32


def test_equal_scores_keep_the_order_of_the_documents() -> None:
    rows, scores = Lexical(["other"] + ["same text"] * 40 + ["other"]).nearest(["same"], k=7)

    assert rows.tolist() == [[1, 2, 3, 4, 5, 6, 7]]
    assert len(set(scores[0].tolist())) == 1


def test_more_than_the_corpus_holds_is_no_error() -> None:
    assert Lexical(["one", "two"]).nearest(["one"], k=100)[0].tolist() == [[0, -1]]


def test_the_same_question_gets_the_same_answer_whoever_asks_beside_it() -> None:
    rng = np.random.default_rng(3)
    words = [f"w{number}" for number in range(200)]
    documents = [" ".join(rng.choice(words, size=12)) for _ in range(300)]
    queries = [" ".join(rng.choice(words, size=4)) for _ in range(20)]
    index = Lexical(documents)
    together, alone = index.nearest(queries, k=10), [index.nearest([query], k=10) for query in queries]

    assert together[0].tolist() == [row[0].tolist()[0] for row in alone]
    assert together[1].tolist() == [row[1].tolist()[0] for row in alone]


def test_function_words_are_not_asked_for_unless_there_is_nothing_else() -> None:
    corpus = ["the service starts when a node is ready"] * 3 + ["the what", "restart a node"]
    index = Lexical(corpus)

    assert index.asked("what is the restart of nodes") == ["restart", "node"]
    assert index.nearest(["what is the"], k=1)[0].tolist() == [[3]]


def test_function_words_are_those_of_the_corpus() -> None:
    german = ["der Dienst startet nicht, wenn die Platte voll ist und der Knoten fehlt"]

    assert "nicht" in function_words(german)
    assert "service" not in function_words(german)
    assert function_words(["ERR_1 ERR_2", "qux"]) == frozenset()


def test_words_are_found_in_scripts_without_spaces() -> None:
    rows, _ = Lexical(["東京の天気", "京都の寺", "เวลาทำการ", "犬"]).nearest(["京都", "子犬", "ทำการ"], k=1)

    assert rows.ravel().tolist() == [1, 3, 2]


def test_a_corpus_without_a_word_has_no_hits() -> None:
    assert Lexical(["…", ""]).nearest(["anything"], k=5)[0].tolist() == [[-1, -1]]


def test_an_index_of_nothing_and_a_k_of_nothing_are_refused() -> None:
    with pytest.raises(BadValue, match="at least one text"):
        Lexical([])
    with pytest.raises(BadValue, match="at least one document"):
        Lexical(["a"]).nearest(["a"], k=0)
