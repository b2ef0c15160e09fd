"""The contract of plugins that answer `authenticate`.

class TestLdapLogins(AuthenticationContract):
    @pytest.fixture
    async def source(self, tmp_path, slapd):
        async with running_hub(tmp_path, plugins=["auth-ldap"], tables=…) as hub:
            yield AuthenticationSource(hub, "auth-ldap", …)
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import pytest

from hub.mail.address import Address
from hub.mail.login import Credentials, Identity
from hub.sasl.login import Refused, Unavailable, authenticate
from hub.smtp.session import SmtpSession
from hub.testing.running import RunningHub
from hub.trace.record import Trace

GIVEN_UP: Final = 20
PATIENCE: Final = 10.0
HOSTILE: Final = (
    *(" ", "*", "@", "\0", "a\0", "\r\n", "\ud800", "\ufeff", "ålice", "a" * 1_000_000),
    *("*)(uid=*", "*)(objectClass=*", "x)(|(mail=*", "x,dc=example", "x+uid=*", "\\2a", "\\", '"', "#04"),
    *("' OR '1'='1", "'; DROP TABLE directory_account; --", "%00", "%s", "{login}", "{0}", "${x}", "../x"),
)
"""What nobody's name or secret is, whatever a source makes of it."""


@dataclass(frozen=True, slots=True)
class AuthenticationSource:
    """What the tests of a plugin give: a hub in which it works, and what it is asked.

    address, name, secret: of somebody who is there, and what they log in by. make: credentials of the
    plugin's kind from a name and a secret. wrong, unknown, disabled: credentials that are refused: of the
    same person, of nobody, and true ones of an account that is disabled. stop, start: the source that the
    plugin asks, such as a server. work: how often what is costly was done so far, by its name. settings: two
    tables of the plugin that work, the first being the one that it has.
    """

    hub: RunningHub
    plugin: str
    address: Address
    name: str
    secret: str
    make: Callable[[str, str], Credentials]
    wrong: Credentials
    unknown: Credentials
    disabled: Credentials
    stop: Callable[[], Awaitable[None]]
    start: Callable[[], Awaitable[None]]
    work: Callable[[], Mapping[str, int]]
    settings: tuple[Mapping[str, object], Mapping[str, object]]

    @property
    def right(self) -> Credentials:
        """What logs in."""
        return self.make(self.name, self.secret)

    async def ask(self, credentials: Credentials) -> Identity | Refused | Unavailable:
        """Log in as protocols do, past all that is the protocol's."""
        # One session for all: failures of one count once, so that no breaker opens in between.
        session = SmtpSession(
            "contract", "submission", "submission", ("127.0.0.1", 4711), ("127.0.0.1", 587), None
        )
        return await authenticate(self.hub.hub.kernel, session, Trace("contract"), credentials)

    async def lets_in(self) -> bool:
        """Whether who may log in does."""
        answer = await self.ask(self.right)
        return isinstance(answer, Identity) and answer.address == self.address


class AuthenticationContract:
    """Inherit it and give `source`."""

    @pytest.fixture
    async def source(self) -> AuthenticationSource:
        raise NotImplementedError("the contract is inherited, with a fixture of its own")

    async def test_the_right_credentials_lead_into_the_mailbox_of_their_address(
        self, source: AuthenticationSource
    ) -> None:
        answer = await source.ask(source.right)
        assert isinstance(answer, Identity)
        assert answer.address == source.address
        resolution = await source.hub.hub.kernel.services.directory.resolve(source.address)
        assert resolution is not None
        assert [account.ref for account in resolution.accounts] == [answer.account]
        account = await source.hub.hub.kernel.services.directory.account(answer.login)
        assert account is not None
        assert account.ref == answer.account

    async def test_others_are_refused(self, source: AuthenticationSource) -> None:
        for credentials in (source.wrong, source.unknown, source.disabled) * 2:  # whatever is remembered
            assert isinstance(await source.ask(credentials), Refused), credentials
        assert await source.lets_in()

    async def test_a_hostile_name_is_nobodys_and_no_failure(self, source: AuthenticationSource) -> None:
        for text in HOSTILE:
            answer = await source.ask(source.make(text, source.secret))
            assert isinstance(answer, Refused), text[:100]
            for name in (text + source.name, source.name + text):
                answer = await source.ask(source.make(name, source.secret))
                # Some sources do not tell a name from one with a blank before it.
                is_theirs = isinstance(answer, Identity) and answer.address == source.address
                assert is_theirs or isinstance(answer, Refused), name[:100]
        assert await source.lets_in()

    async def test_a_hostile_secret_is_wrong_and_no_failure(self, source: AuthenticationSource) -> None:
        for secret in ("", *HOSTILE):
            answer = await source.ask(source.make(source.name, secret))
            assert isinstance(answer, Refused), secret[:100]
        assert await source.lets_in()

    async def test_an_unknown_name_is_as_much_work_as_a_wrong_secret(
        self, source: AuthenticationSource
    ) -> None:
        await source.ask(source.right)  # what is done once only is done
        spent = []
        for credentials in (source.unknown, source.wrong):
            before = Counter(source.work())
            assert isinstance(await source.ask(credentials), Refused)
            spent.append(Counter(source.work()) - before)
        assert spent[0] == spent[1]
        assert spent[0]

    async def test_a_dead_source_is_unavailable_and_no_wrong_password(
        self, source: AuthenticationSource
    ) -> None:
        assert await source.lets_in()
        await source.stop()
        try:
            for credentials in (source.right, source.wrong, source.unknown):
                assert await source.ask(credentials) == Unavailable()
        finally:
            await source.start()
        assert await source.lets_in()
        assert isinstance(await source.ask(source.wrong), Refused)

    async def test_a_login_that_is_given_up_leaves_nothing_behind(self, source: AuthenticationSource) -> None:
        assert await source.lets_in()
        before = _open()
        for number in range(GIVEN_UP):
            asking = asyncio.create_task(source.ask(source.right))
            await asyncio.sleep(number / 2000)  # wherever that is on its way
            asking.cancel()
            await asyncio.wait([asking])
        async with asyncio.timeout(PATIENCE):
            while _more_than(before):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)  # a socket is closed by the loop, in a turn of its own
        assert await source.lets_in()

    async def test_logins_go_on_while_the_plugin_is_replaced(self, source: AuthenticationSource) -> None:
        answers: list[bool] = []
        stopping = asyncio.Event()

        async def log_in_again_and_again() -> None:
            while not stopping.is_set():
                answers.append(await source.lets_in())
                await asyncio.sleep(0)

        going = asyncio.create_task(log_in_again_and_again())
        for number in range(1, 4):
            before = source.hub.hub.kernel.generations.current.plugins[source.plugin]
            await source.hub.configure(source.plugin, source.settings[number % 2])
            assert source.hub.hub.kernel.generations.current.plugins[source.plugin] is not before
        stopping.set()
        await going
        assert len(answers) > 3
        assert all(answers)
        assert await source.lets_in()


def _open() -> tuple[int, int]:
    """How many tasks there are, and sockets."""
    sockets = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            sockets += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
        except OSError:  # it was the listing's own
            continue
    return len(asyncio.all_tasks()), sockets


def _more_than(before: tuple[int, int]) -> bool:
    return any(now > then for now, then in zip(_open(), before, strict=True))
