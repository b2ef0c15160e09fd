"""The plugin mail-auth in a hub that asks a real DNS server."""

from __future__ import annotations

import asyncio
import json
import smtplib
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from hub import ArcResult, hash_body, seal_arc, sign_dkim
from hub.cli.main import main
from hub.testing.clock import ManualClock
from hub.testing.dialogue import dialogue
from hub.testing.running import PASSWORD, RunningHub, running_hub
from tests.mailauth.signing import NOW, key, message_of, txt
from tests.peers.knot import needs_knot, resolving

pytestmark = needs_knot

CLIENT, OTHER = "127.0.0.7", "127.0.0.8"
HEAD = (
    "From: Bob <bob@{0}>\r\nTo: alice@example.test\r\nSubject: Dinner\r\n"
    "Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n"
)
RUA = "rua=mailto:reports@reject.test"
READER = '''
"""What another check reads of the results."""
from hub import Finding, auth_results, hookimpl


@hookimpl
async def check_message(envelope):
    found = await auth_results(envelope.stash)
    return Finding(headers=(("X-Read", " ".join(f"{each.method}={each.result}" for each in found)),))
'''


def zone(policy: str, *more: str) -> list[str]:
    return [f'@ TXT "v=spf1 ip4:{CLIENT} -all"', "@ A 192.0.2.1", f'_dmarc TXT "v=DMARC1; {policy}"', *more]


def dkim() -> list[str]:
    return [f"ed25519._domainkey {txt(key('ed25519').record)}"]


@pytest.fixture(scope="module")
def nameserver() -> Iterator[str]:
    zones = {
        "reject.test": zone(f"p=reject; {RUA}", *dkim()),
        "quarantine.test": zone("p=quarantine"),
        "none.test": zone("p=none", *dkim()),
        "list.test": zone("p=none", *dkim()),
        "test": [],  # where the walk ends
        "0.0.127.in-addr.arpa": ["7 PTR mail.none.test."],
    }
    zones["none.test"].append(f"mail A {CLIENT}")
    with resolving(zones) as address:
        yield address


def hub_with(
    folder: Path, nameserver: str, *, clock: ManualClock | None = None, **settings: object
) -> AbstractAsyncContextManager[RunningHub]:
    tables = {
        "plugins": {"mail-auth": {"exempt": ["127.0.0.1"], **settings}},
        "dns": {"nameservers": [nameserver]},
        "checks": {"junk_score": 50, "reject_score": 100},
    }
    return running_hub(folder, plugins=["mail-auth"], tables=tables, clock=clock or ManualClock(NOW))


async def send(
    hub: RunningHub,
    author: str,
    *,
    sender: str | None = None,
    source: str = CLIENT,
    head: str = "",
    message: str = "",
) -> str:
    """The reply to the message, of a client at that address."""
    path = f"bob@{author}" if sender is None else sender
    text = message or f"{head}{HEAD.format(author)}\r\nAt eight?\r\n"
    lines = [f"MAIL FROM:<{path}>", "RCPT TO:<alice@example.test>", "DATA", f"{text}."]
    said = await dialogue(hub.port(), ["EHLO mail.none.test", *lines], source=source)
    return said[-1]


async def signed(author: str, domain: str) -> str:
    message = message_of(f"{HEAD.format(author)}\r\nAt eight?\r\n".encode())
    [body] = await hash_body(message)
    return sign_dkim(message, key("ed25519"), domain, "ed25519", NOW, body)


def results(stored: bytes) -> list[str]:
    """The parts of our field, each on one line."""
    text = stored.decode()
    value = text.partition("Authentication-Results: mail.example.test;")[2]
    end = value.index("\r\n", value.index("dmarc="))
    return [" ".join(part.split()) for part in value[:end].split(";")]


@pytest.mark.proves(
    "mail authentication: SPF, DKIM, ARC, DMARC and reverse DNS, written as Authentication-Results"
)
async def test_what_is_found_stands_on_top(tmp_path: Path, nameserver: str) -> None:
    async with hub_with(tmp_path, nameserver, received_spf=True) as hub:
        head = await signed("reject.test", "reject.test")
        assert (await send(hub, "reject.test", head=head)).startswith("250")
        (stored,) = await hub.mailbox()
        found = results(stored)
        assert found[:3] == [
            "iprev=pass reason=mail.none.test policy.iprev=127.0.0.7",
            f'spf=pass reason="ip4:{CLIENT}" smtp.mailfrom=bob@reject.test',
            "dkim=pass header.d=reject.test header.s=ed25519 header.a=ed25519-sha256 header.b="
            + found[2].rpartition("=")[2],
        ]
        assert found[3].startswith("dmarc=pass header.from=reject.test policy.dmarc=none")
        assert f'Received-SPF: pass client-ip="{CLIENT}"'.encode() in stored


