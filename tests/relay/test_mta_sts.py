"""The plugin mta-sts in a real hub, with policies on a real web server and names in a real DNS server."""

from __future__ import annotations

import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from hub import TlsPolicy
from hub.loading.sources import module_name
from hub.testing.clock import ManualClock
from hub.testing.http_peer import Answer, HttpPeer, http_peer
from hub.testing.running import RunningHub, running_hub
from tests.peers.authority import Authority
from tests.peers.knot import needs_knot, resolving

POLICY = "version: STSv1\r\nmode: enforce\r\nmx: mx.one.test\r\nmx: *.far.test\r\nmax_age: 604800\r\n"
NAMES = ("one.test", "other.test")


def said(text: str = POLICY, kind: str = "text/plain") -> Answer:
    return Answer(headers={"Content-Type": kind}, body=text)


@pytest.fixture(scope="module")
def nameserver() -> Iterator[str]:
    record = ['_mta-sts TXT "v=STSv1; id=20260101;"', "mta-sts A 127.0.0.1"]
    zones = {
        "one.test": record,
        "other.test": record,
        "two.test": [*record, '_mta-sts TXT "v=STSv1; id=2;"'],
        "none.test": ["mta-sts A 127.0.0.1"],
    }
    with resolving(zones) as address:
        yield address


@dataclass(frozen=True, slots=True)
class World:
    """A hub with the plugin, and the web server of all domains."""

    hub: RunningHub
    web: HttpPeer

    async def policy(self, host: str, domain: str = "one.test") -> TlsPolicy | None:
        """What the plugin demands of a server."""
        ask = self.hub.hub.loader.implementations("resolve_tls_policy")["mta-sts"]
        return cast("TlsPolicy | None", await ask(domain=domain, host=host, port=25))


@asynccontextmanager
async def world(
    folder: Path,
    nameserver: str,
    *answers: Answer,
    clock: ManualClock | None = None,
    names: tuple[str, ...] = NAMES,
) -> AsyncIterator[World]:
    authority = Authority(folder)
    context: ssl.SSLContext = authority.give(*(f"mta-sts.{name}" for name in names)).context()
    async with http_peer(*answers, usual=lambda _: said(), tls=context) as web:
        port = int(web.url.rpartition(":")[2])
        settings = {"trust": str(authority.path), "port": port, "refresh": "1h"}
        tables = {"dns": {"nameservers": [nameserver]}, "plugins": {"mta-sts": settings}}
        async with running_hub(folder, plugins=["mta-sts"], tables=tables, clock=clock, accounts=()) as hub:
            yield World(hub, web)


@needs_knot
@pytest.mark.proves(
    "sending: a domain's MTA-STS policy is fetched, kept, and decides which servers get its mail"
)
async def test_a_policy_is_fetched_once_and_says_who_takes_mail(tmp_path: Path, nameserver: str) -> None:
    async with world(tmp_path, nameserver) as there:
        found = await there.policy("mx.one.test")
        assert found is not None
        assert (found.kind, found.verify, found.names) == ("sts", "name", ("mx.one.test",))
        assert (found.enforced, found.fault) == (True, None)
        assert found.exchangers == ("mx.one.test", "*.far.test")
        far = await there.policy("a.far.test")
        assert far is not None
        assert far.fault is None
        for host in ("mx.elsewhere.test", "a.b.far.test", "far.test"):
            stray = await there.policy(host)
            assert stray is not None
            assert stray.fault is not None
            assert "does not name" in stray.fault.text
        (request,) = there.web.received
        assert request.path == "/.well-known/mta-sts.txt"


@needs_knot
async def test_a_kept_policy_outlives_its_web_server_and_a_restart_and_not_its_age(
    tmp_path: Path, nameserver: str
) -> None:
    clock = ManualClock()
    async with world(tmp_path, nameserver, said(POLICY.replace("604800", "7200")), clock=clock) as there:
        assert await there.policy("mx.one.test") is not None
    away = Answer(status=503)
    async with world(tmp_path, nameserver, *[away] * 3, clock=clock) as there:
        assert await there.policy("mx.one.test") is not None
        assert not there.web.received
        await clock.turn(3700)
        found = await there.policy("mx.one.test")
        assert found is not None
        assert found.enforced
        assert len(there.web.received) == 1
        await there.policy("mx.one.test")
        assert len(there.web.received) == 1  # it has just failed
        await clock.turn(3600)
        gone = await there.policy("mx.one.test")
        assert gone is not None
        assert (gone.enforced, gone.verify) == (False, "nothing")
        assert gone.fault is not None
        assert gone.fault.kind == "sts-policy-fetch-error"


