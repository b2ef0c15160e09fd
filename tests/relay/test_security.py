"""Mail goes only to servers that are as secure as they have to be, by real zones and certificates."""

from __future__ import annotations

import asyncio
import json
import os
import smtplib
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner

from hub import TlsOutcome
from hub.cli.main import main
from hub.testing.http_peer import Answer, Request, http_peer
from hub.testing.ports import free_port
from hub.testing.recorder import Recorder
from hub.testing.running import RunningHub, running_hub
from tests.peers.authority import Authority, Given, tlsa
from tests.peers.knot import Signed, needs_knot, resolving, signing
from tests.peers.sink import needs_sink, sinking
from tests.relay.hubs import rows, submit, tried, until
from tests.relay.test_sending import reports

pytestmark = [
    needs_knot,
    needs_sink,
    pytest.mark.skipif(os.geteuid() != 0, reason="mail goes to port 25, which only root can open"),
]

ZERO = "00" * 32


def loopback() -> str:
    """An address that no other test listens on: a free port says which."""
    port = free_port()
    return f"127.{port >> 8}.{port & 255}.25"


@dataclass(frozen=True, slots=True)
class World:
    """DNS as a hub sees it, and an authority. host: where the servers of all domains are."""

    dns: Signed
    authority: Authority
    given: Given
    host: str

    def tables(self, **relay: object) -> dict[str, object]:
        """The configuration of a hub that sends into it."""
        asking = {
            "nameservers": [self.dns.address],
            "trusted": False,
            "trust_anchors": list(self.dns.anchors),
        }
        return {"dns": asking, "relay": {"first_retry": "1h", **relay}}


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    """`secure.test` is signed and `plain.test` is not; the server of a name in them is `mx` below it."""
    authority, host = Authority(folder), loopback()
    names = [f"mx.{name}.secure.test" for name in ("ee", "ta", "sts")] + ["mx.open.plain.test"]
    given = authority.give(*names)
    root = authority.certificate
    records = {
        "ee": (tlsa(given.certificate, 3), tlsa(root, 1)),
        "whole": (tlsa(given.certificate, 3, 0, 2), f"TLSA 3 1 1 {ZERO}"),
        "wrong": (f"TLSA 3 1 1 {ZERO}",),
        "ta": (tlsa(root, 2, 0, 1),),
        "full": (tlsa(root, 2, 0, 0),),
        "unusable": (f"TLSA 1 1 1 {ZERO}",),
        "nothing": (),
    }
    zones = {
        ".": (),
        "test": (),
        "secure.test": _served(host, records),
        "plain.test": _served(host, {"open": (f"TLSA 3 1 1 {ZERO}",), "other": ()}),
    }
    with signing(zones, unsigned=("plain.test",)) as dns:
        yield World(dns, authority, given, host)


def _served(host: str, records: Mapping[str, Sequence[str]]) -> list[str]:
    lines = []
    for name, found in records.items():
        lines += [f"{name} MX 10 mx.{name}", f"mx.{name} A {host}"]
        lines += [f"_25._tcp.mx.{name} {each}" for each in found]
    return lines


@asynccontextmanager
async def receiving(folder: Path, there: World, *domains: str) -> AsyncIterator[RunningHub]:
    """A second hub, with a certificate, that takes mail for these domains."""
    tables = {
        "listeners": {
            "smtp": {"protocol": "smtp", "bind": [f"{there.host}:25"]},
            "imap": {"bind": ["127.0.0.1:0"], "protocol": "imap"},
        },
        "tls": {"certificate": str(there.given.chain), "key": str(there.given.key)},
    }
    folder.mkdir()
    accounts = [f"ann@{domain}" for domain in domains]
    async with running_hub(folder, tables=tables, accounts=accounts) as running:
        yield running


@asynccontextmanager
async def sending(folder: Path, tables: Mapping[str, object], *plugins: str) -> AsyncIterator[RunningHub]:
    Recorder(folder / "plugins.d")
    async with running_hub(folder, tables=tables, plugins=plugins) as running:
        yield running


