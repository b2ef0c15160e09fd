"""Servers that answer what no slapd does: nonsense, too much, and that they cannot tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import pytest
from hub_plugin_auth_ldap import LdapDirectory, authenticate, plugin_start
from sansldap import (
    BindRequest,
    LDAPMessage,
    LDAPResultCode,
    LDAPServer,
    PartialAttribute,
    SearchRequest,
)

from hub import Address, DirectoryUnavailable, Identity, Password
from hub.testing.plugin import PluginScope

Answering: TypeAlias = Callable[[LDAPServer, LDAPMessage], None]
Serve: TypeAlias = Callable[[Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]], Awaitable[int]]

ALICE = Address("alice", "example.test")
ENTRY = {"mail": [b"alice@example.test"], "entryUUID": [b"k"], "cn": [b"Alice"]}


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Listens as the function says, on a port that it gives."""
    servers: list[asyncio.Server] = []

    async def start(function: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]) -> int:
        async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await function(reader, writer)
            except ConnectionError:
                pass  # the hub has gone away, as it should
            finally:
                writer.close()

        servers.append(await asyncio.start_server(guarded, "127.0.0.1", 0))
        return int(servers[-1].sockets[0].getsockname()[1])

    yield start
    for server in servers:
        server.close()


def speaking(answering: Answering) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]:
    """An LDAP server that answers every request so."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = LDAPServer()
        while data := await reader.read(65536):
            for request in session.receive(data):
                answering(session, request)
            writer.write(session.data_to_send())
            await writer.drain()

    return talk


async def asking(plugin_scope: PluginScope, *ports: int, **more: object) -> Any:
    """The plugin's scope, whose servers these are."""
    table = {"base": "dc=test", "domains": ["example.test"], "starttls": False, **more}
    servers = [f"ldap://127.0.0.1:{port}" for port in ports]
    scope = plugin_scope("auth-ldap", {**table, "servers": servers})
    await scope.enter(LdapDirectory(scope))
    await plugin_start(scope)
    return scope


def give(session: LDAPServer, request: LDAPMessage, *entries: dict[str, list[bytes]]) -> None:
    """All that a search has found."""
    for number, entry in enumerate(entries):
        attributes = [PartialAttribute(name, values) for name, values in entry.items()]
        session.search_result_entry(request.message_id, f"uid=e{number},dc=test", attributes)
    session.search_result_done(request.message_id)


def friendly(bind: LDAPResultCode = LDAPResultCode.SUCCESS) -> Answering:
    """Finds alice, and answers every bind with that."""

    def answer(session: LDAPServer, request: LDAPMessage) -> None:
        if isinstance(request, BindRequest):
            session.bind_response(request.message_id, result_code=bind, diagnostics_message="so it is\r\n")
        else:
            give(session, request, ENTRY)

    return answer


async def log_in(scope: Any) -> object:
    return await authenticate(scope, Password("alice", "wonderland"))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not begin as a message does"),
        (bytes.fromhex("300c02010961070a010004000400"), "unexpected message id"),
        (bytes.fromhex("300c02010178070a010004000400"), "answers a search with ExtendedResponse"),
        (bytes.fromhex("300c020101ff070a010004000400"), "no answer"),
        (bytes.fromhex("30840fffffff"), "too long"),
        (bytes.fromhex("3085000fffffff"), "its length is written"),
        (b"\x30\x80", "its length is written"),
        (b"\x30\x83\x03\x00\x00\x02\x01\x01\x7f" + b"\xff" * 0x30000, "a tag that LDAP has not"),
        (b"\x30\x83", "closed the connection"),
        (b"\x30", "closed the connection"),
        (b"", "closed the connection"),
    ],
)
async def test_nonsense_is_a_failure(
    plugin_scope: PluginScope, serve: Serve, answer: bytes, why: str
) -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(answer)
        await writer.drain()

    scope = await asking(plugin_scope, await serve(nonsense))
    with pytest.raises(DirectoryUnavailable, match=why):
        await log_in(scope)


