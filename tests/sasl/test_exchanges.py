"""SASL without a protocol around it: every exchange to its end, and nothing learnt by who does not get in."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac

import pytest
from scramp import ScramClient

from hub.hooks.markers import hookimpl
from hub.hooks.session import Session, TlsInfo
from hub.mail.login import Credentials, Identity, Password, Refuse, ScramKeys
from hub.sasl.login import MALFORMED, LoginContext, Refused, Unavailable, authenticate
from hub.sasl.mechanisms import Step, is_loopback, mechanisms, start
from hub.smtp.session import SmtpSession
from hub.testing.clock import ManualClock
from hub.trace.record import Trace
from tests.conftest import World


def session(host: str = "127.0.0.1", tls: TlsInfo | None = None) -> SmtpSession:
    """A session of no particular protocol."""
    return SmtpSession("s1", "submission", "submission", (host, 4711), ("127.0.0.1", 587), tls)


@pytest.fixture
def context(world: World) -> LoginContext:
    """Somebody on this machine who wants in."""
    return LoginContext(world.kernel, session(), Trace("s1"))


async def play(context: LoginContext, mechanism: str, *responses: bytes | None) -> list[Step]:
    """Every answer of an exchange."""
    exchange = start(mechanism, context)
    return [await exchange.step(response) for response in responses]


@pytest.mark.parametrize(
    ("mechanism", "responses"),
    [
        ("PLAIN", [b"\0alice@example.test\0demo"]),
        ("PLAIN", [None, b"alice@example.test\0alice@example.test\0demo"]),
        ("LOGIN", [None, b"alice@example.test", b"demo"]),
        ("LOGIN", [b"alice@example.test", b"demo"]),
    ],
)
async def test_right_password_gets_in(
    context: LoginContext, mechanism: str, responses: list[bytes | None]
) -> None:
    *challenges, end = await play(context, mechanism, *responses)
    assert isinstance(end, Identity)
    assert end.login == "alice@example.test"
    assert all(isinstance(challenge, bytes) for challenge in challenges)


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (b"\0alice@example.test\0wrong", "wrong password"),
        (b"\0nobody@example.test\0demo", "nobody knows the name"),
        (b"bob@example.test\0alice@example.test\0demo", "asked to act as somebody else"),
        (b"alice@example.test\0demo", MALFORMED),
        (b"\0alice@example.test\0demo\0more", MALFORMED),
        (b"\0alice@example.test\0", MALFORMED),
        (b"\0\0demo", MALFORMED),
        (b"", MALFORMED),
        (b"\0\xff\xfe\0demo", "not UTF-8"),
    ],
)
async def test_plain_is_refused_for_a_reason_that_only_the_log_sees(
    context: LoginContext, response: bytes, reason: str
) -> None:
    assert await play(context, "PLAIN", response) == [Refused(reason)]


async def test_facts_tell_who_got_in_and_who_did_not(world: World) -> None:
    facts: list[tuple[str, ...]] = []

    @hookimpl
    async def login_succeeded(session: Session, identity: Identity, mechanism: str) -> None:
        facts.append(("in", session.id, identity.login, mechanism))

    @hookimpl
    async def login_failed(session: Session, username: str, mechanism: str, reason: str) -> None:
        facts.append(("out", username, mechanism, reason))

    world.plugins(login_succeeded, login_failed)
    context = LoginContext(world.kernel, session(), Trace("s1"))
    await play(context, "PLAIN", b"\0alice@example.test\0demo")
    await play(context, "LOGIN", b"alice@example.test", b"wrong")
    await play(context, "PLAIN", b"\0mallory\x1b[2J\0x")
    await world.told()
    assert sorted(facts) == [
        ("in", "s1", "alice@example.test", "PLAIN"),
        ("out", "alice@example.test", "LOGIN", "wrong password"),
        ("out", "mallory\x1b[2J", "PLAIN", "nobody knows the name"),
    ]


async def test_failed_plugin_is_unavailable_not_wrong(world: World) -> None:
    @hookimpl
    async def authenticate(credentials: Credentials) -> Identity | Refuse | None:
        raise ConnectionError

    @hookimpl
    async def resolve_scram_keys(username: str) -> ScramKeys | Refuse | None:
        raise ConnectionError

    world.plugins(authenticate, resolve_scram_keys)
    context = LoginContext(world.kernel, session(), Trace("s1"))
    assert await play(context, "PLAIN", b"\0alice@example.test\0demo") == [Unavailable()]
    assert await play(context, "SCRAM-SHA-256", b"n,,n=alice,r=abcdef") == [Unavailable()]


async def test_protocols_with_a_login_command_of_their_own_ask_the_same(world: World) -> None:
    ask = Password("alice@example.test", "demo", "LOGIN")
    answer = await authenticate(world.kernel, session(), Trace("s1"), ask)
    assert isinstance(answer, Identity)


class Scram:
    """A SCRAM client over an exchange."""

    def __init__(self, context: LoginContext, username: str, password: str) -> None:
        self.client = ScramClient(["SCRAM-SHA-256"], username, password)
        self.exchange = start("SCRAM-SHA-256", context)

    async def first(self) -> str:
        """server-first."""
        assert await self.exchange.step(None) == b""
        answer = await self.exchange.step(self.client.get_client_first().encode())
        assert isinstance(answer, bytes)
        return answer.decode()

    async def login(self) -> Step:
        """The end of the exchange."""
        self.client.set_server_first(await self.first())
        answer = await self.exchange.step(self.client.get_client_final().encode())
        if not isinstance(answer, bytes):
            return answer
        self.client.set_server_final(answer.decode())
        return await self.exchange.step(b"")


async def test_scram_gets_in_without_the_password_on_the_wire(context: LoginContext) -> None:
    end = await Scram(context, "alice@example.test", "demo").login()
    assert isinstance(end, Identity)
    assert isinstance(await Scram(context, "alice@example.test", "wrong").login(), Refused)


async def test_unknown_name_looks_like_a_known_one(context: LoginContext) -> None:
    def salt(server_first: str) -> tuple[bytes, str]:
        fields = dict(field.split("=", 1) for field in server_first.split(","))
        return base64.b64decode(fields["s"]), fields["i"]

    known = salt(await Scram(context, "alice@example.test", "x").first())
    nobody = salt(await Scram(context, "nobody@example.test", "x").first())
    again = salt(await Scram(context, "nobody@example.test", "y").first())
    other = salt(await Scram(context, "somebody@example.test", "x").first())
    assert nobody == again != other
    assert len(nobody[0]) == len(known[0])
    assert nobody[1] == known[1]
    assert await Scram(context, "nobody@example.test", "demo").login() == Refused("nobody knows the name")


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"n,,",
        b"n,,n=alice",
        b"n,a=bob,n=alice,r=abc",
        b"p=tls-unique,,n=alice,r=abc",
        b"\xff",
        b"n,,n=a=b,r=x",
    ],
)
async def test_malformed_scram_is_refused(context: LoginContext, message: bytes) -> None:
    (answer,) = await play(context, "SCRAM-SHA-256", message)
    assert isinstance(answer, Refused)


async def test_scram_cannot_be_ended_early(context: LoginContext) -> None:
    scram = Scram(context, "alice@example.test", "demo")
    await scram.first()
    assert isinstance(await scram.exchange.step(b""), Refused)
    assert isinstance(await scram.exchange.step(b"c=biws,r=x,p=eA=="), Refused)


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:192.0.2.1", False),
        ("192.0.2.1", False),
        ("fe80::1%eth0", False),
        ("", False),
    ],
)
def test_loopback_is_recognised(host: str, is_ours: bool) -> None:
    assert is_loopback(host) is is_ours


async def test_only_encrypted_or_local_sessions_are_offered_a_login(world: World) -> None:
    everything = ("SCRAM-SHA-256", "PLAIN", "LOGIN")
    tls = TlsInfo("TLSv1.3", "TLS_AES_256_GCM_SHA384")
    assert mechanisms(world.kernel, session()) == everything
    assert mechanisms(world.kernel, session("192.0.2.1", tls)) == everything
    assert mechanisms(world.kernel, session("192.0.2.1")) == ()
    world.plugins(login=False)
    assert mechanisms(world.kernel, session()) == ()
    with pytest.raises(LookupError):
        start("PLAIN", LoginContext(world.kernel, session(), Trace("s1")))


async def test_scram_lets_a_client_name_itself_twice(context: LoginContext) -> None:
    """GNU SASL sends the name that logs in also as the one to act as (RFC 5802 §7, authzid)."""
    exchange = start("SCRAM-SHA-256", context)
    header, bare = "n,a=alice@example.test,", "n=alice@example.test,r=abc"
    first = await exchange.step((header + bare).encode())
    assert isinstance(first, bytes)
    fields = dict(field.split("=", 1) for field in first.decode().split(","))
    salted = hashlib.pbkdf2_hmac("sha256", b"demo", base64.b64decode(fields["s"]), int(fields["i"]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    final = f"c={base64.b64encode(header.encode()).decode()},r={fields['r']}"
    signed = f"{bare},{first.decode()},{final}".encode()
    signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
    proof = bytes(one ^ other for one, other in zip(key, signature, strict=True))
    answer = await exchange.step(f"{final},p={base64.b64encode(proof).decode()}".encode())
    assert isinstance(answer, bytes)
    assert isinstance(await exchange.step(b""), Identity)


@pytest.mark.parametrize("name", ["alice@example.test", "nobody@example.test"])
async def test_who_is_refused_waits_equally_long_whoever_knows_the_name(
    context: LoginContext, world: World, name: str
) -> None:
    clock = ManualClock()
    seconds = {"alice@example.test": 0.75, "nobody@example.test": 0.25}

    @hookimpl
    async def authenticate(credentials: Password) -> Refuse | None:
        await clock.sleep(seconds[credentials.username])
        return Refuse("wrong password") if credentials.username == "alice@example.test" else None

    world.plugins(authenticate, login=False)
    hub = world.kernel.settings.hub.model_copy(update={"login_pause": 1.0})
    world.kernel.settings = world.kernel.settings.model_copy(update={"hub": hub})
    world.kernel.services.clock = clock
    trying = asyncio.create_task(play(context, "PLAIN", f"\0{name}\0wrong".encode()))
    for _ in range(3):
        await clock.turn(0.25)
        await asyncio.sleep(0)
        assert not trying.done()
    await clock.turn(0.25)
    (end,) = await trying
    assert isinstance(end, Refused)
