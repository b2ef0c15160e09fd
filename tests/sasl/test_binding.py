"""SCRAM-SHA-256-PLUS: a login that holds for one connection alone (RFC 5802 §6, RFC 5929, RFC 9266)."""

from __future__ import annotations

import pytest
from scramp import ScramClient

from hub.hooks.session import TlsInfo
from hub.mail.login import Identity
from hub.sasl.login import LoginContext, Refused
from hub.sasl.mechanisms import Step, mechanisms, start
from hub.smtp.session import SmtpSession
from hub.trace.record import Trace
from tests.conftest import World

END_POINT, EXPORTED = b"e" * 32, b"x" * 32
BINDINGS = {"tls-server-end-point": END_POINT, "tls-exporter": EXPORTED}
NAME = "tls-server-end-point"


def context(world: World, bindings: dict[str, bytes] = BINDINGS) -> LoginContext:
    """Somebody behind TLS who wants in."""
    tls = TlsInfo("TLSv1.3", "TLS_AES_256_GCM_SHA384", bindings=bindings)
    session = SmtpSession("s1", "submission", "submission", ("192.0.2.1", 4711), ("127.0.0.1", 587), tls)
    return LoginContext(world.kernel, session, Trace("s1"))


async def play(login: LoginContext, mechanism: str, client: ScramClient, name: str = NAME) -> Step:
    """The end of an exchange; name: the binding that the client says it uses."""
    exchange = start(mechanism, login)
    first = client.get_client_first()
    answer = await exchange.step(first.replace(f"p={NAME}", f"p={name}").encode())
    if not isinstance(answer, bytes):
        return answer
    client.set_server_first(answer.decode())
    answer = await exchange.step(client.get_client_final().encode())
    if not isinstance(answer, bytes):
        return answer
    client.set_server_final(answer.decode())
    return await exchange.step(b"")


def bound(data: bytes = END_POINT, password: str = "demo") -> ScramClient:
    return ScramClient(["SCRAM-SHA-256-PLUS"], "alice@example.test", password, channel_binding=(NAME, data))


async def test_it_is_offered_first_and_only_where_something_can_be_bound(world: World) -> None:
    offered = mechanisms(world.kernel, context(world).session)
    assert offered[:2] == ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256")
    unbound = context(world, {})
    assert "SCRAM-SHA-256-PLUS" not in mechanisms(world.kernel, unbound.session)
    with pytest.raises(LookupError):
        start("SCRAM-SHA-256-PLUS", unbound)


async def test_who_sees_the_same_connection_gets_in(world: World) -> None:
    assert isinstance(await play(context(world), "SCRAM-SHA-256-PLUS", bound()), Identity)
    assert isinstance(await play(context(world), "SCRAM-SHA-256-PLUS", bound(password="wrong")), Refused)


async def test_who_sees_another_certificate_is_refused(world: World) -> None:
    """Somebody in the middle has one of their own."""
    end = await play(context(world), "SCRAM-SHA-256-PLUS", bound(b"m" * 32))
    assert isinstance(end, Refused)
    assert "channel binding" in end.reason


@pytest.mark.parametrize(
    ("mechanism", "first", "reason"),
    [
        ("SCRAM-SHA-256-PLUS", b"n,,n=alice@example.test,r=abc", "wants channel binding"),
        ("SCRAM-SHA-256-PLUS", b"y,,n=alice@example.test,r=abc", "wants channel binding"),
        (
            "SCRAM-SHA-256-PLUS",
            b"p=tls-unique,,n=alice@example.test,r=abc",
            "no channel binding 'tls-unique'",
        ),
        ("SCRAM-SHA-256", b"y,,n=alice@example.test,r=abc", "hidden from the client"),
        (
            "SCRAM-SHA-256",
            b"p=tls-exporter,,n=alice@example.test,r=abc",
            "belongs to the mechanism with PLUS",
        ),
    ],
)
async def test_flags_that_do_not_go_with_what_was_offered(
    world: World, mechanism: str, first: bytes, reason: str
) -> None:
    end = await start(mechanism, context(world)).step(first)
    assert isinstance(end, Refused)
    assert reason in end.reason


async def test_a_client_that_could_bind_gets_in_where_nothing_can_be_bound(world: World) -> None:
    exchange = start("SCRAM-SHA-256", context(world, {}))
    assert isinstance(await exchange.step(b"y,,n=alice@example.test,r=abc"), bytes)


async def test_the_flag_cannot_be_changed_on_the_way(world: World) -> None:
    """What client-first said is proved by client-final: here somebody has turned p into another name."""
    end = await play(context(world), "SCRAM-SHA-256-PLUS", bound(), name="tls-exporter")
    assert isinstance(end, Refused)
