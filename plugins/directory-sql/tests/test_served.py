"""App passwords and codes as mail programs use them, at a hub that serves."""

from __future__ import annotations

import asyncio
import imaplib
import smtplib
from pathlib import Path
from typing import cast

import pyotp
import pytest

from hub import Address, SecondFactors
from hub.testing.clock import ManualClock
from hub.testing.running import RunningHub, running_hub

LOGIN = "alice@example.test"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


async def imap(hub: RunningHub, password: str) -> bool:
    def talk() -> bool:
        with imaplib.IMAP4("127.0.0.1", hub.port("imap"), timeout=30) as client:
            try:
                return client.login(LOGIN, password)[0] == "OK"
            except imaplib.IMAP4.error:
                return False

    return await asyncio.to_thread(talk)


async def submission(hub: RunningHub, password: str) -> bool:
    """By whatever mechanism smtplib knows, SCRAM not among them."""

    def work(client: smtplib.SMTP) -> bool:
        try:
            return client.login(LOGIN, password)[0] == 235
        except smtplib.SMTPAuthenticationError:
            return False

    return await hub.smtp(work, "submission")


@pytest.mark.proves("authentication: with TOTP on, only app passwords and codes log in by IMAP and SMTP")
async def test_with_totp_only_app_passwords_and_codes_log_in(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_hub(tmp_path, clock=clock, accounts=[LOGIN]) as hub:
        directory = cast(SecondFactors, hub.hub.kernel.services.directory)
        alice = Address.parse(LOGIN)
        reader = await directory.add_app_password(alice, "Reader", ["imap"])
        assert await imap(hub, "demo")
        assert await submission(hub, "demo")
        await directory.enable_totp(alice, SECRET, pyotp.TOTP(SECRET).at(int(clock.time())))
        assert not await imap(hub, "demo")
        assert not await submission(hub, "demo")
        assert await imap(hub, reader)
        assert not await submission(hub, reader)
        await clock.turn(60)
        coded = "demo" + pyotp.TOTP(SECRET).at(int(clock.time()))
        assert await submission(hub, coded)
        assert not await imap(hub, coded)
