"""Every answer that was paid for, on disk before it is used: one JSON object a line, appended, synced, never rewritten.

A line's ``key`` is the digest of everything that was asked (model, style, text, examples, version), so an equal question is
answered from here in every later run. A process that dies while it writes leaves half a line at the end; the next one cuts it
off. Lines with ``lost`` tell of requests that may have been charged although their answer never arrived.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from transvase.core.errors import BadValue, Busy, WorldFailed

from .prompts import VERSION, Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One answer as it was paid for. ``measured`` is False where the endpoint did not say what it used: then it is the most.

    ``cut``: how many tokens were allowed, where it ends because there were no more; else 0.
    """

    text: str
    tokens_in: int
    tokens_out: int
    measured: bool = True
    cut: int = 0


def key_of(conversation: Sequence[Message], *, model: str) -> str:
    """Under what an answer is kept: 32 hexadecimal digits."""
    asked = json.dumps([VERSION, model, list(conversation)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(asked.encode("utf-8", "replace")).hexdigest()[:32]


class Ledger:
    """The file, open and locked for one process; safe to use from many threads."""

    def __init__(self, path: Path) -> None:
        """Open or make it and read what is there. BadValue when it is no ledger of ours, Busy when another run holds it."""
        self.path = path
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._lost: dict[str, tuple[int, int]] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = path.open("ab+")
        except OSError as error:
            raise BadValue("answers", str(path), why=f"the file cannot be written ({error.strerror}); name another") from error
        try:
            self._hold()
            self._read()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> Entry | None:
        """What was answered before, or None."""
        with self._lock:
            return self._entries.get(key)

    def settled(self, key: str, *, most_out: int) -> Entry | None:
        """The same, but None too where the answer was cut off and may have more tokens by now."""
        entry = self.get(key)
        return None if entry and 0 < entry.cut < most_out else entry

    def lost(self, key: str) -> tuple[int, int]:
        """Tokens in and out, at the most, of answers to this question that never arrived, or were cut off and replaced."""
        with self._lock:
            return self._lost.get(key, (0, 0))

    def keep(self, key: str, entry: Entry) -> None:
        """Append an answer; it is on the disk when this returns. WorldFailed when it cannot be written."""
        used: dict[str, object] = {"in": entry.tokens_in, "out": entry.tokens_out, "measured": entry.measured}
        used |= {"cut": entry.cut} if entry.cut else {}
        with self._lock:
            self._append({"key": key, "text": entry.text} | used)
            self._set(key, entry)

    def keep_lost(self, key: str, *, tokens_in: int, tokens_out: int) -> None:
        """Append that a request was sent and its answer lost, with the most that it may have used."""
        with self._lock:
            self._append({"key": key, "lost": True, "in": tokens_in, "out": tokens_out})
            self._add_lost(key, tokens_in, tokens_out)

    def _add_lost(self, key: str, tokens_in: int, tokens_out: int) -> None:
        before = self._lost.get(key, (0, 0))
        self._lost[key] = (before[0] + tokens_in, before[1] + tokens_out)

    def _append(self, fields: dict[str, object]) -> None:
        """Past the buffer, which would try again when the file is closed; half a line is taken back."""
        file, line = self._file.fileno(), json.dumps(fields).encode() + b"\n"
        before = os.fstat(file).st_size
        try:
            while line:
                line = line[os.write(file, line) :]
            os.fsync(file)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(file, before)
            kept = "answers from before are kept: the same command goes on from there"
            why = f"an answer arrived that cannot be written ({error.strerror}); make room, and give the command again; {kept}"
            raise WorldFailed(f"answers {str(self.path)!r}: {why}") from error

    def _hold(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Busy(str(self.path), "another run keeps its answers there") from error

    def _read(self) -> None:
        """A last line without its end was cut by a crash; anything else that is not ours is an error, never overwritten."""
        self._file.seek(0)
        good = 0
        for number, line in enumerate(self._file, start=1):
            if not line.endswith(b"\n"):
                self._file.truncate(good)
                break
            self._take(line, where=f"{self.path}:{number}")
            good += len(line)

    def _take(self, line: bytes, *, where: str) -> None:
        try:
            fields = json.loads(line)
            key = str(fields["key"])
            used = int(fields["in"]), int(fields["out"])
            if "lost" in fields:
                self._add_lost(key, *used)
                return
            entry = Entry(
                text=str(fields["text"]),
                tokens_in=used[0],
                tokens_out=used[1],
                measured=bool(fields["measured"]),
                cut=int(fields.get("cut", 0)),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise BadValue("answers", where, why="this line was not written here; name another file, or remove it") from error
        self._set(key, entry)

    def _set(self, key: str, entry: Entry) -> None:
        """What an answer in place of another that was cut off has cost before stays counted."""
        before = self._entries.get(key)
        if before is not None:
            self._add_lost(key, before.tokens_in, before.tokens_out)
        self._entries[key] = entry
