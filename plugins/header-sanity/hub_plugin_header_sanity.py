"""What is wrong with a header block (RFC 5322 §3.6), each fault with a score of its own."""

from collections.abc import Iterator
from datetime import UTC
from email.utils import getaddresses, parsedate_to_datetime
from typing import Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from hub import Envelope, Finding, Headers, Message, Plugin, Reject, Session, hookimpl

DAY: Final = 86400.0
ONCE: Final = (
    *("From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Subject", "Date"),
    *("Message-ID", "In-Reply-To", "References"),
)
"""Fields that a message has once at most (RFC 5322 §3.6)."""
MAX_LINE: Final = 998  # RFC 5322 §2.1.1

Faults: TypeAlias = Iterator[tuple[str, str]]


class Scores(BaseModel):
    """[plugins.header-sanity.scores]: what each fault adds; 0 does not look for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    no_from: float = Field(default=3.0, ge=0, le=100, description="No From, or one without an address.")
    repeated: float = Field(default=3.0, ge=0, le=100, description=f"More than one of {', '.join(ONCE)}.")
    no_date: float = Field(default=1.0, ge=0, le=100, description="No Date.")
    bad_date: float = Field(default=1.5, ge=0, le=100, description="A Date that is none.")
    future_date: float = Field(default=2.0, ge=0, le=100, description="A Date more than a day ahead.")
    old_date: float = Field(default=1.0, ge=0, le=100, description="A Date more than 30 days ago.")
    no_message_id: float = Field(default=1.0, ge=0, le=100, description="No Message-ID.")
    no_recipient: float = Field(default=0.5, ge=0, le=100, description="Neither To nor Cc nor Bcc.")
    control: float = Field(default=2.5, ge=0, le=100, description="NUL or another control character.")
    eight_bit: float = Field(
        default=1.0, ge=0, le=100, description="Octets above 127 without SMTPUTF8 (RFC 6532)."
    )
    long_line: float = Field(default=1.0, ge=0, le=100, description=f"A line of more than {MAX_LINE} octets.")


class Settings(BaseModel):
    """[plugins.header-sanity]: scores, and from which sum on a message is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scores: Scores = Field(default=Scores(), description="What each fault adds to the message's score.")
    reject: tuple[str, ...] = Field(
        default=(), description="Faults, by the names of their scores, for which a message is refused."
    )


@hookimpl
async def check_message(
    plugin: Plugin, session: Session, envelope: Envelope, message: Message
) -> Finding | None:
    """All faults together; what users submit is completed by the hub and not judged here."""
    if session.identity is not None:
        return None
    settings = plugin.settings(Settings)
    scores: dict[str, float] = settings.scores.model_dump()
    found = [
        (fault, text)
        for fault, text in faults(message, plugin.clock.time(), utf8=envelope.smtputf8)
        if scores[fault] or fault in settings.reject
    ]
    if not found:
        return None
    refused = next((text for fault, text in found if fault in settings.reject), None)
    return Finding(
        score=sum(scores[fault] for fault, _ in found),
        action=None if refused is None else Reject("5.6.0", f"the header block is malformed: {refused}"),
        reasons=tuple(text for _, text in found),
    )


def faults(message: Message, now: float, *, utf8: bool) -> Faults:
    """What is wrong: the name of its score, and a sentence. now: seconds since the epoch."""
    headers = message.headers
    yield from _fields(headers)
    yield from _date(headers, now)
    # Only the sender's own lines: what hubs on the way have put before them is theirs.
    block = headers.omit(["Received"])
    if any((octet < 32 and octet not in b"\t\r\n") or octet == 127 for octet in set(block)):
        yield "control", "a control character in the header block"
    if not utf8 and not block.isascii():
        yield "eight_bit", "octets above 127 in the header block without SMTPUTF8"
    if max(map(len, block.split(b"\r\n"))) > MAX_LINE:
        yield "long_line", f"a header line of more than {MAX_LINE} octets"


def _fields(headers: Headers) -> Faults:
    sender = headers.get("From")
    if sender is None:
        yield "no_from", "no From"
    elif not any("@" in address for _, address in getaddresses([sender])):
        yield "no_from", "no address in From"
    for name in ONCE:
        if len(headers.raw_all(name)) > 1:
            yield "repeated", f"more than one {name}"
            break
    if "Message-ID" not in headers:
        yield "no_message_id", "no Message-ID"
    if not any(name in headers for name in ("To", "Cc", "Bcc")):
        yield "no_recipient", "neither To nor Cc nor Bcc"


def _date(headers: Headers, now: float) -> Faults:
    text = headers.get("Date")
    if text is None:
        yield "no_date", "no Date"
        return
    try:
        date = parsedate_to_datetime(text)
        seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        yield "bad_date", "a Date that is none"
        return
    if seconds > now + DAY:
        yield "future_date", "a Date in the future"
    elif seconds < now - 30 * DAY:
        yield "old_date", "a Date long ago"
