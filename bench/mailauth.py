"""Signatures: what it costs to sign and to verify a message of 4 KiB, beside dkimpy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from importlib import metadata
from typing import Final

import dkim

from bench.figure import HUB, Figure, Goal
from bench.options import Options
from bench.report import Report
from bench.rounds import Values, interleave
from hub import Message, SigningKey, hash_body, new_signing_key, sign_dkim, verify_dkim
from hub.services.dns import Dns
from hub.testing.zones import Zones

PEER: Final = "dkimpy"
COUNT: Final = 300
DOMAIN: Final = "example.org"
LINES: Final = b"The quick brown fox jumps over the lazy dog, and comes home late. \r\n"


def measure(options: Options) -> Report:
    """Sign and verify one message again and again, on one core."""
    key = new_signing_key("rsa")
    dns = Zones({f"s1._domainkey.{DOMAIN}": [f"TXT {_quoted(key.record)}"]})
    with asyncio.Runner() as runner:
        rounds = interleave(
            {HUB: lambda: runner.run(_ours(key, dns)), PEER: lambda: _theirs(key)},
            options.rounds,
            options.say,
        )
    return Report(
        area="mailauth",
        title="Signatures: DKIM, RSA of 2048 bits, a message of 4 KiB",
        setups={
            HUB: {"library": f"cryptography {metadata.version('cryptography')}"},
            PEER: {"version": metadata.version("dkimpy")},
        },
        figures=[
            Figure("signing", "ms", "sign", rounds, Goal(0.5)),
            Figure("verifying", "ms", "verify", rounds, Goal(0.3)),
            Figure("the key's own part of signing", "ms", "key", rounds),
        ],
        notes=[
            f"The mean of {COUNT} messages in a row, parsed anew; DNS is in memory, and the hub has read "
            "the key before.",
        ],
    )


async def _ours(key: SigningKey, dns: Dns) -> Values:
    head, text = _message()
    [body] = await hash_body(Message(head, text))
    plain = Message(head, text)
    signed = plain.under(sign_dkim(plain, key, DOMAIN, "s1", time.time(), body))
    began = time.perf_counter()
    for _ in range(COUNT):
        message = Message(head, text)
        [body] = await hash_body(message)
        sign_dkim(message, key, DOMAIN, "s1", time.time(), body)
    after = time.perf_counter()
    for _ in range(COUNT):
        [result] = await verify_dkim(Message(signed.head, text), dns, time.time())
        assert result.status == "pass", result.reason
    ended = time.perf_counter()
    return {
        "sign": _each(after - began),
        "verify": _each(ended - after),
        "key": _timed(lambda: key.sign(head)),
    }


def _theirs(key: SigningKey) -> Values:
    head, text = _message()
    raw, pem, record = head + text, key.pem.encode(), key.record.encode()
    options = {"canonicalize": (b"relaxed", b"relaxed")}

    def sign() -> bytes:
        return bytes(dkim.sign(raw, b"s1", DOMAIN.encode(), pem, **options))

    signed = sign() + raw

    def verify() -> None:
        assert dkim.verify(signed, dnsfunc=lambda name, timeout=5: record)

    return {"sign": _timed(sign), "verify": _timed(verify)}


def _message() -> tuple[bytes, bytes]:
    fields = {
        "Received": "from client.example.org (client.example.org [192.0.2.1]) by mx.example.org",
        "From": "Alice <alice@example.org>",
        "To": "bob@example.net",
        "Subject": "Dinner at eight",
        "Date": "Fri, 15 Jan 2027 08:00:00 +0000",
        "Message-ID": "<1@example.org>",
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode() + b"\r\n"
    return head, LINES * ((4096 - len(head)) // len(LINES))


def _quoted(text: str) -> str:
    return " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    for _ in range(COUNT):
        work()
    return _each(time.perf_counter() - began)


def _each(seconds: float) -> float:
    return seconds / COUNT * 1000
