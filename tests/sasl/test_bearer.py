"""OAUTHBEARER and XOAUTH2 without a protocol around them, and where they are offered."""

from __future__ import annotations

import json

import pytest

from hub.hooks.markers import hookimpl
from hub.hooks.session import Session, TlsInfo
from hub.mail.address import Address
from hub.mail.login import AccountRef, Bearer, BearerHelp, Credentials, Identity, Refuse
from hub.sasl.login import MALFORMED, LoginContext, Refused, Unavailable
from hub.sasl.mechanisms import Step, mechanisms, start
from hub.smtp.session import SmtpSession
from hub.trace.record import Trace
from tests.conftest import World

ALICE = Identity(AccountRef("default", "alice"), "alice@example.test", Address("alice", "example.test"))
CONFIGURATION = "https://issuer.example/.well-known/openid-configuration"
TLS = TlsInfo("TLSv1.3", "TLS_AES_256_GCM_SHA384")


@hookimpl(mechanisms=("OAUTHBEARER", "XOAUTH2"))
async def authenticate(credentials: Credentials) -> Identity | Refuse | None:
    """Takes the token `good` for alice."""
    assert isinstance(credentials, Bearer), "asked about nothing else"
    if credentials.token == "broken":
        raise ConnectionError
    if credentials.token == "good" and credentials.username in ("", "alice@example.test", "a,b=c"):
        return ALICE
    return Refuse("not this token", BearerHelp("insufficient_scope", "mail", CONFIGURATION))


def context(world: World, host: str = "127.0.0.1", tls: TlsInfo | None = None) -> LoginContext:
    session = SmtpSession("s1", "submission", "submission", (host, 4711), ("127.0.0.1", 587), tls)
    return LoginContext(world.kernel, session, Trace("s1"))


async def play(login: LoginContext, mechanism: str, *responses: bytes | None) -> list[Step]:
    exchange = start(mechanism, login)
    return [await exchange.step(response) for response in responses]


async def test_tokens_are_taken_only_where_a_plugin_can_read_them(world: World) -> None:
    assert mechanisms(world.kernel, context(world).session) == ("SCRAM-SHA-256", "PLAIN", "LOGIN")
    world.plugins(authenticate)
    everything = ("SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN")
    assert mechanisms(world.kernel, context(world).session) == everything
    world.plugins(authenticate, login=False)
    assert mechanisms(world.kernel, context(world).session) == ("OAUTHBEARER", "XOAUTH2")


async def test_no_token_crosses_a_network_in_the_clear(world: World) -> None:
    world.plugins(authenticate)
    outside = context(world, "192.0.2.1")
    assert mechanisms(world.kernel, outside.session) == ()
    with pytest.raises(LookupError):
        start("OAUTHBEARER", outside)
    assert "OAUTHBEARER" in mechanisms(world.kernel, context(world, "192.0.2.1", TLS).session)


@pytest.mark.parametrize(
    ("mechanism", "response"),
    [
        ("OAUTHBEARER", b"n,a=alice@example.test,\x01auth=Bearer good\x01\x01"),
        ("OAUTHBEARER", b"n,,\x01host=mail.example.test\x01port=143\x01auth=bearer good\x01\x01"),
        ("OAUTHBEARER", b"y,a=a=2Cb=3Dc,\x01auth=Bearer good\x01\x01"),
        ("XOAUTH2", b"user=alice@example.test\x01auth=Bearer good\x01\x01"),
    ],
)
async def test_the_right_token_gets_in(world: World, mechanism: str, response: bytes) -> None:
    world.plugins(authenticate)
    assert await play(context(world), mechanism, response) == [ALICE]
    assert await play(context(world), mechanism, None, response) == [b"", ALICE]


