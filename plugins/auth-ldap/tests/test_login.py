"""Logging in at real slapds: by search and by template, over TLS, by groups, and with servers that die."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_plugin_auth_ldap import LdapDirectory, Settings, authenticate, plugin_start
from hub_plugin_auth_ldap.connection import Connection, connect
from hub_plugin_auth_ldap.opening import SERVERS
from hub_plugin_auth_ldap.servers import AVOIDED, IDLE

from hub import Identity, Password, Refuse, Secret
from hub.testing.clock import ManualClock
from hub.testing.contracts.directory import PASSWORD
from hub.testing.plugin import PluginScope

from .conftest import ENTRIES, HUB, SUFFIX, Certificates, Slapd, dn_of

ALICE = "alice@example.test"
TEMPLATE = f"uid={{local}},ou=people,{SUFFIX}"


async def started(plugin_scope: PluginScope, slapd: Slapd, **settings: object) -> Any:
    """The plugin's scope, as the hub's directory, with these settings besides the usual ones."""
    scope = plugin_scope("auth-ldap", slapd.settings(**settings))
    await scope.enter(LdapDirectory(scope))
    await plugin_start(scope)
    return scope


async def log_in(scope: Any, username: str, password: str = PASSWORD) -> Identity | Refuse | None:
    return await authenticate(scope, Password(username, password))


async def succeeds(scope: Any, username: str, password: str = PASSWORD) -> bool:
    return isinstance(await log_in(scope, username, password), Identity)


# -- who ----------------------------------------------------------------------------------------


async def test_people_log_in_by_any_attribute_that_the_settings_name(
    plugin_scope: PluginScope, slapd: Slapd
) -> None:
    scope = await started(plugin_scope, slapd)
    for name in (ALICE, "alice", "ALICE@Example.Test"):
        answer = await log_in(scope, name)
        assert isinstance(answer, Identity)
        assert answer.login == ALICE
    assert await log_in(scope, "bobby@example.test") is None  # an alias is no name to log in by


async def test_a_wrong_password_is_refused_and_an_unknown_name_left_to_others(
    plugin_scope: PluginScope, slapd: Slapd
) -> None:
    scope = await started(plugin_scope, slapd)
    assert await log_in(scope, ALICE, "wrong") == Refuse("wrong password: invalid_credentials")
    assert await log_in(scope, "mallory@example.test") is None
    assert await log_in(scope, "dora") == Refuse("the account is disabled")
    assert await succeeds(scope, "ursel", "pässwörd")


async def test_a_name_that_two_entries_have_is_nobodys(plugin_scope: PluginScope, slapd: Slapd) -> None:
    scope = await started(
        plugin_scope, slapd, people={"logins": ["mail", "mailLocalAddress"], "enabled": "mailEnabled"}
    )
    assert await log_in(scope, "twin@example.test") == Refuse("several entries have this name")


async def test_who_has_an_address_elsewhere_has_no_account_here(
    plugin_scope: PluginScope, slapd: Slapd
) -> None:
    scope = await started(plugin_scope, slapd)
    answer = await log_in(scope, "moved")
    assert answer == Refuse("the directory has no account for the entry's address")


@pytest.mark.parametrize("template", [None, TEMPLATE])
async def test_an_empty_password_never_reaches_a_server(
    plugin_scope: PluginScope, slapd: Slapd, template: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be an unauthenticated bind, which servers answer with success (RFC 4513 §5.1.2)."""
    scope = await started(plugin_scope, slapd, **({"bind_template": template} if template else {}))

    async def never(self: Connection, dn: str, password: str) -> str | None:
        raise AssertionError(f"a bind as {dn} with {password!r}")

    monkeypatch.setattr(Connection, "bind", never)
    for name in (ALICE, "mallory", "", "dora"):
        assert not await succeeds(scope, name, "")
    monkeypatch.undo()
    with pytest.raises(ValueError, match="anonymous"):
        await Connection(set()).bind(dn_of("alice"), "")
    with pytest.raises(ValueError, match="anonymous"):
        await Connection(set()).bind("", "x")


