"""Clients that others wrote: smtplib and swaks."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from email.message import EmailMessage

import pytest

from hub.config.tables.tls import TlsTable
from tests.conftest import World, engine
from tests.peers.swaks import needs_swaks, swaks


def message() -> EmailMessage:
    """A mail that smtplib will not send as ASCII."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "alice@example.test", "bob@example.test", "Grüße"
    mail.set_content("Zeile\n.Punkt\n" * 100)
    return mail


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_smtplib_submits_after_starttls(world: World, certificate: TlsTable, mechanism: str) -> None:
    port = await world.listen("submission", tls="starttls", context=engine(certificate))
    trusting = ssl.create_default_context(cafile=certificate.certificate)

    def send() -> None:
        with smtplib.SMTP("localhost", port, timeout=20) as client:
            client._host = "mx.example.test"  # type: ignore[attr-defined]
            client.starttls(context=trusting)
            client.ehlo()
            client.esmtp_features["auth"] = mechanism
            client.login("alice@example.test", "demo")
            client.send_message(message())

    await asyncio.to_thread(send)
    assert b".Punkt\r\n.Punkt\r\n" not in world.message
    assert world.message.count(b"\r\n.Punkt\r\n") == 100


async def test_smtplib_submits_under_implicit_tls(world: World, certificate: TlsTable) -> None:
    port = await world.listen("submissions", tls="implicit", context=engine(certificate))
    untrusting = ssl.create_default_context()
    untrusting.check_hostname, untrusting.verify_mode = False, ssl.CERT_NONE

    def send() -> None:
        with smtplib.SMTP_SSL("127.0.0.1", port, timeout=20, context=untrusting) as client:
            client.login("alice@example.test", "demo")
            client.send_message(message())

    await asyncio.to_thread(send)
    assert b" with ESMTPSA id " in world.message


async def test_smtplib_hears_why_it_is_refused(world: World) -> None:
    port = await world.listen("submission")

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            with pytest.raises(smtplib.SMTPAuthenticationError) as wrong:
                client.login("alice@example.test", "wrong")
            assert wrong.value.smtp_code == 535
            client.login("alice@example.test", "demo")
            with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
                client.sendmail("alice@example.test", ["nobody@example.test"], "x")
            assert refused.value.recipients["nobody@example.test"][0] == 550
            with pytest.raises(smtplib.SMTPSenderRefused):
                client.sendmail("bob@example.test", ["bob@example.test"], "x")
            assert client.verify("bob")[0] == 252
            assert client.noop()[0] == 250

    await asyncio.to_thread(send)
    assert not world.storage.accepted


@needs_swaks
async def test_swaks_delivers(world: World) -> None:
    port = await world.listen()
    status, said = await swaks(
        "--server", f"127.0.0.1:{port}", "--from", "a@b.example", "--to", "bob@example.test", "--pipeline"
    )
    assert status == 0, said
    assert "250 2.0.0 delivered as" in said
    assert b"Subject: test " in world.message


@needs_swaks
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_swaks_logs_in_and_submits(world: World, mechanism: str) -> None:
    status, said = await swaks(
        "--server", f"127.0.0.1:{await world.listen('submission')}", "--auth", mechanism,
        "--auth-user", "alice@example.test", "--auth-password", "demo",
        "--from", "alice@example.test", "--to", "x@elsewhere.example",
    )  # fmt: skip
    assert status == 0, said
    assert "250 2.0.0 queued as" in said


@needs_swaks
async def test_swaks_is_told_of_a_stranger(world: World) -> None:
    port = await world.listen()
    status, said = await swaks(
        "--server", f"127.0.0.1:{port}", "--from", "a@b.example", "--to", "nobody@example.test"
    )
    assert status == 24, said  # no recipient was accepted
    assert "550 5.1.1" in said


@needs_swaks
async def test_swaks_delivers_by_lmtp(world: World) -> None:
    port = await world.listen("lmtp")
    sent = ["--from", "a@b.example", "--to", "bob@example.test"]
    status, output = await swaks("--protocol", "LMTP", "--server", f"127.0.0.1:{port}", *sent)
    assert status == 0, output
    assert "220 mx.example.test LMTP" in output
    assert "250 2.0.0 delivered as " in output
    assert b" with LMTP id " in world.message