@pytest.mark.parametrize(
    ("mechanism", "response", "told"),
    [
        (
            "OAUTHBEARER",
            b"n,a=alice@example.test,\x01auth=Bearer bad\x01\x01",
            {"status": "insufficient_scope", "scope": "mail", "openid-configuration": CONFIGURATION},
        ),
        (
            "XOAUTH2",
            b"user=alice@example.test\x01auth=Bearer bad\x01\x01",
            {"status": "401", "schemes": "bearer", "scope": "mail"},
        ),
    ],
)
@pytest.mark.parametrize("dummy", [b"\x01", b"", b"anything"])
async def test_a_wrong_token_is_explained_and_then_refused(
    world: World, mechanism: str, response: bytes, told: object, dummy: bytes
) -> None:
    world.plugins(authenticate)
    challenge, end = await play(context(world), mechanism, response, dummy)
    assert isinstance(challenge, bytes)
    assert json.loads(challenge) == told
    assert isinstance(end, Refused)
    assert end.reason == "not this token"


@pytest.mark.parametrize(
    ("mechanism", "response"),
    [
        ("OAUTHBEARER", b""),
        ("OAUTHBEARER", b"\x01"),
        ("OAUTHBEARER", b"n,a=alice,\x01auth=Bearer good"),
        ("OAUTHBEARER", b"n,a=alice,\x01auth=Bearer good\x01"),
        ("OAUTHBEARER", b"n,alice,\x01auth=Bearer good\x01\x01"),
        ("OAUTHBEARER", b"n,a=al=ice,\x01auth=Bearer good\x01\x01"),
        ("OAUTHBEARER", b"p=tls-exporter,,\x01auth=Bearer good\x01\x01"),
        ("OAUTHBEARER", b"n,a=a\nb,\x01auth=Bearer good\x01\x01"),
        ("OAUTHBEARER", b"n,,\x01auth=Basic good\x01\x01"),
        ("OAUTHBEARER", b"n,,\x01auth=Bearer two words\x01\x01"),
        ("OAUTHBEARER", b"n,,\x01auth=Bearer \x01\x01"),
        ("OAUTHBEARER", b"n,,\x01auth=Bearer a\x01auth=Bearer good\x01\x01"),
        ("OAUTHBEARER", b"n,,\x01host\x01auth=Bearer good\x01\x01"),
        ("OAUTHBEARER", b"n,,\x01host=x\x01\x01"),
        ("OAUTHBEARER", b"n,,\x01auth=Bearer \xff\x01\x01"),
        ("XOAUTH2", b"auth=Bearer good\x01\x01"),
        ("XOAUTH2", b"user=\x01auth=Bearer good\x01\x01"),
        ("XOAUTH2", b"user=alice\x01auth=\x01\x01"),
    ],
)
async def test_a_malformed_response_is_refused_at_once(world: World, mechanism: str, response: bytes) -> None:
    world.plugins(authenticate)
    assert await play(context(world), mechanism, response) == [Refused(MALFORMED)]


async def test_who_only_asks_for_the_configuration_has_not_failed(world: World) -> None:
    failures: list[str] = []

    @hookimpl
    async def login_failed(username: str, reason: str) -> None:
        failures.append(reason)

    world.plugins(authenticate, login_failed)
    challenge, end = await play(context(world), "OAUTHBEARER", b"n,,\x01auth=\x01\x01", b"\x01")
    assert isinstance(challenge, bytes)
    assert json.loads(challenge)["openid-configuration"] == CONFIGURATION
    assert isinstance(end, Refused)
    await play(context(world), "OAUTHBEARER", b"n,,\x01auth=Bearer bad\x01\x01")
    await world.told()
    assert failures == ["not this token"]


async def test_a_failed_token_plugin_is_no_wrong_token_and_leaves_passwords_alone(world: World) -> None:
    world.plugins(authenticate)
    wrong = b"n,,\x01auth=Bearer broken\x01\x01"
    for _ in range(8):  # its breaker opens
        assert await play(context(world), "OAUTHBEARER", wrong) == [Unavailable()]
    (end,) = await play(context(world), "PLAIN", b"\0alice@example.test\0demo")
    assert isinstance(end, Identity)


async def test_a_token_that_nobody_answers_for_is_refused(world: World) -> None:
    @hookimpl(mechanisms=("XOAUTH2",))
    async def authenticate(session: Session) -> Identity | Refuse | None:
        return None

    world.plugins(authenticate)
    challenge, end = await play(context(world), "XOAUTH2", b"user=alice\x01auth=Bearer x\x01\x01", b"")
    assert challenge == b'{"status": "401", "schemes": "bearer"}'
    assert isinstance(end, Refused)