# -- by template --------------------------------------------------------------------------------


async def test_a_template_needs_nobody_who_looks_entries_up(plugin_scope: PluginScope, slapd: Slapd) -> None:
    scope = await started(plugin_scope, slapd, bind_template=TEMPLATE, bind_dn="", bind_password=None)
    assert await succeeds(scope, ALICE)
    assert await succeeds(scope, "alice")
    assert await log_in(scope, ALICE, "wrong") is None
    assert await log_in(scope, "dora") == Refuse("the account is disabled")
    # The DN is alice's and so is the password, but nobody of this name is there.
    assert await log_in(scope, "alice@elsewhere.test") is None


@pytest.mark.parametrize(
    "name",
    [
        "alice,ou=people",
        f"alice,ou=people,{SUFFIX}",
        "alice+cn=alice",
        "*",
        "\\61lice",
        "#616c696365",
        "alice\0",
        "alice;x",
        '"alice"',
        "alice=",
        "{local}",
    ],
)
@pytest.mark.parametrize("template", [None, TEMPLATE])
async def test_a_name_is_never_parsed(
    plugin_scope: PluginScope, slapd: Slapd, name: str, template: str | None
) -> None:
    scope = await started(plugin_scope, slapd, **({"bind_template": template} if template else {}))
    assert await log_in(scope, name) is None


@pytest.mark.parametrize("template", [None, "uid={login},ou=people," + SUFFIX])
async def test_a_name_with_special_characters_logs_in(
    plugin_scope: PluginScope, slapd: Slapd, template: str | None
) -> None:
    scope = await started(plugin_scope, slapd, **({"bind_template": template} if template else {}))
    answer = await log_in(scope, "other,o=x")
    assert isinstance(answer, Identity)
    assert answer.login == "twin2@example.test"


# -- groups -------------------------------------------------------------------------------------


@pytest.mark.parametrize("template", [None, TEMPLATE])
async def test_only_members_of_a_required_group_log_in(
    plugin_scope: PluginScope, slapd: Slapd, template: str | None
) -> None:
    groups = [f"cn=gone,ou=groups,{SUFFIX}", f"cn=mail,ou=groups,{SUFFIX}"]
    more: dict[str, object] = {"bind_template": template} if template else {}
    scope = await started(plugin_scope, slapd, required_groups=groups, **more)
    assert await succeeds(scope, "alice")
    assert await log_in(scope, "bob") == Refuse("in none of the groups that may log in")
    assert not await succeeds(scope, "bob", "wrong")
    scope = await started(plugin_scope, slapd, required_groups=groups, group_members=["member:2.5.13.1:"])
    assert await succeeds(scope, "alice")
    assert not await succeeds(scope, "bob")


# -- TLS ----------------------------------------------------------------------------------------


async def test_tls_from_the_first_octet_and_starttls_check_the_certificate(
    plugin_scope: PluginScope, slapd: Slapd
) -> None:
    for url in (slapd.url, slapd.tls_url):
        assert await succeeds(await started(plugin_scope, slapd, servers=[url]), ALICE)


async def test_a_certificate_of_another_authority_or_host_is_not_taken(
    plugin_scope: PluginScope, slapd: Slapd, tmp_path: Path
) -> None:
    other = Certificates(tmp_path).ca
    for settings in (
        {"servers": [slapd.url], "ca_file": str(other)},
        {"servers": [slapd.tls_url], "ca_file": str(other)},
        {"servers": [slapd.url.replace("localhost", "127.0.0.1")]},
        {"servers": [slapd.tls_url.replace("localhost", "127.0.0.1")]},
        {"servers": [slapd.tls_url], "ca_file": None},
    ):
        scope = await started(plugin_scope, slapd, **settings)
        with pytest.raises(ConnectionError, match="certificate verify failed"):
            await log_in(scope, ALICE)
        (trouble,) = scope.dependencies.values()
        assert "certificate verify failed" in trouble


