"""Whatever a client sends, it gets replies, and nothing inside fails."""

from __future__ import annotations

import asyncio
import random

import pytest
from structlog.testing import capture_logs

from hub.config.tables.sessions import SmtpTable
from tests.conftest import Client, World

WORDS = [
    b"EHLO c.example\r\n", b"HELO c.example\r\n", b"MAIL FROM:<a@b.example>", b"MAIL FROM:<>", b" SIZE=10",
    b" SMTPUTF8", b" BODY=8BITMIME", b"RCPT TO:<bob@example.test>", b"RCPT TO:<>", b"\r\n", b"\r\n", b"\r\n",
    b"DATA\r\n", b"DATA\r\n", b".\r\n", b"\r\n.\r\n", b"\r\n.\r\n", b"RSET\r\n", b"NOOP", b"AUTH PLAIN ",
    b"AUTH LOGIN\r\n", b"AUTH SCRAM-SHA-256 biwsbj1hbGljZSxyPWFiYw==\r\n", b"AGFsaWNlAGRlbW8=\r\n", b"*\r\n",
    b"STARTTLS\r\n", b"VRFY x\r\n", b"HELP\r\n", b"\n", b"\r", b"\0", b"\xff\xfe", b"=", b"<", b">", b"@",
    b'"', b":", b" ", b"x" * 3000, b"From: alice@example.test\r\n", b"A: b\r\n\r\n", b"\r\n..\r\n",
    b"BDAT 5\r\n", b"BDAT 3000\r\n", b"BDAT 30 LAST\r\n", b"BDAT 0 LAST\r\n", b" BODY=BINARYMIME",
    b" NOTIFY=NEVER", b" ORCPT=rfc822;x", b" RET=FULL ENVID=+41", b"LHLO c.example\r\n",
    "zoë".encode(), b"AUTH PLAIN AGFsaWNlAGRlbW8=\r\nMAIL FROM:<alice@example.test>\r\n",
    b"\r\n.\r\nRSET\r\nEHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n",
]  # fmt: skip


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("protocol", ["smtp", "submission", "lmtp"])
async def test_nothing_inside_fails(world: World, protocol: str, seed: int) -> None:
    chance = random.Random(seed)
    world.settings(smtp=SmtpTable(max_errors=1000, max_commands=2000, max_size=5000))
    sent = b"".join(chance.choice(WORDS) for _ in range(400)) + b"\r\n.\r\nRSET\r\n*\r\n"
    sent += b"NOOP\r\n" * 600 + b"QUIT\r\n"  # a chunk may want some more
    with capture_logs() as logs:
        client = Client(*await asyncio.open_connection("127.0.0.1", await world.listen(protocol)))
        while sent:
            size = chance.randrange(1, 2000)
            await client.send(sent[:size])
            await asyncio.sleep(0)
            sent = sent[size:]
        answer = (await asyncio.wait_for(client.reader.read(), 30)).decode()
        await client.close()
    assert answer.splitlines()[-1] == "221 2.0.0 Bye"
    assert all(line[:3].isdecimal() and line[3] in " -" for line in answer.splitlines())
    assert logs == []
