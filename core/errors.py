"""Every error that Transvase raises, in one tree, with the exit status each kind means.

    TransvaseError
    ├── Misuse                      2   the call itself cannot be meant
    │   ├── UnknownName                 no such alias, table, column, model, file, command value
    │   ├── BadValue                    a value that is not of its kind: an expression, a URL, a number, a file's content
    │   ├── Lacking                     a stand-in has not this part of what it stands for
    │   └── ExtraMissing                a part of Transvase that is not installed
    ├── Refused                     1   understood, and not done: nothing was changed
    │   ├── IllegalMove                 the machine has no such move from this phase
    │   ├── NotReady                    a guard of the move does not hold yet
    │   ├── Busy                        another operator is at work on the alias
    │   ├── Moved                       somebody changed the alias or the migration in between
    │   ├── SpaceMismatch               vectors of one space were brought to another
    │   ├── ForeignVectors              the declared encoder did not make the stored vectors
    │   ├── Unfit                       the database, table, role or model does not fulfil a stated need
    │   └── Superseded                  what was asked for has been overtaken (an index that is gone)
    └── WorldFailed                 3   the database, the disk or a model failed under us
        ├── StoreFailed                 the database refused, broke or went away
        ├── LockNotGained               a lock was not free within its budget
        ├── EncoderFailed               a model that could not be loaded or run
        └── EndpointFailed              a service behind a URL gave no answer

Foreign exceptions are translated at one place per adapter; ``__cause__`` keeps the original.
"""

from __future__ import annotations

from typing import ClassVar, Final

DONE: Final = 0


class TransvaseError(Exception):
    """Root of the tree. ``status`` is the exit status of a command that ends on it."""

    status: ClassVar[int] = 3


class Misuse(TransvaseError):
    """The call itself is wrong: repeat it corrected."""

    status: ClassVar[int] = 2


class UnknownName(Misuse):
    """Something was named that does not exist."""

    def __init__(self, kind: str, name: str, *, hint: str = "") -> None:
        self.kind, self.name, self.hint = kind, name, hint
        super().__init__(_sentence(f"there is no {kind} {name!r}", hint))


class BadValue(Misuse):
    """A value is not of the form or the kind that its place takes."""

    def __init__(self, what: str, value: object, *, why: str) -> None:
        self.what, self.value, self.why = what, value, why
        super().__init__(f"{what} {value!r}: {why}")


class Lacking(Misuse, AttributeError):
    """A stand-in was asked for a part of what it stands for that it has not; ``hasattr`` says False of it."""

    def __init__(self, what: str, part: str, *, instead: str) -> None:
        self.what, self.part, self.instead = what, part, instead
        super().__init__(_sentence(f"{what} has no {part!r}", instead))


class ExtraMissing(Misuse):
    """A part of Transvase was asked for that is not installed."""

    def __init__(self, extra: str, *, needed_for: str) -> None:
        self.extra, self.needed_for = extra, needed_for
        super().__init__(f"{needed_for} needs the extra {extra!r}: pip install 'transvase[{extra}]'")


class Refused(TransvaseError):
    """The call was understood and not carried out; nothing was changed."""

    status: ClassVar[int] = 1


class IllegalMove(Refused):
    """The machine has no such move from this phase."""

    def __init__(self, move: str, phase: str, *, legal: tuple[str, ...]) -> None:
        self.move, self.phase, self.legal = move, phase, legal
        way = f"from here: {', '.join(legal)}" if legal else "this migration has ended; plan a new one"
        super().__init__(f"{move} is not possible while the migration is {phase} ({way})")


class NotReady(Refused):
    """A guard of the move does not hold."""

    def __init__(self, move: str, reason: str) -> None:
        self.move, self.reason = move, reason
        super().__init__(f"{move} refused: {reason}")


class Busy(Refused):
    """Another operator holds the alias."""

    def __init__(self, alias: str, holder: str) -> None:
        self.alias, self.holder = alias, holder
        super().__init__(f"another operator is at work on {alias!r} ({holder}); wait for it, or stop it, and try again")


class Moved(Refused):
    """The alias or the migration is no longer as it was read."""

    def __init__(self, what: str, *, expected: object, found: object) -> None:
        self.what, self.expected, self.found = what, expected, found
        super().__init__(
            f"{what} was changed by somebody else in between (expected {expected}, found {found}); look again with `status`"
        )


class SpaceMismatch(Refused):
    """Vectors of one space were brought where another space lives."""

    def __init__(self, *, expected: str, found: str, where: str) -> None:
        self.expected, self.found, self.where = expected, found, where
        super().__init__(
            f"{where} holds vectors of space {expected}; these are of space {found}, and the two must never be compared"
        )


class ForeignVectors(Refused):
    """A sample shows that the declared encoder did not make the stored vectors."""

    def __init__(self, *, encoder: str, sampled: int, agreeing: int, worst: float, hint: str) -> None:
        self.encoder, self.sampled, self.agreeing, self.worst = encoder, sampled, agreeing, worst
        super().__init__(
            f"{encoder} did not make these vectors: {agreeing} of {sampled} sampled rows agree with it "
            f"(lowest cosine {worst:.4f}); {hint}"
        )


class Unfit(Refused):
    """Something that must hold of the database, the table, the role or the model does not."""

    def __init__(self, what: str, *, remedy: str) -> None:
        self.what, self.remedy = what, remedy
        super().__init__(f"{what}; {remedy}")


class Superseded(Refused):
    """The index that was asked for is gone: resolve the alias again."""

    def __init__(self, index: str) -> None:
        self.index = index
        super().__init__(f"the index {index!r} is no longer there; resolve the alias again")


class WorldFailed(TransvaseError):
    """Something outside failed; what had been done stays done, and the same call goes on from there."""

    status: ClassVar[int] = 3


class StoreFailed(WorldFailed):
    """The database refused, broke or went away.

    ``passing``: the same call may succeed later, in the same session and without anybody's doing. ``after_s``: so many seconds
    from now at the earliest, where the store says so. ``anew``: that, or at least the whole command may succeed later when it is
    made once more, with a session and locks of its own.
    """

    def __init__(
        self, what: str, *, code: str | None = None, passing: bool = False, anew: bool = False, after_s: float | None = None
    ) -> None:
        self.what, self.code, self.passing, self.anew, self.after_s = what, code, passing, passing or anew, after_s
        super().__init__(f"{what}" + (f" [{code}]" if code else ""))


class LockNotGained(WorldFailed):
    """A lock was not free within its budget; nobody was made to wait longer than that."""

    def __init__(self, what: str, *, waited_s: float, blockers: str) -> None:
        self.what, self.waited_s, self.blockers = what, waited_s, blockers
        super().__init__(
            f"no lock for {what} within {waited_s:.1f} s (held up by {blockers or 'unknown sessions'}); "
            "end those transactions or try later"
        )


class EncoderFailed(WorldFailed):
    """A model could not be loaded or run."""

    def __init__(self, encoder: str, why: str) -> None:
        self.encoder, self.why = encoder, why
        super().__init__(f"encoder {encoder}: {why}")


class EndpointFailed(WorldFailed):
    """A service behind a URL gave no answer, however often it was asked."""

    def __init__(self, url: str, why: str) -> None:
        self.url, self.why = url, why
        super().__init__(f"{url}: {why}")


def _sentence(fact: str, hint: str) -> str:
    return f"{fact}; {hint}" if hint else fact
