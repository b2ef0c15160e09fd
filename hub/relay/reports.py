"""Reports to senders about what became of their mail (RFC 3461, 3462, 3464, 6533)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from hub.delivery.headers import date
from hub.relay.answers import Answer
from hub.services.queue import QueueRow

MOST_RETURNED: Final = 64 * 1024
"""Octets of a message that a report returns; of a larger one it returns the header."""

Kind: TypeAlias = Literal["failed", "delayed", "relayed"]
"""The action of RFC 3464 §2.3.3."""

_SUBJECTS: Final = {
    "failed": "Your mail could not be delivered",
    "delayed": "Your mail is delayed",
    "relayed": "Your mail was passed on",
}
_WORDS: Final = {
    "failed": "Your mail could not be delivered to the addresses below. It will not be tried again.",
    "delayed": "Your mail is delayed for the addresses below. You need do nothing: it is tried again.",
    "relayed": "Your mail was passed on for the addresses below to a server that sends no reports.",
}


@dataclass(frozen=True, slots=True)
class Told:
    """What is said about one recipient."""

    row: QueueRow
    answer: Answer


def wants(row: QueueRow, kind: Kind) -> bool:
    """Whether the sender is to hear of it: nobody hears of a report, nor who asked for silence."""
    if row.reverse_path is None:
        return False
    notify = row.dsn.notify
    if kind == "failed":
        return notify is None or "FAILURE" in notify
    wanted = "DELAY" if kind == "delayed" else "SUCCESS"
    if notify is None:
        return kind == "delayed"  # RFC 3461 §4.1: it is up to us
    return wanted in notify


def report(
    kind: Kind, told: Sequence[Told], content: tuple[bytes, bytes], hostname: str, identity: str, now: float
) -> bytes:
    """The report as a whole message.

    told: of one message and one sender, at least one. content: that message's header block and body.
    identity: the report's own id.
    """
    row = told[0].row
    assert row.reverse_path is not None
    head, body = content
    whole = row.ret == "FULL" and len(head) + len(body) <= MOST_RETURNED
    utf8 = not all(each.row.recipient.local.isascii() for each in told) or not head.isascii()
    boundary = f"report-{identity}"
    fields = [
        f"Date: {date(now)}",
        f"From: Mail delivery system <MAILER-DAEMON@{hostname}>",
        f"To: <{row.reverse_path}>",
        f"Subject: {_SUBJECTS[kind]}",
        f"Message-ID: <{identity}@{hostname}>",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"',
    ]
    text = "\r\n".join(_human(kind, told, hostname))
    status = "\r\n".join(_status(kind, told, hostname, utf8))
    status_type = "message/global-delivery-status" if utf8 else "message/delivery-status"
    charset = "utf-8" if not text.isascii() else "us-ascii"
    parts = [
        f"Content-Type: text/plain; charset={charset}\r\n{_eight_bit(text)}\r\n{text}".encode(),
        f"Content-Type: {status_type}\r\n{_eight_bit(status)}\r\n{status}".encode(),
        _returned(head, body if whole else None, utf8),
    ]
    marked = b"".join(f"--{boundary}\r\n".encode() + part + b"\r\n" for part in parts)
    return "\r\n".join(fields).encode() + b"\r\n\r\n" + marked + f"--{boundary}--\r\n".encode()


def _human(kind: Kind, told: Sequence[Told], hostname: str) -> list[str]:
    lines = [f"This is the mail server {hostname}.", "", _WORDS[kind], ""]
    for each in told:
        said = f"{each.answer.host} said: " if each.answer.host else ""
        lines += [f"<{each.row.recipient}>", f"    {said}{each.answer}", ""]
    return lines


def _status(kind: Kind, told: Sequence[Told], hostname: str, utf8: bool) -> list[str]:
    """RFC 3464 §2.2 and §2.3: fields of the message, then of each recipient."""
    row = told[0].row
    lines = [f"Reporting-MTA: dns; {hostname}", f"Arrival-Date: {date(row.created_at)}"]
    if row.envid:
        lines.insert(0, f"Original-Envelope-Id: {row.envid}")
    kind_of = "utf-8" if utf8 else "rfc822"
    for each in told:
        lines.append("")
        if each.row.dsn.original:
            lines.append(f"Original-Recipient: {each.row.dsn.original}")
        lines += [
            f"Final-Recipient: {kind_of}; {each.row.recipient}",
            f"Action: {kind}",
            f"Status: {each.answer.enhanced}",
        ]
        if each.answer.host:
            lines += [f"Remote-MTA: dns; {each.answer.host}", f"Diagnostic-Code: smtp; {each.answer}"]
    return [*lines, ""]


def _returned(head: bytes, body: bytes | None, utf8: bool) -> bytes:
    kind = ("message/global" if utf8 else "message/rfc822") if body is not None else "text/rfc822-headers"
    if body is None and utf8:
        kind = "message/global-headers"
    content = head if body is None else head + body
    encoding = "" if content.isascii() else "Content-Transfer-Encoding: 8bit\r\n"
    return f"Content-Type: {kind}\r\n{encoding}\r\n".encode() + content


def _eight_bit(text: str) -> str:
    return "" if text.isascii() else "Content-Transfer-Encoding: 8bit\r\n"
