"""Every difference between ours and Dovecot 2.3 that is allowed, with the reason; anything else is a mistake of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.dovecot.observed import Observed
from tests.dovecot.script import Step

Pair = tuple[Observed, Observed]


class CutShort(Exception):
    """The servers go different allowed ways from here, so that the rest of the script says nothing."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One that is allowed. reason: with the RFC's section; level: both answers without it. CutShort."""

    what: str
    reason: str
    level: Callable[[Step, Observed, Observed], Pair]


def _less(answer: Observed, *keys: str) -> Observed:
    return {key: value for key, value in answer.items() if key not in keys}


def _blind(step: Step, ours: Observed, theirs: Observed) -> Pair:
    if not step.blind:
        return ours, theirs
    return {"condition": ours["condition"]}, {"condition": theirs["condition"]}


def _marks(step: Step, ours: Observed, theirs: Observed) -> Pair:
    return _unmarked(ours), _unmarked(theirs)


def _unmarked(answer: Observed) -> Observed:
    listed = answer.get("LIST")
    if not isinstance(listed, dict):
        return answer
    marks = {"\\marked", "\\unmarked"}
    return {**answer, "LIST": {name: (flags - marks, *rest) for name, (flags, *rest) in listed.items()}}


def _closed(step: Step, ours: Observed, theirs: Observed) -> Pair:
    return _less(ours, "code CLOSED"), _less(theirs, "code CLOSED")


def _uid_beside_flags(step: Step, ours: Observed, theirs: Observed) -> Pair:
    if "FETCH" in step.verb:
        return ours, theirs
    return _without_uid(ours), _without_uid(theirs)


def _without_uid(answer: Observed) -> Observed:
    messages = answer["messages"]
    assert isinstance(messages, dict)
    left = {
        at: {name: value for name, value in told.items() if name != "UID"} for at, told in messages.items()
    }
    return {**answer, "messages": left}


def _no_such_number(step: Step, ours: Observed, theirs: Observed) -> Pair:
    if step.verb.split()[-1] in ("SEARCH", "SORT", "THREAD") and ours["condition"] == "BAD" != theirs["condition"]:
        return {}, {}
    return ours, theirs


def _copies_nothing(step: Step, ours: Observed, theirs: Observed) -> Pair:
    same = {"condition", "code"}
    if step.verb in ("UID COPY", "UID MOVE") and ours["code"] == ("TRYCREATE",) and theirs["condition"] == "OK":
        if theirs["code"] is None:
            return _less(ours, *same), _less(theirs, *same)
    return ours, theirs


def _no_part(step: Step, ours: Observed, theirs: Observed) -> Pair:
    return _no_empty(ours), _no_empty(theirs)


def _no_empty(answer: Observed) -> Observed:
    messages = answer.get("messages")
    if not isinstance(messages, dict):
        return answer
    left = {
        at: {name: (value or None) if name.startswith(("BODY[", "BINARY[")) else value for name, value in told.items()}
        for at, told in messages.items()
    }
    return {**answer, "messages": left}


DIFFERENCES: Final = (
    Difference(
        "news in a command that did not ask",
        "RFC 3501 §7: a server may tell at any command what others have changed, so only NOOP is held to it",
        _blind,
    ),
    Difference(
        "marked mailboxes",
        "RFC 3501 §7.2.2: \\Marked and \\Unmarked are for a server that has something to say about it",
        _marks,
    ),
    Difference(
        "CLOSED without QRESYNC",
        "RFC 7162 §3.2.11 asks for it once QRESYNC is enabled; Dovecot always tells it",
        _closed,
    ),
    Difference(
        "UID beside flags that nobody asked for",
        "RFC 3501 §7.4.2: a FETCH response that was not asked for may have any item; ours names the message",
        _uid_beside_flags,
    ),
    Difference(
        "a sequence number that is not there, in a search",
        "RFC 9051 §6.4.4.3 and §9 (seq-number): BAD is what a number beyond the last deserves; Dovecot finds nothing",
        _no_such_number,
    ),
    Difference(
        "UID COPY of no message to no mailbox",
        "RFC 3501 §6.4.8 has it that an unknown UID is no error, §6.4.7 that an unknown mailbox is one",
        _copies_nothing,
    ),
    Difference(
        "a part that is not there",
        "RFC 3501 §7.4.2 has nstring for a section: NIL says that there is none, Dovecot may send an empty string",
        _no_part,
    ),
)
