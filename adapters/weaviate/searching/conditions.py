"""What ``where`` means for a collection: values that a property's kind takes, objects that meet them, what the server is asked.

The server's equality of texts is one of their words: in any order and case, less its stop words, and a text without a word cannot
be asked for at all. So it is asked for at least what meets a condition, and each object is looked at here before it is a hit.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import IntEnum
from numbers import Integral
from typing import Final, cast
from uuid import UUID

from transvase.adapters.weaviate.collections.shape import Property, Shape
from transvase.adapters.weaviate.objects.messages import Message
from transvase.adapters.weaviate.objects.reading import Seen
from transvase.core.errors import BadValue, Unfit, UnknownName
from weaviate.proto.v1 import base_pb2

TENANT: Final = "tenant"
KEY: Final = Property(name="uuid", kind="uuid")
"""Stands for the object's id, which a condition names as the alias' key does."""
TEXTS: Final = ("text", "string")
_KINDS: Final = ("text", "int", "number", "boolean", "date", "uuid")
_COMPARED: Final = (*_KINDS, "string")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FRACTION: Final = re.compile(r"\.(\d{6})(\d{1,3})\d*")


class Manner(IntEnum):
    """How texts are asked for: each finds what the one before it is refused for."""

    EQUAL = 0
    LIKE = 1
    """Finds stop words."""
    LEFT_OUT = 2
    """Not at all: the nearest objects are looked at, whatever their texts are."""


@dataclass(frozen=True, slots=True)
class Condition:
    """The property has one of ``values``, or with None among them no value. Without any there is nothing that meets it."""

    one: Property
    values: tuple[object, ...]

    def met_by(self, seen: Seen) -> bool:
        """Exactly, whatever the server takes for equal. An array meets it by one of its elements."""
        held = seen.uuid if self.one is KEY else seen.cargo.properties.get(self.one.name)
        return any(_held(self.one, part) in self.values for part in (held if isinstance(held, list) else [held]))


def conditions_of(shape: Shape, where: Mapping[str, object]) -> tuple[str, list[Condition]]:
    """The tenant that is searched, and the other conditions. BadValue where a collection with tenants is asked for none.

    UnknownName for a condition on what is no property, BadValue for a kind that is not compared, or a value of another.
    """
    rest = dict(where)
    tenant = rest.pop(TENANT, "") if shape.tenants else ""
    if shape.tenants and (not isinstance(tenant, str) or not tenant):
        raise BadValue("where", dict(where), why=f"{shape.name} has tenants, and a search is within one: give {TENANT}=NAME")
    return str(tenant), [_condition(_property(shape, name), value) for name, value in rest.items()]


def answerable(shape: Shape, conditions: Sequence[Condition]) -> None:
    """Unfit for a condition that the collection keeps no index for, with the setting that would have made one."""
    for condition in conditions:
        name, raw = condition.one.name, condition.one.raw
        indexed = any(raw.get(index, False) for index in ("indexFilterable", "indexSearchable", "indexRangeFilters"))
        if condition.one is not KEY and not indexed:
            raise Unfit(
                f"{shape.name} keeps no index of the values of {name} (indexFilterable is off), and it cannot be a condition",
                remedy="leave the condition out; a collection that is made anew can have it",
            )
        if not shape.nulls and None in condition.values:
            raise Unfit(
                f"{shape.name} keeps no index of what its objects lack (indexNullState is off), so {name} = null cannot be asked",
                remedy="leave the condition out; a collection that is made anew with indexNullState can have it",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the server and the collection have to find texts by, besides their words."""

    nulls: bool
    """An index of what objects lack; an empty text counts as lacking there."""
    negates: bool
    """The operator that turns a filter round (1.33)."""


def asked(conditions: Sequence[Condition], manner: Manner, means: Means) -> Message | None:
    """The filter that finds at least what meets all conditions; None where that is everything."""
    parts = [part for one in conditions if (part := _any_of(one, manner, means)) is not None]
    return _joined(base_pb2.Filters.OPERATOR_AND, parts) if parts else None


def _property(shape: Shape, name: str) -> Property:
    one = shape.properties.get(name)
    if one is None:
        if name == KEY.name:
            return KEY
        raise UnknownName("column", name, hint=f"{shape.name} has {', '.join(sorted({*shape.properties, KEY.name}))}")
    if _kind(one) not in _COMPARED:
        kind = "a reference" if one.targets else f"of the kind {one.kind}"
        raise BadValue("where", name, why=f"it is {kind}; those of {', '.join(_KINDS)}, and arrays of them, can be conditions")
    return one


def _kind(one: Property) -> str:
    return one.kind.removesuffix("[]")


def _condition(one: Property, given: object) -> Condition:
    several = given if isinstance(given, list | tuple | set | frozenset) else (given,)
    values: list[object] = []
    for value in several:
        try:
            meant = None if value is None else _meant(_kind(one), value)
        except (ValueError, TypeError, OverflowError) as error:
            raise BadValue("where", value, why=f"{one.name} is {_kind(one)}") from error
        if value is None or meant is not None:
            values.append(meant)
    return Condition(one, tuple(values))