def outcomes(running: RunningHub) -> dict[str, TlsOutcome]:
    """What came of connections, by domain."""
    calls = Recorder(running.folder / "unused").calls(running.hub.kernel.generations)
    told = [cast(TlsOutcome, call.arguments["outcome"]) for call in calls if call.hook == "tls_negotiated"]
    return {outcome.domain: outcome for outcome in told}


async def waiting(running: RunningHub) -> dict[str, str]:
    """What is left of the queue after each row was tried: domain → the last answer."""
    await until(partial(tried, running, 1))
    return {row.recipient.domain: row.reply for row in await rows(running)}


@pytest.mark.proves("sending: a server whose TLSA records (DANE) do not fit its certificate is given no mail")
async def test_dane_decides_who_is_given_mail(tmp_path: Path) -> None:
    good = [f"{name}.secure.test" for name in ("ee", "whole", "ta", "unusable", "nothing")] + [
        "open.plain.test"
    ]
    async with (
        world(tmp_path) as there,
        receiving(tmp_path / "there", there, *good, "wrong.secure.test", "full.secure.test"),
        sending(tmp_path / "here", there.tables(), "dane") as here,
    ):
        for domain in (*good, "wrong.secure.test", "full.secure.test"):
            await submit(here, f"ann@{domain}")
        left = await waiting(here)
        told = outcomes(here)
    assert left.keys() == {"wrong.secure.test", "full.secure.test"}
    assert left["wrong.secure.test"].startswith(
        "450 4.7.5 no TLS with mx.wrong.secure.test: its certificate fits none"
    )
    assert "is for mx.ee.secure.test" in left["full.secure.test"]  # the authority is right, the name is not
    faults = {domain: outcome.fault and outcome.fault.kind for domain, outcome in told.items()}
    assert faults == dict.fromkeys(good) | {
        "wrong.secure.test": "validation-failure",
        "full.secure.test": "certificate-host-mismatch",
    }
    kinds = {
        domain: outcome.policy and (outcome.policy.kind, outcome.policy.verify)
        for domain, outcome in told.items()
    }
    assert kinds["ee.secure.test"] == kinds["ta.secure.test"] == ("tlsa", "tlsa")
    assert kinds["unusable.secure.test"] == ("tlsa", "nothing")
    assert kinds["nothing.secure.test"] is kinds["open.plain.test"] is None