async def test_nothing_is_said_in_the_clear_before_the_handshake_and_nothing_believed(
    plugin_scope: PluginScope, slapd: Slapd
) -> None:
    """A server, or somebody between, that answers StartTLS and a bind at once in the clear."""
    starttls_done = bytes.fromhex("300c02010178070a010004000400")
    bind_done = bytes.fromhex("300c02010261070a010004000400")
    heard = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(1000))
        writer.write(starttls_done + bind_done)
        heard.extend(await reader.read(1000))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    scope = await started(plugin_scope, slapd, servers=[f"ldap://127.0.0.1:{port}"])
    with pytest.raises(ConnectionError):
        await log_in(scope, ALICE)
    assert HUB[1].encode() not in heard
    server.close()


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_any_loop_that_the_hub_runs_on_will_do(slapd: Slapd, tmp_path: Path, kind: str) -> None:
    make = pytest.importorskip(kind).new_event_loop
    open_: set[Connection] = set()
    ours = ssl.create_default_context(cafile=slapd.ca)
    other = ssl.create_default_context(cafile=Certificates(tmp_path).ca)

    async def converse() -> None:
        for url in (slapd.url, slapd.tls_url):
            connection = await connect(url, ours, open_, starttls=True)
            assert await connection.bind(dn_of("alice"), "wrong") == "invalid_credentials"
            assert await connection.bind(dn_of("alice"), PASSWORD) is None
            assert open_ == {connection}
            connection.close()
            await connection.wait_closed()
            assert not open_
            with pytest.raises(ssl.SSLCertVerificationError):
                await connect(url, other, open_, starttls=True)
            assert not open_

    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(converse())


# -- servers that die ---------------------------------------------------------------------------


@pytest.fixture
def second(certificates: Certificates, tmp_path: Path) -> Iterator[Slapd]:
    """Another server with the same entries."""
    slapd = Slapd(tmp_path, certificates, certificates.make("localhost", "DNS:localhost"))
    slapd.load(ENTRIES)
    slapd.start()
    yield slapd
    slapd.stop()


async def test_the_next_server_is_asked_when_one_dies_and_the_first_again_later(
    plugin_scope: PluginScope, slapd: Slapd, second: Slapd, manual_clock: ManualClock
) -> None:
    scope = await started(plugin_scope, slapd, servers=[second.url, slapd.url])
    assert await succeeds(scope, ALICE)
    assert scope.dependencies == {f"ldap localhost:{second.port}": None}
    second.stop()
    assert await succeeds(scope, ALICE)
    assert scope.dependencies[f"ldap localhost:{second.port}"]
    assert scope.dependencies[f"ldap localhost:{slapd.port}"] is None
    second.start()
    assert await succeeds(scope, ALICE)
    assert scope.dependencies[f"ldap localhost:{second.port}"]  # it was not asked
    await manual_clock.turn(AVOIDED)
    assert await succeeds(scope, ALICE)
    assert scope.dependencies[f"ldap localhost:{second.port}"] is None


async def test_when_no_server_answers_it_is_a_failure_and_no_wrong_password(
    plugin_scope: PluginScope, slapd: Slapd
) -> None:
    scope = await started(plugin_scope, slapd)
    assert await succeeds(scope, ALICE)
    slapd.stop()
    for name in (ALICE, "mallory"):
        with pytest.raises(ConnectionError, match=f"ldap localhost:{slapd.port}"):
            await log_in(scope, name)
    slapd.start()
    assert await succeeds(scope, ALICE)  # with connections that the dead server had left behind


