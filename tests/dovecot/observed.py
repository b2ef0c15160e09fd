"""An answer as what both servers are held to: without texts, orders of flags, numbers of their own choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.dovecot.client import Answer
from tests.dovecot.known import Known, expanded, in_order
from tests.dovecot.parser import Response, Value
from tests.dovecot.script import BOX

Observed = dict[str, object]
"""`condition`, `code`, `size`, `gone`, `kept`, `messages` and what else the answer has told, by name."""

CHOSEN: Final = "(of its own choice)"
"""Instead of a UIDVALIDITY or a mod-sequence."""
_CODES: Final = frozenset(
    (
        "APPENDUID", "COPYUID", "MODIFIED", "READ-ONLY", "READ-WRITE", "TRYCREATE", "NOMODSEQ", "CLOSED",
        "UIDNEXT", "UNSEEN", "UIDVALIDITY", "HIGHESTMODSEQ", "EXPUNGEISSUED", "BADCHARSET", "UNKNOWN-CTE",
        "UIDNOTSTICKY",
    )
)  # fmt: skip


def observed(answer: Answer, known: Known, box: bytes) -> Observed:
    """What the answer says. known: of the session, after it; box: the script's folder."""
    found: Observed = {
        "condition": answer.condition,
        "code": _code(answer.tagged),
        "size": len(known.messages),
        "gone": tuple(sorted(known.gone)),
        "kept": {tag: frozenset(uids) for tag, uids in known.kept.items()},
        "messages": {
            at: {name: _attribute(name, value) for name, value in told.items()}
            for at, told in known.told.items()
        },
    }
    for response in answer.untagged:
        _observe(response, found, box, known)
    return found


def _observe(response: Response, found: Observed, box: bytes, known: Known) -> None:
    words = response.words
    match response.name:
        case "SEARCH" | "SORT":
            numbers = [int(word) for word in words[1:] if isinstance(word, str)]
            found[response.name] = tuple(sorted(numbers) if response.name == "SEARCH" else numbers)
            found["modseq"] = any(isinstance(word, tuple) for word in words[1:])
        case "ESEARCH" if not {"ADDTO", "REMOVEFROM"}.intersection(map(str, words)):  # those are `kept`
            found["ESEARCH"] = _extended(words[1:])
        case "THREAD":
            found["THREAD"] = words[1:]
        case "LIST" | "LSUB":
            named = found.setdefault(response.name, {})
            assert isinstance(named, dict)
            named[_name(words[3], box)] = (_flags(words[1]), words[2], *map(_lowered, words[4:]))
        case "STATUS":
            named = found.setdefault("STATUS", {})
            assert isinstance(named, dict)
            named[_name(words[1], box)] = _pairs(words[2])
        case "VANISHED" if words[1] == ("EARLIER",):
            # RFC 7162 §3.2.10: it may name UIDs that this client has never seen
            found["earlier"] = tuple(sorted(expanded(words[2]) & known.ever))
        case "ENABLED":
            found["ENABLED"] = frozenset(str(word).upper() for word in words[1:])
        case "OK" | "NO" if response.code is not None:
            name = response.code[0]
            if name in _CODES:
                found[f"code {name}"] = _code(response)
        case "BYE":
            found["BYE"] = True


def _code(response: Response) -> tuple[object, ...] | None:
    if response.code is None or response.code[0] not in _CODES:
        return None
    name, arguments = response.code
    if name in ("UIDVALIDITY", "HIGHESTMODSEQ"):
        return name, CHOSEN
    if name in ("APPENDUID", "COPYUID"):
        return name, *(tuple(sorted(expanded(each))) for each in arguments[1:])
    if name == "MODIFIED":
        return name, tuple(sorted(expanded(arguments[0])))
    if name == "BADCHARSET":
        return (name,)
    return name, *arguments


def _extended(words: tuple[Value, ...]) -> Mapping[str, object]:
    """The parts of an ESEARCH response (RFC 4731 §3.1), without the tag."""
    rest = [word for word in words if not isinstance(word, tuple)]
    found: dict[str, object] = {}
    if rest and rest[0] == "UID":
        found["UID"] = True
        rest = rest[1:]
    for name, value in zip(rest[::2], rest[1::2], strict=True):
        upper = str(name).upper()
        found[upper] = CHOSEN if upper == "MODSEQ" else str(value)
        if upper == "ALL":
            found[upper] = in_order(value)  # SORT's own (RFC 5267 §3)
    return found


def _pairs(value: Value) -> Mapping[str, object]:
    assert isinstance(value, tuple)
    names = [str(name).upper() for name in value[::2]]
    numbers: list[object] = [int(str(number)) for number in value[1::2]]
    return {
        name: CHOSEN if name in ("UIDVALIDITY", "HIGHESTMODSEQ") else number
        for name, number in zip(names, numbers, strict=True)
    }


def _name(value: Value, box: bytes) -> bytes:
    octets = value if isinstance(value, bytes) else str(value).encode()
    return octets.replace(box, BOX)


def _flags(value: Value) -> frozenset[str]:
    assert isinstance(value, tuple)
    return frozenset(str(flag).lower() for flag in value)


def _lowered(value: Value) -> object:
    if isinstance(value, tuple):
        return tuple(map(_lowered, value))
    return value.lower() if isinstance(value, bytes | str) else value


# -- what FETCH tells ----------------------------------------------------------------------------------


def _attribute(name: str, value: Value) -> object:
    match name:
        case "FLAGS":
            return _flags(value) - {"\\recent"}
        case "MODSEQ":
            return CHOSEN
        case "BODY" | "BODYSTRUCTURE":
            return structure(value)
        case "SAVEDATE":
            return value is not None
    return value


def structure(value: Value) -> object:
    """A body (RFC 3501 §7.4.2) in lower case where case means nothing (RFC 2045 §5.1, §6.1)."""
    if not isinstance(value, tuple) or not value:
        return value
    if isinstance(value[0], tuple):
        parts = [each for each in value if isinstance(each, tuple)]
        count = next((at for at, each in enumerate(value) if not isinstance(each, tuple)), len(parts))
        subtype, *more = value[count:]
        return tuple(map(structure, value[:count])), _lowered(subtype), *_extensions(tuple(more), 0)
    kind, subtype, parameters, identifier, description, encoding, *rest = value
    named = _lowered(kind), _lowered(subtype), _parameters(parameters)
    fixed: list[object] = [*named, identifier, description, _lowered(encoding)]
    at = 1
    if (
        (_lowered(kind), _lowered(subtype)) == (b"message", b"rfc822")
        and len(rest) > 3
        and isinstance(rest[1], tuple)
    ):
        return *fixed, rest[0], rest[1], structure(rest[2]), rest[3], *_extensions(tuple(rest[4:]), 1)
    if _lowered(kind) == b"text":
        at = 2
    return *fixed, *rest[:at], *_extensions(tuple(rest[at:]), 1)


def _extensions(values: tuple[Value, ...], first: int) -> tuple[object, ...]:
    """Parameters or MD5, disposition, language, location; one language stands alone or in a list."""
    out: list[object] = list(values)
    if values and first == 0:
        out[0] = _parameters(values[0])
    if len(values) > 1 and isinstance(values[1], tuple):
        disposition = values[1]
        out[1] = (_lowered(disposition[0]), *map(_parameters, disposition[1:]))
    if len(values) > 2 and isinstance(values[2], bytes):
        out[2] = (values[2],)
    return tuple(out)


def _parameters(value: Value) -> object:
    if not isinstance(value, tuple):
        return value
    return tuple(_lowered(each) if at % 2 == 0 else each for at, each in enumerate(value))