@pytest.mark.proves(
    "mail authentication: a failed DMARC is refused, goes to Junk or is delivered, as the domain wants"
)
async def test_what_the_domain_wants_is_done(tmp_path: Path, nameserver: str) -> None:
    async with hub_with(tmp_path, nameserver) as hub:
        refusal = "554 5.7.26 reject.test wants no mail taken that neither SPF nor DKIM shows to be its own"
        assert await send(hub, "reject.test", source=OTHER) == refusal
        assert await send(hub, "sub.reject.test", source=OTHER, sender="x@none.test") == refusal.replace(
            "reject.test", "sub.reject.test", 1
        )
        assert (await send(hub, "quarantine.test", source=OTHER)).startswith("250")
        assert (await send(hub, "none.test", source=OTHER)).startswith("250")
        assert (
            await send(hub, "reject.test", source=OTHER, head=await signed("reject.test", "reject.test"))
        ).startswith("250")
        assert [len(await hub.mailbox(name)) for name in ("INBOX", "Junk")] == [2, 1]
    settings: dict[str, Any] = {"quarantine": "quarantine", "organization": "public-suffix-list"}
    async with hub_with(tmp_path / "other", nameserver, **settings) as hub:
        assert (await send(hub, "a.b.quarantine.test", source=OTHER)).startswith("250")
        assert len(await hub.mailbox("Quarantine")) == 1


@pytest.mark.parametrize(("policy", "score"), [("score", b"score +6"), ("headers", b"score +0")])
async def test_the_operator_may_only_score_or_only_write(
    tmp_path: Path, nameserver: str, policy: str, score: bytes
) -> None:
    async with hub_with(tmp_path, nameserver, policy=policy) as hub:
        assert (await send(hub, "reject.test", source=OTHER)).startswith("250")
        (stored,) = await hub.mailbox()
        assert score in stored  # SPF 3, DMARC 2, no name in DNS 1
        assert "dmarc=fail" in " ".join(results(stored))


async def test_spf_alone_refuses_if_the_operator_wants(tmp_path: Path, nameserver: str) -> None:
    async with hub_with(tmp_path, nameserver, spf_fail="reject") as hub:
        said = await send(hub, "none.test", source=OTHER)
        assert said == f"554 5.7.23 the domain of the sender does not let {OTHER} send its mail"
        head = await signed("none.test", "none.test")
        assert (await send(hub, "none.test", source=OTHER, head=head)).startswith("250"), "DMARC passes"


async def test_a_known_list_passes_on_mail_of_others(tmp_path: Path, nameserver: str) -> None:
    async with hub_with(tmp_path, nameserver, mailing_lists=["list.test"]) as hub:
        assert (await send(hub, "reject.test", sender="owner@list.test")).startswith("250")
        forged = await send(hub, "reject.test", sender="owner@list.test", source=OTHER)
        assert forged.startswith("554 5.7.26"), "SPF does not show that it is the list"
        head = await signed("reject.test", "list.test")
        assert (await send(hub, "reject.test", source=OTHER, head=head)).startswith("250"), "DKIM does"
        assert len(await hub.mailbox()) == 2


@pytest.mark.proves(
    "mail authentication: forwarded mail is excused by the ARC seals of those whom the operator believes"
)
async def test_a_believed_sealer_saw_it_pass(tmp_path: Path, nameserver: str) -> None:
    async def sealed(found: str) -> str:
        message = message_of(f"{HEAD.format('reject.test')}\r\nAt eight?\r\n".encode())
        [body] = await hash_body(message)
        return seal_arc(
            message,
            key("ed25519"),
            "list.test",
            "ed25519",
            NOW,
            body,
            chain=ArcResult("none"),
            auth_results=f"list.test; {found}",
        )

    passed, failed = await sealed("dmarc=pass header.from=reject.test"), await sealed("dmarc=fail")
    async with hub_with(tmp_path, nameserver, sealers=["list.test"]) as hub:
        assert (await send(hub, "reject.test", source=OTHER, head=passed)).startswith("250")
        assert (await send(hub, "reject.test", source=OTHER, head=failed)).startswith("554")
    async with hub_with(tmp_path / "nobody", nameserver) as hub:
        assert (await send(hub, "reject.test", source=OTHER, head=passed)).startswith("554")


@pytest.mark.proves("mail authentication: results that strangers bring in the hub's own name are removed")
async def test_nobody_else_speaks_in_our_name(tmp_path: Path, nameserver: str) -> None:
    forged = (
        "Authentication-Results: mail.example.test; dmarc=pass header.from=forged.test\r\n"
        "authentication-results : (x)\r\n\tMAIL.example.test 1;\r\n dkim=pass header.d=forged.test\r\n"
        "Authentication-Results: other.test; spf=pass smtp.helo=kept.test\r\n"
    )
    async with hub_with(tmp_path, nameserver) as hub:
        assert (await send(hub, "none.test", head=forged)).startswith("250")
        (stored,) = await hub.mailbox()
        assert b"forged.test" not in stored
        assert stored.count(b"kept.test") == 1
        assert stored.endswith(b"\r\n\r\nAt eight?\r\n")
        assert "dkim=none" in results(stored)

        assert (await send(hub, "none.test", head=forged, source="127.0.0.1")).startswith("250")
        assert b"forged.test" in (await hub.mailbox())[-1], "loopback is exempt"