@pytest.fixture
async def silent() -> AsyncIterator[int]:
    """A port where somebody listens and never says a word."""
    hearing: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hearing.append(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for writer in hearing:
        writer.close()


async def test_a_server_that_says_nothing_is_left_when_its_time_is_over(
    plugin_scope: PluginScope, slapd: Slapd, silent: int
) -> None:
    servers = [f"ldap://127.0.0.1:{silent}", f"ldaps://127.0.0.1:{silent}"]
    scope = await started(plugin_scope, slapd, servers=servers, timeout=0.05)
    with pytest.raises(ConnectionError, match=r"no answer within 0\.05 s.*no answer within 0\.05 s"):
        await log_in(scope, ALICE)


async def test_a_service_that_may_not_bind_is_a_failure_and_no_wrong_password(
    plugin_scope: PluginScope, slapd: Slapd
) -> None:
    scope = await started(plugin_scope, slapd, bind_password="outdated")
    with pytest.raises(ConnectionError, match="does not let cn=hub,dc=example,dc=test in"):
        await log_in(scope, ALICE)
    scope = await started(plugin_scope, slapd, base="dc=elsewhere,dc=test")
    with pytest.raises(ConnectionError, match="there is no entry 'dc=elsewhere,dc=test'"):
        await log_in(scope, ALICE)


# -- connections --------------------------------------------------------------------------------


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Connection]:
    """Every connection that was made."""
    made: list[Connection] = []
    real = Connection.connection_made

    def noting(self: Connection, transport: asyncio.BaseTransport) -> None:
        made.append(self)
        real(self, transport)

    monkeypatch.setattr(Connection, "connection_made", noting)
    return made


async def test_connections_are_used_again_and_no_more_are_opened_than_allowed(
    plugin_scope: PluginScope, slapd: Slapd, opened: list[Connection]
) -> None:
    scope = await started(plugin_scope, slapd, connections=2)
    for _ in range(5):
        assert await succeeds(scope, ALICE)
    assert len(opened) == 2  # one looks up, one logs in
    assert all(await asyncio.gather(*(succeeds(scope, ALICE) for _ in range(20))))
    assert len(opened) == 4


async def test_nobody_stays_logged_in_on_a_connection_that_is_used_again(
    plugin_scope: PluginScope, slapd: Slapd
) -> None:
    scope = await started(plugin_scope, slapd, connections=1)
    assert await succeeds(scope, ALICE)
    assert not await succeeds(scope, "bob", "wrong")
    answer = await log_in(scope, "bob")
    assert isinstance(answer, Identity)
    assert answer.login == "bob@example.test"


async def test_what_nobody_uses_is_closed(
    plugin_scope: PluginScope, slapd: Slapd, opened: list[Connection], manual_clock: ManualClock
) -> None:
    scope = await started(plugin_scope, slapd)
    scope.open_timers()
    assert await succeeds(scope, ALICE)
    await manual_clock.turn(IDLE / 2)
    assert all(each.is_open for each in opened)
    await manual_clock.turn(IDLE)
    assert not any(each.is_open for each in opened)
    assert await succeeds(scope, ALICE)
    await scope.close()
    assert not any(each.is_open for each in opened)


async def test_a_question_that_is_given_up_closes_its_connection(
    plugin_scope: PluginScope, slapd: Slapd, opened: list[Connection]
) -> None:
    scope = await started(plugin_scope, slapd)
    servers = scope.stash[SERVERS]
    asked = asyncio.Event()

    async def hang(connection: Connection) -> None:
        asked.set()
        await asyncio.Event().wait()

    asking = asyncio.create_task(servers.look_up(hang))
    await asked.wait()
    asking.cancel()
    await asyncio.wait([asking])
    assert not any(each.is_open for each in opened)
    assert scope.dependencies == {}  # it says nothing about the server


def test_nothing_secret_is_shown() -> None:
    settings = Settings(servers=("ldap://x",), base="dc=x", bind_dn="cn=x", bind_password=Secret("hush"))
    assert "hush" not in repr(settings)