@needs_knot
@pytest.mark.proves("sending: an MTA-STS policy is fetched anew before it ends, also while there is no mail")
async def test_a_policy_is_fetched_anew_without_being_asked_for(tmp_path: Path, nameserver: str) -> None:
    clock, age = ManualClock(), 7300
    text = POLICY.replace("604800", str(age))
    async with world(tmp_path, nameserver, *[said(text)] * 2, clock=clock) as there:

        async def refresh() -> None:
            """What the timer does, which a clock that leaps keeps from its lease."""
            plugin, module = there.hub.plugin("mta-sts"), sys.modules[module_name("mta-sts")]
            await plugin.stash[vars(module)["POLICIES"]].refresh()

        assert await there.policy("mx.one.test") is not None
        await refresh()
        assert len(there.web.received) == 1
        await clock.turn(3700)
        await refresh()
        assert len(there.web.received) == 2
        there.web.answers += [Answer(status=503)] * 9
        await there.hub.plugin("mta-sts").kv.set("u/one.test", None)  # as two months after the last mail
        await clock.turn(3700)
        await refresh()
        assert len(there.web.received) == 2
        assert clock.monotonic() > age, "what was fetched first is over"
        found = await there.policy("mx.one.test")
        assert found is not None
        assert found.enforced


@needs_knot
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(status=404), "sts-policy-fetch-error"),
        (Answer(status=302, headers={"Location": "https://mta-sts.one.test/"}), "sts-policy-fetch-error"),
        (said(kind="text/html"), "sts-policy-fetch-error"),
        (said("version: STSv2\nmode: enforce\nmx: a\nmax_age: 1\n"), "sts-policy-invalid"),
        (said(POLICY + "x" * 20_000), "sts-policy-invalid"),
    ],
)
async def test_what_is_no_policy_demands_nothing_and_is_told(
    tmp_path: Path, nameserver: str, answer: Answer, kind: str
) -> None:
    async with world(tmp_path, nameserver, answer) as there:
        found = await there.policy("mx.one.test")
    assert found is not None
    assert (found.verify, found.enforced) == ("nothing", False)
    assert found.fault is not None
    assert found.fault.kind == kind


@needs_knot
async def test_a_web_server_with_another_name_is_not_asked(tmp_path: Path, nameserver: str) -> None:
    async with world(tmp_path, nameserver, names=("other.test",)) as there:
        found = await there.policy("mx.one.test")
        assert found is not None
        assert found.fault is not None
        assert found.fault.kind == "sts-webpki-invalid"
        assert not there.web.received


@needs_knot
async def test_testing_is_not_enforced_and_none_is_nothing(tmp_path: Path, nameserver: str) -> None:
    testing, none = POLICY.replace("enforce", "testing"), "version: STSv1\nmode: none\nmax_age: 1\n"
    async with world(tmp_path, nameserver, said(testing), said(none)) as there:
        found = await there.policy("mx.elsewhere.test")
        assert found is not None
        assert not found.enforced
        assert found.fault is not None
        assert await there.policy("mx.elsewhere.test", "other.test") is None


@needs_knot
@pytest.mark.parametrize("domain", ["none.test", "two.test", "elsewhere.example", "[192.0.2.1]"])
async def test_who_publishes_nothing_or_two_records_has_no_policy(
    tmp_path: Path, nameserver: str, domain: str
) -> None:
    async with world(tmp_path, nameserver) as there:
        assert await there.policy("mx.one.test", domain) is None
        assert not there.web.received


async def test_dane_is_asked_first_whatever_the_order_of_plugins(tmp_path: Path) -> None:
    async with running_hub(tmp_path, plugins=["mta-sts", "dane"]) as hub:
        assert list(hub.hub.loader.implementations("resolve_tls_policy")) == ["dane", "mta-sts"]
