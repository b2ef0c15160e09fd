"""Header fields that the hub writes: trace fields (RFC 5321 §4.4) and those a submission lacks (RFC 6409)."""

from __future__ import annotations

import re
import time
from typing import Final

from hub.hooks.session import Session
from hub.mail.address import Address
from hub.mail.envelope import Envelope

MAX_RECEIVED: Final = 100
"""More Received fields than this are a loop (RFC 5321 §6.3)."""

_MESSAGE_ID: Final = re.compile(rb"\s*+(<[^<>\s]{1,250}>)")
_OWN: Final = re.compile(rb"^x-hub-[!-9;-~]*+[ \t]*+:.*+(?:\n[ \t].*+)*+\n", re.IGNORECASE | re.MULTILINE)
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# What a client calls itself is written down only if it cannot be taken for anything else.
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,255}\Z|\[[A-Za-z0-9.:-]{1,64}\]\Z")


def date(seconds: float) -> str:
    """Seconds since the epoch as RFC 5322 §3.3 writes them, in UTC."""
    now = time.gmtime(seconds)
    return (
        f"{_DAYS[now.tm_wday]}, {now.tm_mday:02} {_MONTHS[now.tm_mon - 1]} {now.tm_year}"
        f" {now.tm_hour:02}:{now.tm_min:02}:{now.tm_sec:02} +0000"
    )


def received(session: Session, envelope: Envelope, hostname: str, seconds: float, *, extended: bool) -> bytes:
    """The Received field of one transaction, with its line end. extended: the client said EHLO."""
    name = session.greeting
    helo = name if name and _PLAIN_NAME.match(name) else "unknown"
    known = f"{session.peer_name} " if session.peer_name else ""
    # A single recipient's name betrays no other one (RFC 5321 §7.6).
    single = f"\r\n\tfor <{envelope.recipients[0]}>" if len(envelope.recipients) == 1 else ""
    protocol = with_protocol(session, envelope, extended=extended)
    line = (
        f"Received: from {helo} ({known}{literal(session.peer[0])})\r\n\tby {hostname}"
        f" with {protocol} id {envelope.id}{single}; {date(seconds)}\r\n"
    )
    return line.encode()


def with_protocol(session: Session, envelope: Envelope, *, extended: bool) -> str:
    """The keyword after `with` (RFC 3848, RFC 6531 §4.3)."""
    if not extended:
        return "SMTP"
    if session.protocol == "lmtp":
        base = "UTF8LMTP" if envelope.smtputf8 else "LMTP"
    else:
        base = "UTF8SMTP" if envelope.smtputf8 else "ESMTP"
    return f"{base}{'S' if session.tls else ''}{'A' if session.identity else ''}"


def literal(host: str) -> str:
    """An IP address as RFC 5321 §4.1.3 writes it."""
    host = host.partition("%")[0]
    return f"[IPv6:{host}]" if ":" in host else f"[{host}]"


def delivery_lines(reverse_path: Address | None, recipient: Address) -> bytes:
    """One recipient's own lines: Return-Path (RFC 5321 §4.4) and Delivered-To (RFC 9228)."""
    sender = "" if reverse_path is None else reverse_path
    return f"Return-Path: <{sender}>\r\nDelivered-To: {recipient}\r\n".encode()


def message_id(envelope: Envelope, hostname: str) -> bytes:
    """A Message-ID field for a message that came without one."""
    return f"Message-ID: <{envelope.id}@{hostname}>\r\n".encode()


def own_message_id(head: bytes) -> str:
    """The value of a message's Message-ID field as it came, brackets included; empty without one."""
    lowered = b"\n" + head.lower()
    at = lowered.find(b"\nmessage-id:")
    found = _MESSAGE_ID.match(head, at + 11) if at >= 0 else None
    return found[1].decode("utf-8", "replace") if found else ""


def without_own(head: bytes) -> bytes:
    """A header block without the fields that only a hub may put there: what this hub has found."""
    if b"x-hub-" not in head.lower():
        return head
    return _OWN.sub(b"", head)


def received_count(head: bytes) -> int:
    """How many Received fields stand in a header block."""
    lowered = head.lower()
    return lowered.count(b"\nreceived:") + lowered.startswith(b"received:")
