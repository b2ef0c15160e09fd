"""Whatever arrives at an SMTP listener, and however it is cut into packets: the same well-formed replies."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from hub.config.tables.listeners import Listener
from hub.config.tables.sessions import SmtpTable
from hub.smtp.server import factory
from tests.conftest import World
from tests.property.growth import few
from tests.property.wire import cut, said

WORDS = (
    b"EHLO c.example\r\n", b"HELO c\r\n", b"MAIL FROM:<a@b.example>", b"MAIL FROM:<>",
    b"RCPT TO:<bob@example.test>",
    b"MAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n", b"RCPT TO:<nobody@example.test>",
    b"DATA\r\n",
    b" SIZE=10", b" SMTPUTF8", b" BODY=8BITMIME", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\0", b".",
    b".\r\n",
    b"\r\n.\r\n", b"\r\n.\r\n", b"\r\n..\r\n", b"\n.\n", b"\r\n.\n", b"Subject: x\r\n\r\n", b"RSET\r\n",
    b"NOOP\r\n",
    b"QUIT\r\n", b"HELP\r\n", b"VRFY x\r\n", b"EXPN x\r\n", b"STARTTLS\r\n",
    b"AUTH PLAIN AGFsaWNlAGRlbW8=\r\n",
    b"AUTH LOGIN\r\n", b"AUTH PLAIN\r\n", b"YWxpY2U=\r\n", b"ZGVtbw==\r\n", b"*\r\n", b"BDAT 3\r\n",
    b"BDAT 3 LAST\r\n",
    b"LHLO c\r\n", b"XCLIENT NAME=x\r\n", b"x" * 600, b"x" * 2100, b"y" * 13000, b"\xff", "é".encode(),
    b" ", b"<", b">",
)  # fmt: skip
STREAM = st.lists(st.sampled_from(WORDS) | st.binary(max_size=3), max_size=25).map(b"".join)
CUTS = st.lists(st.integers(0, 1 << 20), max_size=12)
REPLY = re.compile(rb"(?:([2-5][0-9][0-9])-[^\r\n]*\r\n(?:\1-[^\r\n]*\r\n)*)?([2-5][0-9][0-9]) [^\r\n]*\r\n")
ID = re.compile(rb"(delivered|queued) as [0-9a-z]{18}|<[0-9a-z.]+@mx\.example\.test>")


async def replies(folder: Path, protocol: str, pieces: list[bytes]) -> bytes:
    world = World(folder)
    world.settings(smtp=SmtpTable(max_errors=12, max_size=4000))
    listener = Listener.model_validate({"protocol": protocol, "bind": ["127.0.0.1:0"], "tls": "none"})
    try:
        return await said(
            cast("Callable[[], asyncio.BaseProtocol]", factory(world.kernel, protocol, listener)), pieces
        )
    finally:
        await asyncio.sleep(0)
        await world.close()


@pytest.mark.proves("mail: replies are the same however a client's octets are cut into packets")
@pytest.mark.parametrize("protocol", ["smtp", "submission", "lmtp"])
def test_replies_do_not_depend_on_how_octets_arrive(protocol: str, tmp_path: Path) -> None:
    @settings(few, max_examples=120)
    @given(STREAM, CUTS)
    @example(b"NOOP" + b"\r" + b"x" * 13000 + b"\r\nNOOP\r\n", [13005])
    @example(b"NOOP\r\n" + b"AUTH " + b"x" * 13000 + b"\nNOOP\r\n", [13005])
    def check(stream: bytes, cuts: list[int]) -> None:
        with capture_logs() as logs:
            whole = asyncio.run(replies(tmp_path, protocol, [stream] if stream else []))
            split = asyncio.run(replies(tmp_path, protocol, cut(stream, cuts)))
        assert ID.sub(rb"\1", whole) == ID.sub(rb"\1", split)
        assert logs == []
        at = 0
        while at < len(whole):
            reply = REPLY.match(whole, at)
            assert reply is not None, whole[at : at + 80]
            at = reply.end()

    check()