@pytest.mark.proves("sending: hub tls policy DOMAIN says what its servers have to show, and why")
async def test_what_would_be_asked_of_a_domain_is_explained_step_by_step(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        policy = {"nothing.secure.test": {"mode": "verified", "name": "mx.example"}}
        async with sending(tmp_path / "here", there.tables(tls_policy=policy), "dane") as here:

            def said(*words: str) -> str:
                command = ["-c", str(here.folder / "hub.toml"), "tls", "policy", *words]
                result = CliRunner().invoke(main, command)
                assert result.exit_code == 0, result.output
                return result.output

            signed, ruled, plain, missing = [
                await asyncio.to_thread(said, domain)
                for domain in (
                    "wrong.secure.test",
                    "nothing.secure.test",
                    "open.plain.test",
                    "no.secure.test",
                )
            ]
            as_json = json.loads(await asyncio.to_thread(said, "--json", "wrong.secure.test"))
    assert "wrong.secure.test MX: 10 mx.wrong.secure.test. (signed)" in signed
    assert f"_25._tcp.mx.wrong.secure.test TLSA: 3 1 1 {ZERO} (signed)" in signed
    fits = f"DANE: encrypted, with a certificate that fits 3 1 1 {ZERO}"
    assert signed.endswith(f"mx.wrong.secure.test:25: {fits}\n")
    assert as_json["policies"] == {"mx.wrong.secure.test:25": fits}
    assert "relay.tls_policy: nothing.secure.test: verified" in ruled
    assert ruled.endswith("the operator: encrypted, with a certificate of a known authority for mx.example\n")
    assert "open.plain.test MX: 10 mx.open.plain.test. (not signed)" in plain
    assert plain.endswith("mx.open.plain.test:25: encrypted if that works, and in the clear if not\n")
    assert "servers: 550 5.1.2 there is no domain no.secure.test" in missing


async def test_who_offers_no_tls_though_it_has_tlsa_records_is_given_no_mail(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        with sinking(tmp_path / "sink", host=there.host, port=25) as sink:
            async with sending(tmp_path / "here", there.tables(), "dane") as here:
                await submit(here, "ann@ee.secure.test")
                await submit(here, "ann@nothing.secure.test")
                await submit(here, "ann@wrong.secure.test", text="TLS-Required: No\r\n\r\nmust arrive\r\n")
                left = await waiting(here)
                told = outcomes(here)
        taken = sink.messages()
    assert left == {"ee.secure.test": "450 4.7.10 no TLS with mx.ee.secure.test: it does not offer STARTTLS"}
    assert len(taken) == 2  # RFC 8689 §5 for the second
    assert {each.fault and each.fault.kind for each in told.values()} == {"starttls-not-supported"}


async def test_what_cannot_be_looked_up_is_not_trusted(tmp_path: Path) -> None:
    """The clock of the hub's resolver is right, that of its zones is not."""
    async with world(tmp_path) as there:
        tables = there.tables()
        asking = cast("dict[str, object]", tables["dns"])
        asking["trust_anchors"] = [f"secure.test. DS 1 13 2 {ZERO}"]
        async with sending(tmp_path / "here", tables, "dane") as here:
            await submit(here, "ann@ee.secure.test")
            left = await waiting(here)
    assert left["ee.secure.test"].startswith("450 4.4.3 DNS does not say where mail for ee.secure.test goes")


@pytest.mark.proves("sending: the operator says how a domain's servers have to be met")
async def test_the_operators_word_goes_before_what_is_published(tmp_path: Path) -> None:
    async with (
        world(tmp_path) as there,
        receiving(tmp_path / "there", there, "wrong.secure.test", "ta.secure.test"),
    ):
        policy = {
            "wrong.secure.test": {"mode": "opportunistic"},
            ".secure.test": {"mode": "verified"},
            "*": {"mode": "encrypted"},
        }
        trusting = there.tables(tls_policy=policy, trust=str(there.authority.path))
        async with sending(tmp_path / "here", trusting, "dane") as here:
            await submit(here, "ann@wrong.secure.test")
            await submit(here, "ann@ta.secure.test")
            await submit(here, "ann@nothing.secure.test")
            left = await waiting(here)
            assert left.keys() == {"nothing.secure.test"}
            assert "its certificate is refused" in left["nothing.secure.test"]
            fault = outcomes(here)["nothing.secure.test"].fault
            assert fault is not None
            assert fault.kind == "certificate-host-mismatch"
        async with sending(tmp_path / "again", there.tables(tls_policy=policy), "dane") as here:
            await submit(here, "ann@ta.secure.test")
            await waiting(here)
            fault = outcomes(here)["ta.secure.test"].fault
            assert fault is not None
            assert fault.kind == "certificate-not-trusted"


def encrypted(running: RunningHub, there: World, *to: str) -> None:
    """Hand in mail as Alice that has to be protected on its whole way."""
    with smtplib.SMTP("127.0.0.1", running.port("submission"), timeout=30) as client:
        client.starttls(context=ssl._create_unverified_context())
        client.ehlo("client.example.test")
        assert client.has_extn("REQUIRETLS")
        client.login("alice@example.test", "demo")
        assert client.mail("alice@example.test", ["REQUIRETLS"])[0] == 250
        for each in to:
            assert client.rcpt(each)[0] == 250
        assert client.data(b"Subject: secret\r\n\r\nsecret\r\n")[0] == 250


@pytest.mark.proves("sending: mail with REQUIRETLS goes only to who promises to protect it, or comes back")
async def test_mail_that_has_to_be_protected_goes_on_protected_or_comes_back(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        tables = there.tables(trust=str(there.authority.path)) | {
            "tls": {"certificate": str(there.given.chain), "key": str(there.given.key)}
        }
        async with (
            receiving(tmp_path / "there", there, "ta.secure.test", "open.plain.test") as far,
            sending(tmp_path / "here", tables, "dane") as here,
        ):
            await asyncio.to_thread(encrypted, here, there, "ann@ta.secure.test")
            await asyncio.to_thread(encrypted, here, there, "ann@open.plain.test")
            (report,) = await reports(here)
            assert len(await far.mailbox(user="ann@ta.secure.test")) == 1
    assert "5.7.30" in report.as_string()
    assert "nobody vouches for its being the domain's server" in report.as_string()


async def test_requiretls_is_offered_and_taken_only_under_tls(tmp_path: Path) -> None:
    given = Authority(tmp_path).give("localhost")
    tables = {"tls": {"certificate": str(given.chain), "key": str(given.key)}}
    async with running_hub(tmp_path, tables=tables) as running:

        def plain(client: smtplib.SMTP) -> tuple[bool, int]:
            client.ehlo("client.example.test")
            return client.has_extn("REQUIRETLS"), client.mail("a@far.example", ["REQUIRETLS"])[0]

        assert await running.smtp(plain) == (False, 530)


def test_an_expired_certificate_of_an_authority_counts_and_one_by_itself_does_not(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    from hub.mail.tls import Tlsa
    from hub.relay.tlsa import fault_of

    authority = Authority(tmp_path)
    given = authority.give("mx.test", lasting=timedelta(days=-1))
    chain = [each.public_bytes(Encoding.DER) for each in (given.certificate, authority.certificate)]

    def record(text: str) -> Tlsa:
        _, *numbers, data = text.split()
        return Tlsa(*map(int, numbers), bytes.fromhex(data))  # type: ignore[call-arg, arg-type]

    assert fault_of([record(tlsa(given.certificate, 3))], ["mx.test"], chain) is None
    fault = fault_of([record(tlsa(authority.certificate, 2))], ["mx.test"], chain)
    assert fault is not None
    assert fault.kind == "certificate-expired"
    other = Authority(tmp_path, "Other")
    fault = fault_of([record(tlsa(other.certificate, 2, 0, 0))], ["mx.test"], chain)
    assert fault is not None
    assert fault.kind == "certificate-not-trusted"


async def test_a_published_policy_decides_who_is_given_mail(tmp_path: Path) -> None:
    authority, host = Authority(tmp_path), loopback()
    given = authority.give("mx.good.test", "mta-sts.good.test", "mta-sts.stray.test", "mta-sts.tried.test")
    policy = "version: STSv1\nmode: {}\nmx: mx.good.test\nmax_age: 86400\n"
    modes = {"good": "enforce", "stray": "enforce", "tried": "testing"}
    zones = {
        f"{name}.test": ["@ MX 10 mx", f"mx A {host}", "mta-sts A 127.0.0.1", '_mta-sts TXT "v=STSv1; id=1"']
        for name in modes
    }

    def answer(request: Request) -> Answer:
        mode = modes[request.headers["host"].split(".")[1]]
        return Answer(headers={"Content-Type": "text/plain"}, body=policy.format(mode))

    async with http_peer(usual=answer, tls=given.context()) as web:
        with resolving(zones) as nameserver:
            there = World(Signed(nameserver, ()), authority, given, host)
            port = int(web.url.rpartition(":")[2])
            tables = {
                "dns": {"nameservers": [nameserver]},
                "relay": {"trust": str(authority.path), "first_retry": "1h"},
                "plugins": {"mta-sts": {"trust": str(authority.path), "port": port}},
            }
            async with (
                receiving(tmp_path / "there", there, *zones),
                sending(tmp_path / "here", tables, "mta-sts", "dane") as here,
            ):
                for domain in zones:
                    await submit(here, f"ann@{domain}")
                left = await waiting(here)
                told = outcomes(here)
    said = "450 4.7.5 no TLS with mx.stray.test: the policy of stray.test does not name mx.stray.test"
    assert left.keys() == {"stray.test"}
    assert left["stray.test"].startswith(said)
    assert {domain: outcome.fault and outcome.fault.kind for domain, outcome in told.items()} == {
        "good.test": None,
        "stray.test": "validation-failure",
        "tried.test": "validation-failure",
    }
