"""Real clients with real tokens, at a hub that serves."""

from __future__ import annotations

import asyncio
import base64
import imaplib
import json
import shutil
import smtplib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import jwt
import pytest

from hub.testing.running import RunningHub, running_hub

from .conftest import LocalIssuer

LOGIN = "alice@example.test"


@pytest.fixture
async def hub(issuer: LocalIssuer, tmp_path: Path) -> AsyncIterator[RunningHub]:
    table = {"issuer": issuer.url, "audience": ["mail"], "scopes": ["mail"]}
    tables = {"plugins": {"auth-oidc": table}}
    async with running_hub(tmp_path, plugins=["auth-oidc"], tables=tables) as running:
        yield running


def bearer(mechanism: str, token: str, user: str = LOGIN) -> str:
    if mechanism == "XOAUTH2":
        return f"user={user}\1auth=Bearer {token}\1\1"
    return f"n,a={user},\1host=127.0.0.1\1port=143\1auth=Bearer {token}\1\1"


class Sasl:
    """What imaplib and smtplib ask for responses, and what they were told."""

    def __init__(self, mechanism: str, token: str, user: str = LOGIN) -> None:
        self.first = bearer(mechanism, token, user)
        self.challenges: list[str] = []

    def imap(self, challenge: bytes) -> bytes | None:
        if not challenge:
            return self.first.encode()
        self.challenges.append(challenge.decode())
        return b"\1"

    def smtp(self, challenge: bytes | None = None) -> str:
        if not challenge:
            return self.first
        self.challenges.append(challenge.decode())
        return "\1"


async def imap_login(hub: RunningHub, mechanism: str, sasl: Sasl) -> str:
    """What an IMAP client gets: OK, or the words of the refusal."""

    def talk() -> str:
        with imaplib.IMAP4("127.0.0.1", hub.port("imap"), timeout=30) as client:
            assert f"AUTH={mechanism}" in client.capabilities
            try:
                return client.authenticate(mechanism, sasl.imap)[0]
            except imaplib.IMAP4.error as error:
                return str(error)

    return await asyncio.to_thread(talk)


async def smtp_login(
    hub: RunningHub, mechanism: str, sasl: Sasl, *, initial: bool = True
) -> tuple[int, bytes]:
    """What an SMTP client gets."""

    def work(client: smtplib.SMTP) -> tuple[int, bytes]:
        client.ehlo("client.example.test")
        assert mechanism in client.esmtp_features["auth"].split()
        try:
            return client.auth(mechanism, sasl.smtp, initial_response_ok=initial)
        except smtplib.SMTPAuthenticationError as error:
            return error.smtp_code, error.smtp_error  # type: ignore[return-value]

    return await hub.smtp(work, "submission")


@pytest.mark.proves("authentication: mail clients log in with OAuth tokens by OAUTHBEARER and XOAUTH2")
@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
async def test_clients_log_in_with_a_token(hub: RunningHub, issuer: LocalIssuer, mechanism: str) -> None:
    token = issuer.token("es", time.time())
    assert await imap_login(hub, mechanism, Sasl(mechanism, token)) == "OK"
    for initial in (True, False):
        code, _ = await smtp_login(hub, mechanism, Sasl(mechanism, token), initial=initial)
        assert code == 235
    assert issuer.fetched == 1


async def test_a_long_token_fits_into_the_first_line_of_both_protocols(
    hub: RunningHub, issuer: LocalIssuer
) -> None:
    token = issuer.token("es", time.time(), groups=["a-group-of-some-length"] * 220)
    assert 6000 < len(token) < 9000
    assert await imap_login(hub, "XOAUTH2", Sasl("XOAUTH2", token)) == "OK"
    assert (await smtp_login(hub, "XOAUTH2", Sasl("XOAUTH2", token)))[0] == 235

    def with_initial_response() -> str:
        with imaplib.IMAP4("127.0.0.1", hub.port("imap"), timeout=30) as client:
            response = base64.b64encode(bearer("OAUTHBEARER", token).encode()).decode()
            return client.xatom("AUTHENTICATE", "OAUTHBEARER", response)[0]

    assert await asyncio.to_thread(with_initial_response) == "OK"