def _held(one: Property, value: object) -> object:
    """An object's own value as ``_meant`` has it; what cannot be read so equals nothing."""
    try:
        return None if value is None else _meant(_kind(one), value)
    except (ValueError, TypeError, OverflowError):
        return _held


def _meant(kind: str, value: object) -> object:
    """The value as it is compared: a moment in nanoseconds, a UUID, … None for a number that no property of the kind can have.

    ValueError, TypeError for what is not of the kind. Postgres takes the same ones.
    """
    if kind in TEXTS:
        if not isinstance(value, str):
            raise ValueError(value)
        return value
    if kind == "boolean":
        return _truth(value)
    if kind == "date":
        return _moment(value)
    if kind == "uuid":
        return value if isinstance(value, UUID) else UUID(str(value))
    return _number(kind, value)


def _truth(value: object) -> bool:
    found = {"true": True, "false": False}.get(str(value).lower())
    if found is None:
        raise ValueError(value)
    return found


def _number(kind: str, value: object) -> int | float | None:
    if isinstance(value, bool):
        raise TypeError(value)
    if kind == "int" and isinstance(value, str | Integral):
        whole = int(value)
    else:
        try:
            number = float(cast("float", value))  # what it does not take is a TypeError
        except OverflowError:
            return None
        if kind == "number":
            return None if math.isnan(number) else number
        if not number.is_integer():  # infinite, or no number, too
            return None
        whole = int(number)
    return whole if -(2**63) <= whole < 2**63 else None


def _moment(value: object) -> int:
    """Nanoseconds from 1970 on. Without a zone UTC is meant, by a day its first moment."""
    more, found = 0, value
    if isinstance(value, str):
        finer = _FRACTION.search(value)
        more = int(finer[2].ljust(3, "0")) if finer else 0
        found = datetime.fromisoformat(value)
    elif isinstance(value, date) and not isinstance(value, datetime):
        found = datetime.combine(value, time())
    if not isinstance(found, datetime):
        raise TypeError(value)
    aware = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1) * 1000 + more


def _written(moment: int) -> str:
    """The moment as the server takes it (RFC 3339)."""
    seconds, rest = divmod(moment, 10**9)
    return f"{(_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()}.{rest:09}Z"


# ---------------------------------------------------------------- what the server is asked


def _any_of(condition: Condition, manner: Manner, means: Means) -> Message | None:
    parts = []
    for value in condition.values:
        part = _one(condition.one, value, manner, means)
        if part is None:  # it can be anywhere, and so can what meets the whole condition
            return None
        parts.append(part)
    return _joined(base_pb2.Filters.OPERATOR_OR, parts)


def _one(one: Property, value: object, manner: Manner, means: Means) -> Message | None:
    target = base_pb2.FilterTarget(property="_id" if one is KEY else one.name)
    if value is None or (value == "" and means.nulls and one.kind in TEXTS):
        return base_pb2.Filters(operator=base_pb2.Filters.OPERATOR_IS_NULL, target=target, value_boolean=True)
    kind = _kind(one)
    if kind in TEXTS and not one.whole:
        return _worded(one, target, str(value), manner, means)
    made = base_pb2.Filters(operator=base_pb2.Filters.OPERATOR_EQUAL, target=target)
    if isinstance(value, bool):
        made.value_boolean = value
    elif kind == "date" and isinstance(value, int):
        made.value_text = _written(value)
    elif isinstance(value, int):
        made.value_int = value
    elif isinstance(value, float):
        made.value_number = value
    else:
        made.value_text = _sendable(str(value))
    return made


def _worded(one: Property, target: Message, text: str, manner: Manner, means: Means) -> Message | None:
    """A filter that finds the text among others; None where none can be had."""
    tokens = str(one.raw.get("tokenization") or "word")
    if manner is Manner.LEFT_OUT or (tokens == "trigram" and len(_letters(text)) < 3):
        return None
    if (tokens == "word" and not _letters(text)) or (tokens in ("whitespace", "lowercase") and not text.strip()):
        # All that has no word; an array may have one beside this text, and a folded sign may have become one.
        if not means.negates or one.kind.endswith("[]") or one.raw.get("textAnalyzer"):
            return None
        any_word = base_pb2.Filters(operator=base_pb2.Filters.OPERATOR_LIKE, target=target, value_text="*")
        return base_pb2.Filters(operator=base_pb2.Filters.OPERATOR_NOT, filters=[any_word])
    if manner is Manner.LIKE and tokens == "word":
        # Question marks and asterisks are no part of a word, and would stand for letters here.
        literal = re.sub(r"[?*]", " ", text)
        return base_pb2.Filters(operator=base_pb2.Filters.OPERATOR_LIKE, target=target, value_text=_sendable(literal))
    return base_pb2.Filters(operator=base_pb2.Filters.OPERATOR_EQUAL, target=target, value_text=_sendable(text))


def _letters(text: str) -> str:
    """Of a text, what words are made of on the server."""
    return "".join(one for one in text if unicodedata.category(one)[0] in "LN")


def _sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _joined(operator: base_pb2.Filters.Operator, parts: Sequence[Message]) -> Message:
    return parts[0] if len(parts) == 1 else base_pb2.Filters(operator=operator, filters=parts)