async def test_users_are_not_judged_and_do_not_speak_in_our_name(tmp_path: Path, nameserver: str) -> None:
    def submit(client: smtplib.SMTP) -> int:
        client.login("alice@example.test", PASSWORD)
        for line in ("MAIL FROM:<alice@example.test>", "RCPT TO:<alice@example.test>"):
            assert client.docmd(line)[0] == 250
        head = "Authentication-Results: mail.example.test; dmarc=pass header.from=forged.test\r\n"
        return client.data(f"{head}From: alice@example.test\r\n\r\nhi\r\n")[0]

    async with hub_with(tmp_path, nameserver, exempt=[]) as hub:
        assert await hub.smtp(submit, "submission") == 250
        (stored,) = await hub.mailbox()
        assert b"Authentication-Results" not in stored


async def test_no_author_is_scored_and_accepted(tmp_path: Path, nameserver: str) -> None:
    async with hub_with(tmp_path, nameserver, scores={"dmarc=permerror": 60}) as hub:
        assert (await send(hub, "none.test", message="Subject: nobody\r\n\r\nhello\r\n")).startswith("250")
        (stored,) = await hub.mailbox("Junk")
        assert b'dmarc=permerror reason="there is no From"' in stored


async def test_other_checks_read_the_results(tmp_path: Path, nameserver: str) -> None:
    folder = tmp_path / "plugins.d"
    folder.mkdir(mode=0o700)
    (folder / "reader.py").write_text(READER)
    async with hub_with(tmp_path, nameserver) as hub:
        assert (await send(hub, "none.test")).startswith("250")
        assert (await send(hub, "none.test", source="127.0.0.1")).startswith("250")
        judged, exempt = await hub.mailbox()
        assert b"X-Read: iprev=pass spf=pass dkim=none dmarc=pass\r\n" in judged
        assert b"X-Read: \r\n" in exempt


async def test_mail_of_domains_that_want_reports_is_counted(tmp_path: Path, nameserver: str) -> None:
    from hub_plugin_mail_auth.tables import METADATA, REPORT

    clock = ManualClock(NOW)
    async with hub_with(tmp_path, nameserver, clock=clock) as hub:
        for _ in range(2):
            await send(hub, "reject.test", source=OTHER)
        await send(hub, "reject.test")
        await send(hub, "none.test")
        await clock.turn(60)
        tables = await hub.plugin("mail-auth").tables(METADATA)
        query = select(REPORT).order_by(REPORT.c.messages)
        for _ in range(100):
            rows = await tables.read(lambda db: list(db.execute(query)))
            if rows:
                break
            await asyncio.sleep(0.02)
        passed, failed = rows
        assert (passed.source_ip, passed.messages, passed.disposition) == (CLIENT, 1, "none")
        assert (failed.source_ip, failed.messages, failed.disposition) == (OTHER, 2, "reject")
        assert (failed.domain, failed.header_from, failed.envelope_from) == (("reject.test",) * 3)
        assert json.loads(failed.results)["spf"] == {
            "domain": "reject.test",
            "scope": "mailfrom",
            "result": "fail",
        }
        assert (passed.spf_aligned, passed.dkim_aligned, failed.spf_aligned) == (True, False, False)


@pytest.mark.proves("mail authentication: `hub explain spf | dmarc | iprev` walks through an evaluation")
async def test_an_evaluation_is_explained(tmp_path: Path, nameserver: str) -> None:
    async with hub_with(tmp_path, nameserver) as hub:
        await send(hub, "none.test")
        (stored,) = await hub.mailbox()
        (tmp_path / "mail.eml").write_bytes(stored)

        async def explained(*words: str) -> str:
            command = ["--config", str(hub.folder / "hub.toml"), "explain", *words]
            found = await asyncio.to_thread(CliRunner().invoke, main, command)
            assert found.exit_code == 0, found.output
            return found.output

        said = await explained("spf", CLIENT, "bob@none.test", "mail.none.test")
        assert said.splitlines() == [
            f"may {CLIENT} send for bob@none.test?",
            f"  none.test says 'v=spf1 ip4:{CLIENT} -all'",
            f"  ip4:{CLIENT}: matches",
            "pass",
        ]
        assert (await explained("spf", str(tmp_path / "mail.eml"))) == said
        assert "pass" in await explained("iprev", CLIENT)
        told = await explained("dmarc", str(tmp_path / "mail.eml"))
        assert "the author is of none.test" in told
        assert "\tdmarc=pass header.from=none.test" in told
        assert "dmarc=fail" in await explained("dmarc", "--ip", OTHER, str(tmp_path / "mail.eml"))