async def test_who_is_refused_learns_where_to_get_a_token_and_passwords_go_on(
    hub: RunningHub, issuer: LocalIssuer
) -> None:
    sasl = Sasl("OAUTHBEARER", issuer.token("es", time.time(), scope="openid"))
    assert "AUTHENTICATIONFAILED" in await imap_login(hub, "OAUTHBEARER", sasl)
    assert json.loads(sasl.challenges[0]) == {
        "status": "insufficient_scope",
        "scope": "mail",
        "openid-configuration": issuer.url + "/.well-known/openid-configuration",
    }
    sasl = Sasl("XOAUTH2", issuer.token("es", time.time() - 9000))
    assert (await smtp_login(hub, "XOAUTH2", sasl))[0] == 535
    assert json.loads(sasl.challenges[0]) == {"status": "401", "schemes": "bearer", "scope": "mail"}
    assert await hub.imap(lambda client: client.noop()[0]) == "OK"


@pytest.mark.parametrize("user", ["bob@example.test", "nobody@example.test"])
async def test_a_token_logs_in_nobody_else(hub: RunningHub, issuer: LocalIssuer, user: str) -> None:
    token = issuer.token("es", time.time())
    assert (await smtp_login(hub, "XOAUTH2", Sasl("XOAUTH2", token, user)))[0] == 535


async def test_a_token_of_somebody_without_account_is_refused(hub: RunningHub, issuer: LocalIssuer) -> None:
    token = issuer.token("es", time.time(), email="nobody@example.test")
    assert (await smtp_login(hub, "OAUTHBEARER", Sasl("OAUTHBEARER", token, "")))[0] == 535


@pytest.mark.proves("authentication: a token issuer that is down makes no token wrong, and no password")
async def test_an_issuer_that_is_down_is_no_wrong_token(hub: RunningHub, issuer: LocalIssuer) -> None:
    token = issuer.token("es", time.time())
    await issuer.stop()
    for _ in range(7):  # the breaker opens on the way
        code, text = await smtp_login(hub, "XOAUTH2", Sasl("XOAUTH2", token))
        assert (code, text[:5]) == (454, b"4.7.0")
    assert "UNAVAILABLE" in await imap_login(hub, "XOAUTH2", Sasl("XOAUTH2", token))
    assert await hub.imap(lambda client: client.noop()[0]) == "OK"


async def test_a_flood_of_nonsense_breaks_nothing(hub: RunningHub, issuer: LocalIssuer) -> None:
    deep = base64.urlsafe_b64encode(b"[" * 4000).decode().rstrip("=")
    unsigned = jwt.encode({}, "", "none")
    for token in [f"{deep}.e30.e30", unsigned, "a.b.c", "x", "..", "e30.e30."] * 2:
        code, _ = await smtp_login(hub, "OAUTHBEARER", Sasl("OAUTHBEARER", token))
        assert code == 535
    good = issuer.token("es", time.time())
    assert (await smtp_login(hub, "OAUTHBEARER", Sasl("OAUTHBEARER", good)))[0] == 235


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(
    ("scheme", "listener", "more"),
    [
        ("imap", "imap", ["-X", "NOOP"]),
        ("smtp", "submission", ["--mail-from", LOGIN, "--mail-rcpt", "bob@example.test", "-T", "-"]),
    ],
)
async def test_curl_logs_in_with_a_token(
    hub: RunningHub, issuer: LocalIssuer, scheme: str, listener: str, more: list[str]
) -> None:
    async def curl(token: str) -> int | None:
        url = f"{scheme}://127.0.0.1:{hub.port(listener)}"
        process = await asyncio.create_subprocess_exec(
            "curl", "-s", url, "--user", LOGIN, "--oauth2-bearer", token, *more,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        await process.communicate(b"Subject: By token\r\n\r\nHello\r\n")
        return process.returncode

    assert await curl(issuer.token("rs", time.time())) == 0
    assert await curl(issuer.token("rs", time.time() - 9000)) == 67  # login denied
    if scheme == "smtp":
        (message,) = await hub.mailbox(user="bob@example.test")
        assert b"Subject: By token" in message