async def test_a_refused_starttls_is_a_failure(plugin_scope: PluginScope, serve: Serve) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(bytes.fromhex("300c02010178070a010204000400"))
        await reader.read(1000)

    scope = await asking(plugin_scope, await serve(refuse), starttls=True)
    with pytest.raises(DirectoryUnavailable, match="refuses StartTLS: protocol_error"):
        await log_in(scope)


@pytest.mark.parametrize("tls", ["ldaps", "starttls"])
async def test_a_connection_that_ends_in_the_handshake_is_a_failure(
    plugin_scope: PluginScope, serve: Serve, tls: str
) -> None:
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        if tls == "starttls":
            writer.write(bytes.fromhex("300c02010178070a010004000400"))
            await reader.read(1000)

    port = await serve(leave)
    scheme = "ldaps" if tls == "ldaps" else "ldap"
    scope = plugin_scope("auth-ldap", {"base": "dc=test", "servers": [f"{scheme}://127.0.0.1:{port}"]})
    await plugin_start(scope)
    with pytest.raises(DirectoryUnavailable):
        await log_in(scope)


@pytest.mark.parametrize("code", [LDAPResultCode.BUSY, LDAPResultCode.UNAVAILABLE, LDAPResultCode.REFERRAL])
async def test_a_server_that_cannot_tell_is_left_for_the_next(
    plugin_scope: PluginScope, serve: Serve, code: LDAPResultCode
) -> None:
    busy, ready = await serve(speaking(friendly(code))), await serve(speaking(friendly()))
    scope = await asking(plugin_scope, busy)
    with pytest.raises(DirectoryUnavailable, match=rf"{code.name.lower()} \(so it is\?\?\)"):
        await log_in(scope)
    assert isinstance(await log_in(await asking(plugin_scope, busy, ready)), Identity)


async def test_a_search_that_fails_is_nobodys_absence(plugin_scope: PluginScope, serve: Serve) -> None:
    def fail(session: LDAPServer, request: LDAPMessage) -> None:
        session.search_result_done(request.message_id, result_code=LDAPResultCode.OPERATIONS_ERROR)

    scope = await asking(plugin_scope, await serve(speaking(fail)))
    with pytest.raises(DirectoryUnavailable, match="does not search below 'dc=test': operations_error"):
        await log_in(scope)


async def test_an_answer_without_end_is_a_failure(plugin_scope: PluginScope, serve: Serve) -> None:
    def flood(session: LDAPServer, request: LDAPMessage) -> None:
        for _ in range(50):
            session.search_result_reference(request.message_id, ["ldap://127.0.0.1:1/" + "x" * 100_000])

    scope = await asking(plugin_scope, await serve(speaking(flood)))
    with pytest.raises(DirectoryUnavailable, match="it does not end"):
        await log_in(scope)


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([ENTRY] * 3, "more than the 2 entries"),
        ([ENTRY | {"mail;range=0-1499": [b"x@example.test"]}], "more values of mail than the server gives"),
    ],
)
async def test_an_answer_that_is_more_or_less_than_all_is_a_failure(
    plugin_scope: PluginScope, serve: Serve, entries: Sequence[dict[str, list[bytes]]], why: str
) -> None:
    def answer(session: LDAPServer, request: LDAPMessage) -> None:
        assert isinstance(request, SearchRequest)
        give(session, request, *entries)

    scope = await asking(plugin_scope, await serve(speaking(answer)))
    with pytest.raises(DirectoryUnavailable, match=why):
        await log_in(scope)


async def test_a_server_that_never_closes_holds_up_nobody(plugin_scope: PluginScope, serve: Serve) -> None:
    released = asyncio.Event()
    talk = speaking(friendly())

    async def stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await talk(reader, writer)
        await released.wait()

    scope = await asking(plugin_scope, await serve(stay))
    assert isinstance(await log_in(scope), Identity)
    async with asyncio.timeout(30):
        await scope.close()
    released.set()
