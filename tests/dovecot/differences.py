"""Every allowed difference between ours and Dovecot 2.3, with its reason; another is somebody's mistake."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

from tests.dovecot.observed import Observed
from tests.dovecot.script import Step

Pair = tuple[Observed, Observed]

_STARRED: Final = re.compile(rb"(UID )?([0-9:,]*\*[0-9*:,]*)")
_TO_STAR: Final = re.compile(rb"([0-9]+):\*|\*:([0-9]+)")
_BY_DATE: Final = re.compile(
    rb"(?i)(?:\([^()]*\bDATE\b[^()]*\)|THREAD \S+) .*(?:SUBJECT|FROM|TO|CC|HEADER|TEXT|BODY|SENT)"
)
_ORDER: Final = re.compile(rb"SORT (?:RETURN \([^()]*\) )?\(([^()]*)\)")
_BLANK_IN_SUBJECT: Final = re.compile(rb"SUBJECT \"[^\"]* [^\"]*\"")
_SIZE_BY_DATE: Final = re.compile(rb"\([^()]*\bDATE\b[^()]*\) .*\b(?:LARGER|SMALLER) ")
_TWO_OF_A_KIND: Final = re.compile(rb"\b((?:SENT)?(?:BEFORE|SINCE)|LARGER|SMALLER) .*\b\1 ")
_FOUND: Final = ("SEARCH", "SORT", "THREAD", "ESEARCH", "kept", "modseq")
_NUMBER: Final = re.compile(r"[0-9]+")
GONE: Final = "gone"
"""The condition of a command to which a server has hung up."""


class CutShort(Exception):
    """The servers go different allowed ways from here, so that the rest of the script says nothing."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One that is allowed. reason: with the RFC's section; level: both answers without it. CutShort.

    later: it shows in what is asked after this step, to which both answer alike.
    """

    what: str
    reason: str
    level: Callable[[Step, Observed, Observed], Pair]
    later: bool = False


def _less(answer: Observed, *keys: str) -> Observed:
    return {key: value for key, value in answer.items() if key not in keys}


def _blind(step: Step, ours: Observed, theirs: Observed) -> Pair:
    if not step.blind:
        return ours, theirs
    return {"condition": ours.get("condition")}, {"condition": theirs.get("condition")}


def _marks(step: Step, ours: Observed, theirs: Observed) -> Pair:
    return _unmarked(ours), _unmarked(theirs)


def _unmarked(answer: Observed) -> Observed:
    return _flags_without(answer, "\\marked", "\\unmarked")


def _highest(step: Step, ours: Observed, theirs: Observed) -> Pair:
    return _without_highest(ours), _without_highest(theirs)


def _without_highest(answer: Observed) -> Observed:
    code = answer.get("code")
    if isinstance(code, tuple) and code[0] == "HIGHESTMODSEQ":
        answer = {**answer, "code": None}
    return _less(answer, "code HIGHESTMODSEQ")


def _enabled(step: Step, ours: Observed, theirs: Observed) -> Pair:
    return _less(ours, "ENABLED"), _less(theirs, "ENABLED")


def _children(step: Step, ours: Observed, theirs: Observed) -> Pair:
    if (
        b" RETURN " in step.command or step.command.startswith(b"LIST (")
    ) and b"CHILDREN" not in step.command:
        return _childless(ours), _childless(theirs)
    return ours, theirs


def _childless(answer: Observed) -> Observed:
    return _flags_without(answer, "\\haschildren", "\\hasnochildren")


def _flags_without(answer: Observed, *flags: str) -> Observed:
    listed = answer.get("LIST")
    if not isinstance(listed, dict):
        return answer
    return {**answer, "LIST": {name: (found - set(flags), *rest) for name, (found, *rest) in listed.items()}}


def _unchanged(step: Step, ours: Observed, theirs: Observed) -> Pair:
    if "STORE" not in step.verb:
        return ours, theirs
    return _without_unchanged(ours), _without_unchanged(theirs)


def _without_unchanged(answer: Observed) -> Observed:
    messages = answer.get("messages", {})
    assert isinstance(messages, dict)
    return {
        **answer,
        "messages": {at: told for at, told in messages.items() if told.keys() - {"MODSEQ", "UID"}},
    }


def _closed(step: Step, ours: Observed, theirs: Observed) -> Pair:
    return _less(ours, "code CLOSED"), _less(theirs, "code CLOSED")


def _uid_beside_flags(step: Step, ours: Observed, theirs: Observed) -> Pair:
    if "FETCH" in step.verb:
        return ours, theirs
    return _without_uid(ours), _without_uid(theirs)


def _without_uid(answer: Observed) -> Observed:
    messages = answer.get("messages", {})
    assert isinstance(messages, dict)
    left = {
        at: {name: value for name, value in told.items() if name != "UID"} for at, told in messages.items()
    }
    return {**answer, "messages": left}


def _last_by_star(step: Step, ours: Observed, theirs: Observed) -> Pair:
    size = ours.get("size")
    if step.verb.split()[-1] not in ("SEARCH", "SORT", "THREAD") or not isinstance(size, int):
        return ours, theirs
    sets = [written for uid, written in _STARRED.findall(step.command) if not uid]
    numbers = [int(low or high) for each in sets for low, high in _TO_STAR.findall(each)]
    if max(numbers, default=0) <= size:
        return ours, theirs
    if b"(SAVE" in step.command:
        raise CutShort("a range from beyond the last message to *")
    return _less(ours, *_FOUND), _less(theirs, *_FOUND)


def _dates_beside_headers(step: Step, ours: Observed, theirs: Observed) -> Pair:
    if _BY_DATE.search(step.command):
        order = ("SORT", "THREAD", "ESEARCH")
        if _less(ours, *order) == _less(theirs, *order) and _numbers(ours, order) == _numbers(theirs, order):
            raise CutShort("dates that are read beside other fields")
    return ours, theirs


def _sizes_beside_dates(step: Step, ours: Observed, theirs: Observed) -> Pair:
    if ours == theirs and _BY_DATE.search(step.command) and _SIZE_BY_DATE.search(step.command):
        raise CutShort("sizes that are read beside dates")
    return ours, theirs


def _blanks_in_subjects(step: Step, ours: Observed, theirs: Observed) -> Pair:
    if _BLANK_IN_SUBJECT.search(step.command) and _less(ours, *_FOUND) == _less(theirs, *_FOUND):
        raise CutShort("runs of blanks in a subject")
    return ours, theirs


def _negated_of_a_kind(step: Step, ours: Observed, theirs: Observed) -> Pair:
    negated = b"NOT " in step.command and _TWO_OF_A_KIND.search(step.command)
    if negated and _less(ours, *_FOUND) == _less(theirs, *_FOUND):
        raise CutShort("two negated dates or sizes")
    return ours, theirs


def _repeated_in_reverse(step: Step, ours: Observed, theirs: Observed) -> Pair:
    order = _ORDER.search(step.command)
    if order is None or not _carries_reverse(order[1].split()):
        return ours, theirs
    if b"SAVE" in step.command:
        raise CutShort("REVERSE of a key that was there before")
    return _less(ours, "SORT", "ESEARCH"), _less(theirs, "SORT", "ESEARCH")


def _carries_reverse(words: list[bytes]) -> bool:
    """Whether a key that was there before is reversed, and a new one follows."""
    seen: set[bytes] = set()
    carried = False
    for before, word in zip([b"", *words], words, strict=False):
        if word == b"REVERSE":
            continue
        if word not in seen and carried:
            return True
        carried = carried or (word in seen and before == b"REVERSE")
        seen.add(word)
    return False


def _numbers(answer: Observed, names: Collection[str]) -> list[str]:
    return sorted(_NUMBER.findall(repr([answer.get(name) for name in names])))


def _copies_nothing(step: Step, ours: Observed, theirs: Observed) -> Pair:
    ours_fails = (ours.get("condition"), ours.get("code")) == ("NO", ("TRYCREATE",))
    theirs_does_nothing = (theirs.get("condition"), theirs.get("code")) == ("OK", None)
    if step.verb in ("UID COPY", "UID MOVE") and ours_fails and theirs_does_nothing:
        return {}, {}
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
        at: {
            name: change(value) if name.partition("<")[0] == attribute else value
            for name, value in told.items()
        }
        for at, told in messages.items()
    }
    return {**answer, "messages": left}


def levelled(step: Step, ours: Observed, theirs: Observed, met: Callable[[str], None]) -> Pair:
    """Both without what may differ. met: is told which differences there were. CutShort."""
    for difference in DIFFERENCES:
        if ours == theirs and not difference.later:
            continue
        less = difference.level(step, ours, theirs)
        if less != (ours, theirs):
            met(difference.what)
        ours, theirs = less
    return ours, theirs


def _superior(step: Step, ours: Observed, theirs: Observed) -> Pair:
    return _selectable(ours), _selectable(theirs)


def _selectable(answer: Observed) -> Observed:
    return _flags_without(answer, "\\noselect", "\\nonexistent")


def _hangs_up(step: Step, ours: Observed, theirs: Observed) -> Pair:
    if theirs.get("condition") == GONE and ours.get("condition") != GONE:
        raise CutShort("a mailbox that is deleted while it is open")
    return ours, theirs


def _deletes_its_own(step: Step, ours: Observed, theirs: Observed) -> Pair:
    if step.verb == "DELETE" and ours.get("size") == 0:
        return _less(ours, "gone", "size"), _less(theirs, "gone", "size")
    return ours, theirs


def _subscribed(step: Step, ours: Observed, theirs: Observed) -> Pair:
    if step.verb == "SUBSCRIBE" and (ours.get("condition"), theirs.get("condition")) == ("OK", "NO"):
        raise CutShort("a subscription to no mailbox")
    return ours, theirs


def _empty_mailbox(step: Step, ours: Observed, theirs: Observed) -> Pair:
    nothing = ours.get("size") == 0 and not ours.get("messages") and not step.verb.startswith("UID ")
    if nothing and (ours.get("condition"), theirs.get("condition")) == ("OK", "BAD"):
        return {}, {}
    return ours, theirs


def _read_only(step: Step, ours: Observed, theirs: Observed) -> Pair:
    does_nothing = theirs.get("condition") == "OK" and not theirs.get("messages") and not theirs.get("gone")
    may_not = ours.get("condition") == "NO" and ours.get("code") == ("READ-ONLY",)
    if may_not and (does_nothing or theirs.get("condition") in ("NO", "BAD")):
        return {}, {}
    return ours, theirs


def _preview(step: Step, ours: Observed, theirs: Observed) -> Pair:
    return _mapped(ours, "PREVIEW", lambda _: True), _mapped(theirs, "PREVIEW", lambda _: True)


def _blanks(step: Step, ours: Observed, theirs: Observed) -> Pair:
    return _mapped(ours, "ENVELOPE", _one_blank), _mapped(theirs, "ENVELOPE", _one_blank)


def _one_blank(value: object) -> object:
    if isinstance(value, tuple):
        return tuple(map(_one_blank, value))
    return b" ".join(re.split(rb"[ \t]+", value)).strip() if isinstance(value, bytes) else value


_FIRST_PART = re.compile(r"(BODY|BINARY)(\.SIZE)?\[[0-9.]*\b1(\.[A-Z][^\]]*)?\]")


def _first_part(step: Step, ours: Observed, theirs: Observed) -> Pair:
    """Takes from both what only one has, of attributes that name a part 1."""
    here, there = ours.get("messages"), theirs.get("messages")
    if not isinstance(here, dict) or not isinstance(there, dict):
        return ours, theirs
    none = {
        (at, name)
        for at, told in here.items()
        for name, value in told.items()
        if value in (None, "0") and _FIRST_PART.match(name)
    }
    return _without(ours, here, none), _without(theirs, there, none)


def _without(answer: Observed, messages: dict[Any, dict[str, Any]], none: set[tuple[Any, str]]) -> Observed:
    left = {
        at: {name: value for name, value in told.items() if (at, name) not in none}
        for at, told in messages.items()
    }
    return {**answer, "messages": left}


def _moves_all_the_same(step: Step, ours: Observed, theirs: Observed) -> Pair:
    refused = (ours.get("condition"), ours.get("code")) == ("NO", ("READ-ONLY",))
    if step.verb in ("MOVE", "UID MOVE") and refused and theirs.get("condition") == "OK":
        raise CutShort("MOVE within a mailbox that is only read")
    return ours, theirs


def _nothing_stored_in_what_is_gone(step: Step, ours: Observed, theirs: Observed) -> Pair:
    """A message that is there and changes would be told of, but for .SILENT."""
    is_store = step.blind and step.verb in ("STORE", "UID STORE") and not theirs.get("messages")
    if is_store and (ours.get("condition"), theirs.get("condition")) == ("NO", "OK"):
        return _less(ours, "condition"), _less(theirs, "condition")
    return ours, theirs


def _whole_binary(step: Step, ours: Observed, theirs: Observed) -> Pair:
    return _mapped(ours, "BINARY[]", lambda _: True), _mapped(theirs, "BINARY[]", lambda _: True)


def _more(step: Step, ours: Observed, theirs: Observed) -> Pair:
    """Takes from ours what only ours tells; that it tells too little stays."""
    here, there = ours.get("messages"), theirs.get("messages")
    if not isinstance(here, dict) or not isinstance(there, dict) or "FETCH" not in step.verb:
        return ours, theirs
    extra = [name for name in ("MODSEQ", "UID") if name.encode() not in step.command.upper()]
    left = {
        at: {name: value for name, value in told.items() if name not in extra or name in there.get(at, {})}
        for at, told in here.items()
    }
    return {**ours, "messages": left}, theirs


DIFFERENCES: Final = (
    Difference(
        "a range from beyond the last message to *",
        "RFC 9051 §9 (seq-range): the last message is in *:9, whatever its number; Dovecot finds nothing",
        _last_by_star,
    ),
    Difference(
        "dates that are read beside other fields",
        "RFC 5256 §2.2: equal dates leave messages in their order; Dovecot takes the first of them for a "
        "later one where the search has it read other fields of it at the same time",
        _dates_beside_headers,
    ),
    Difference(
        "sizes that are read beside dates",
        "RFC 3501 §2.3.4: RFC822.SIZE is the number of octets; Dovecot keeps a wrong one of a message in an "
        "sdbox of which SORT by DATE has read other fields and the size at the same time",
        _sizes_beside_dates,
        later=True,
    ),
    Difference(
        "two negated dates or sizes",
        "RFC 3501 §6.4.4: NOT BEFORE a NOT BEFORE b is what is not before the later of the two; Dovecot "
        "makes one key of two, SINCE, LARGER and SMALLER too, before it looks whether they are negated",
        _negated_of_a_kind,
    ),
    Difference(
        "REVERSE of a key that was there before",
        "RFC 5256 §3: REVERSE is of the key that follows; Dovecot leaves out a repeated key, and "
        "reverses the next one",
        _repeated_in_reverse,
    ),
    Difference(
        "runs of blanks in a subject",
        "RFC 3501 §6.4.4: SUBJECT is that of the envelope, in which Dovecot leaves one blank of a run; "
        "HEADER SUBJECT finds the same in both",
        _blanks_in_subjects,
    ),
    Difference(
        "1:* of an empty mailbox",
        "RFC 9051 §9 (seq-number): BAD for a number that is not there; ours lets a client ask for all",
        _empty_mailbox,
    ),
    Difference(
        "a change to no message where nothing may be changed",
        "RFC 3501 §6.3.2 (EXAMINE): no change is permitted, and ours says so even to none",
        _read_only,
    ),
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
        "UID COPY of no message to no mailbox",
        "RFC 3501 §6.4.8 has it that an unknown UID is no error, §6.4.7 that an unknown mailbox is one",
        _copies_nothing,
    ),
    Difference(
        "a part that is not there",
        "RFC 3501 §7.4.2 has nstring for a section: NIL is for none, Dovecot may send an empty string",
        _no_part,
    ),
    Difference(
        "MOVE within a mailbox that is only read",
        "RFC 3501 §6.3.2 (EXAMINE): no change is permitted; Dovecot moves to the same mailbox all the same",
        _moves_all_the_same,
    ),
    Difference(
        "nothing stored in what is gone",
        "RFC 2180 §4.2.1: NO if a message is gone; Dovecot, where nothing is to be changed, does not notice",
        _nothing_stored_in_what_is_gone,
    ),
    Difference(
        "the messages of a mailbox that one deletes while it is open",
        "RFC 3501 §7.4.1: EXPUNGE may be told at any command but a few; Dovecot does not, and hangs up",
        _deletes_its_own,
    ),
    Difference(
        "BINARY of a whole message",
        "RFC 3516 §4.2: a section is decoded by its own encoding, and a message as a whole has none; Dovecot "
        "writes all its parts anew, as binary",
        _whole_binary,
    ),
    Difference(
        "part 1 of a part that has none",
        "RFC 3501 §6.4.5: only a message has a part 1 in any case; Dovecot says that each part is its own",
        _first_part,
    ),
    Difference(
        "names for what an address lacks",
        "RFC 3501 §7.4.2 has no word for what is missing: ours is empty, Dovecot's says so in capitals",
        _placeholders,
    ),
    Difference(
        "the charset of text that names none",
        "RFC 2045 §5.2 has us-ascii where there is no Content-Type, RFC 6657 §3 none for text/*",
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
        "runs of blanks in an envelope",
        "RFC 5322 §2.2.3: unfolding takes the line end away and nothing else; Dovecot leaves one blank",
        _blanks,
    ),
    Difference(
        "HIGHESTMODSEQ for who has not asked",
        "RFC 7162 §3.1.2.1 wants it with every SELECT; Dovecot tells who has enabled CONDSTORE",
        _highest,
    ),
    Difference(
        "what was enabled already",
        "RFC 5161 §3.2: ENABLED lists what this command has enabled; Dovecot repeats what SELECT has",
        _enabled,
    ),
    Difference(
        "children that nobody asked for",
        "RFC 5258 §4: a server may tell of children without RETURN (CHILDREN)",
        _children,
    ),
    Difference(
        "mod-sequences of what STORE has not changed",
        "RFC 7162 §3.1.3: a mod-sequence is told of what was changed; that of the rest does no harm",
        _unchanged,
    ),
    Difference(
        "more than was asked for",
        "RFC 7162 §3.1: where a message of a FETCH got \\Seen, ours tells it of its neighbours too",
        _more,
    ),
    Difference(
        "the words of a preview",
        "RFC 8970 §3.1: what of a message is shown is the server's to choose",
        _preview,
    ),
    Difference(
        "a mailbox that is deleted while it is open",
        "RFC 2180 §3: its sessions may be ended, as Dovecot does, or go on with a mailbox that is empty",
        _hangs_up,
    ),
)
