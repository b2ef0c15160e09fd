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
    if (
        step.verb.split()[-1] in ("SEARCH", "SORT", "THREAD")
        and ours["condition"] == "BAD" != theirs["condition"]
    ):
        return {}, {}
    return ours, theirs


def _copies_nothing(step: Step, ours: Observed, theirs: Observed) -> Pair:
    same = {"condition", "code"}
    if (
        step.verb in ("UID COPY", "UID MOVE")
        and ours["code"] == ("TRYCREATE",)
        and theirs["condition"] == "OK"
    ):
        if theirs["code"] is None:
            return _less(ours, *same), _less(theirs, *same)
    return ours, theirs


def _no_part(step: Step, ours: Observed, theirs: Observed) -> Pair:
    return _no_empty(ours), _no_empty(theirs)


def _no_empty(answer: Observed) -> Observed:
    messages = answer.get("messages")
    if not isinstance(messages, dict):
        return answer
    parts = ("BODY[", "BINARY[")
    left = {
        at: {name: (value or None) if name.startswith(parts) else value for name, value in told.items()}
        for at, told in messages.items()
    }
    return {**answer, "messages": left}


def _placeholders(step: Step, ours: Observed, theirs: Observed) -> Pair:
    return ours, _mapped(theirs, "ENVELOPE", _without_placeholders)


def _without_placeholders(value: object) -> object:
    if isinstance(value, tuple):
        return tuple(map(_without_placeholders, value))
    return b"" if value in (b"MISSING_MAILBOX", b"MISSING_DOMAIN", b"SYNTAX_ERROR") else value


def _charset(step: Step, ours: Observed, theirs: Observed) -> Pair:
    ours, theirs = (_mapped(each, "BODY", _without_charset) for each in (ours, theirs))
    return _mapped(ours, "BODYSTRUCTURE", _without_charset), _mapped(
        theirs, "BODYSTRUCTURE", _without_charset
    )


def _without_charset(value: object) -> object:
    if not isinstance(value, tuple):
        return value
    if value[-2:] == (b"charset", b"us-ascii"):
        return value[:-2] or None
    return tuple(map(_without_charset, value))


def _mapped(answer: Observed, attribute: str, change: Callable[[object], object]) -> Observed:
    """The answer with another value of one attribute."""
    messages = answer.get("messages")
    if not isinstance(messages, dict):
        return answer
    left = {
        at: {name: change(value) if name == attribute else value for name, value in told.items()}
        for at, told in messages.items()
    }
    return {**answer, "messages": left}


def levelled(step: Step, ours: Observed, theirs: Observed, met: Callable[[str], None]) -> Pair:
    """Both without what may differ. met: is told which differences there were. CutShort."""
    for difference in DIFFERENCES:
        if ours == theirs:
            break
        less = difference.level(step, ours, theirs)
        if less != (ours, theirs):
            met(difference.what)
        ours, theirs = less
    return ours, theirs


def _superior(step: Step, ours: Observed, theirs: Observed) -> Pair:
    return _selectable(ours), _selectable(theirs)


def _selectable(answer: Observed) -> Observed:
    listed = answer.get("LIST")
    if not isinstance(listed, dict):
        return answer
    superior = {"\\noselect", "\\nonexistent"}
    return {
        **answer,
        "LIST": {
            name: (flags - superior if "\\haschildren" in flags else flags, *rest)
            for name, (flags, *rest) in listed.items()
        },
    }


def _subscribed(step: Step, ours: Observed, theirs: Observed) -> Pair:
    if step.verb == "SUBSCRIBE" and (ours["condition"], theirs["condition"]) == ("OK", "NO"):
        raise CutShort(
            "a subscription to no mailbox: RFC 3501 §6.3.6 has it that a server may look whether there is one"
        )
    return ours, theirs


def _empty_mailbox(step: Step, ours: Observed, theirs: Observed) -> Pair:
    nothing = ours.get("size") == 0 and not ours["messages"] and not step.verb.startswith("UID ")
    if nothing and (ours["condition"], theirs["condition"]) == ("OK", "BAD"):
        return {}, {}
    return ours, theirs


def _read_only(step: Step, ours: Observed, theirs: Observed) -> Pair:
    if step.verb == "UID STORE" and ours["code"] == ("READ-ONLY",) and theirs["condition"] == "OK":
        if not theirs["messages"]:
            return {}, {}
    return ours, theirs


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
    Difference(
        "names for what an address lacks",
        "RFC 3501 §7.4.2 has no word for a missing local part or domain: ours is empty, Dovecot's says so in capitals",
        _placeholders,
    ),
    Difference(
        "the charset of text that names none",
        "RFC 2045 §5.2 has us-ascii for text/plain without a Content-Type, RFC 6657 §3 none for the rest of text/*",
        _charset,
    ),
    Difference(
        "superiors of what was created",
        "RFC 3501 §6.3.3: a server makes the names above a new one, as mailboxes or as names",
        _superior,
    ),
    Difference(
        "a subscription to no mailbox",
        "RFC 3501 §6.3.6: a server may look whether there is a mailbox of that name",
        _subscribed,
    ),
    Difference(
        "1:* of an empty mailbox",
        "RFC 9051 §9 (seq-number): BAD for a number that is not there; ours is lenient with a client that asks for all",
        _empty_mailbox,
    ),
    Difference(
        "UID STORE of no message where nothing may be stored",
        "RFC 3501 §6.3.2 (EXAMINE): no change is permitted, which ours says even where there is nothing to change",
        _read_only,
    ),
)
