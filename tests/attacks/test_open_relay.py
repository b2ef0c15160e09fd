"""Who may send what to whom: every listener, logged in or not, every kind of sender and recipient."""

from __future__ import annotations

import asyncio
import base64
import itertools
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import pytest

from hub import Address, Alias, DirectoryAdmin
from hub.config.tables.tls import TlsTable
from hub.testing.running import PASSWORD, RunningHub, running_hub
from tests.attacks.conftest import PROXIED
from tests.conftest import Client

ALICE: Final = "alice@example.test"
SENDERS: Final = {
    "her own address": ALICE,
    "her own address with a detail": "alice+list@example.test",
    "somebody else here": "bob@example.test",
    "nobody here": "nobody@example.test",
    "somebody elsewhere": "eve@elsewhere.example",
    "nobody, for a notification": "",
}
RECIPIENTS: Final = {
    "somebody here": "bob@example.test",
    "an alias that leads elsewhere": "away@example.test",
    "nobody here": "nobody@example.test",
    "somebody elsewhere": "ann@elsewhere.example",
    "an address below ours": "bob@mail.example.test",
    "an address literal": "bob@[192.0.2.1]",
}
TRICKS: Final = (
    # What made relays of other servers: their own rules for what an address means (RFC 5321 §3.6, §4.1.2).
    *("ann%elsewhere.example@example.test", "ann%elsewhere.example", "elsewhere.example!ann@example.test"),
    *(
        "elsewhere.example!ann",
        "@example.test:ann@elsewhere.example",
        "@example.test,@b.example:ann@e.example",
    ),
    *(
        '"ann@elsewhere.example"@example.test',
        '"ann@elsewhere.example"',
        '"ann%elsewhere.example"@example.test',
    ),
    *("ann@elsewhere.example@example.test", "bob+ann@elsewhere.example@example.test", "bob@example.test."),
    *(
        "bob+ann%elsewhere.example@example.test",
        '"bob@example.test" <ann@elsewhere.example>',
        "ann@elsewhere",
    ),
    *(
        "example.test!elsewhere.example!ann@elsewhere.example",
        "ann@[127.0.0.1]",
        "ann@[IPv6:::1]",
        "ann@127.0.0.1",
    ),
    *(
        "ann@localhost",
        "ann@[elsewhere.example]",
        "ann@example.test@elsewhere.example",
        "ann@EXAMPLE.TEST.evil.example",
    ),
    *(
        "ann@example.test\x00@elsewhere.example",
        "ann@example.test,eve@elsewhere.example",
        "ann:elsewhere@example.test",
    ),
    *(
        "ann@xn--exmple-cua.test",
        "ann@example。test.elsewhere.example",
        "=?utf-8?q?ann=40elsewhere.example?=@example.test",
    ),
)


@dataclass(frozen=True)
class Way:
    """How somebody comes in. far: from another machine; name: of the listener."""

    name: str
    protocol: str
    logged_in: bool = False
    far: bool = False

    @property
    def mail(self) -> dict[str, int]:
        """The answer to MAIL by each kind of sender."""
        if self.protocol == "submission" and not self.logged_in:
            return dict.fromkeys(SENDERS, 530)
        if not self.logged_in:
            return dict.fromkeys(SENDERS, 250)
        own = ("her own address", "her own address with a detail", "nobody, for a notification")
        return {kind: 250 if kind in own else 553 for kind in SENDERS}

    @property
    def rcpt(self) -> dict[str, int]:
        """The answer to RCPT for each kind of recipient."""
        elsewhere = 250 if self.logged_in else 550
        return {
            "somebody here": 250,
            "an alias that leads elsewhere": 250,  # the operator's own wish
            "nobody here": 550,
            "somebody elsewhere": elsewhere,
            "an address below ours": elsewhere,
            "an address literal": elsewhere,
        }


WAYS: Final = (
    Way("smtp", "smtp"),
    Way("smtp-6", "smtp"),
    Way("far-smtp", "smtp", far=True),
    Way("submission", "submission"),
    Way("submission", "submission", logged_in=True),
    Way("submission-6", "submission", logged_in=True),
    Way("far-submission", "submission", far=True),
    Way("far-submission", "submission", logged_in=True, far=True),
    Way("lmtp", "lmtp"),
    Way("lmtp-6", "lmtp"),
    Way("lmtp-unix", "lmtp"),
)


@pytest.fixture
async def hub(tmp_path: Path, certificate: TlsTable) -> AsyncIterator[RunningHub]:
    listeners: dict[str, object] = {
        "lmtp-closed": {"protocol": "lmtp", "bind": ["127.0.0.1:0"], "trusted": ["192.0.2.0/24"]}
    }
    listeners["imap"] = {"protocol": "imap", "bind": ["127.0.0.1:0"]}
    for protocol in ("smtp", "submission", "lmtp"):
        listeners[protocol] = {"protocol": protocol, "bind": ["127.0.0.1:0"]}
        listeners[f"{protocol}-6"] = {"protocol": protocol, "bind": ["[::1]:0"]}
        listeners[f"far-{protocol}"] = {
            "protocol": protocol, "bind": ["127.0.0.1:0"], "proxy_protocol": ["127.0.0.1"],
        }  # fmt: skip
    listeners["lmtp-unix"] = {"protocol": "lmtp", "bind": [f"unix:{tmp_path}/lmtp"]}
    tables = {
        "listeners": listeners,
        "tls": {"certificate": str(certificate.certificate), "key": str(certificate.key)},
        "smtp": {"max_errors": 10_000, "max_commands": 100_000},
    }
    async with running_hub(tmp_path, tables=tables) as hub:
        directory = cast(DirectoryAdmin, hub.hub.kernel.services.directory)
        away, ann = Address("away", "example.test"), Address("ann", "elsewhere.example")
        await directory.add_alias(Alias(away, (ann,)))
        yield hub


@asynccontextmanager
async def coming(hub: RunningHub, way: Way, context: ssl.SSLContext) -> AsyncIterator[Client]:
    """Somebody who was greeted, and has logged in if it is to be so."""
    if way.name == "lmtp-unix":
        streams = await asyncio.open_unix_connection(hub.folder / "lmtp")
    else:
        host = "::1" if way.name.endswith("-6") else "127.0.0.1"
        streams = await asyncio.open_connection(host, hub.port(way.name))
    client = Client(*streams)
    if way.far:
        await client.send(PROXIED)
    assert (await client.reply()).startswith("220 ")
    hello = "LHLO client.example" if way.protocol == "lmtp" else "EHLO client.example"
    assert (await client.ask(hello)).startswith("250")
    if way.logged_in:
        if way.far:
            assert (await client.ask("STARTTLS")).startswith("220")
            await client.writer.start_tls(context)
            assert (await client.ask(hello)).startswith("250")
        response = base64.b64encode(f"\0{ALICE}\0{PASSWORD}".encode()).decode()
        assert (await client.ask(f"AUTH PLAIN {response}")).startswith("235")
    yield client
    await client.close()


@pytest.fixture
def context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.proves(
    "mail: no listener sends mail to elsewhere for who has not logged in, whatever the address looks like"
)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.name}{', logged in' if way.logged_in else ''}")
async def test_who_may_send_what_to_whom(hub: RunningHub, way: Way, context: ssl.SSLContext) -> None:
    async with coming(hub, way, context) as client:
        for (kind, sender), (whom, recipient) in itertools.product(SENDERS.items(), RECIPIENTS.items()):
            await client.ask("RSET")
            code = int((await client.ask(f"MAIL FROM:<{sender}>"))[:3])
            assert code == way.mail[kind], kind
            if code == 250:
                said = await client.ask(f"RCPT TO:<{recipient}>")
                assert int(said[:3]) == way.rcpt[whom], (kind, whom, said)


@pytest.mark.parametrize(
    "way",
    [way for way in WAYS if not way.logged_in and way.protocol != "submission"],
    ids=lambda way: way.name,
)
async def test_no_trick_leads_elsewhere(hub: RunningHub, way: Way, context: ssl.SSLContext) -> None:
    async with coming(hub, way, context) as client:
        for trick, sender in itertools.product(TRICKS, ("", "eve@elsewhere.example", ALICE)):
            await client.ask("RSET")
            smtputf8 = "" if trick.isascii() else " SMTPUTF8"
            assert (await client.ask(f"MAIL FROM:<{sender}>{smtputf8}")).startswith("250")
            said = await client.ask(f"RCPT TO:<{trick}>")
            if said.startswith("250"):  # somebody here, and nobody else
                assert trick.startswith(("bob+", "bob@")), trick
                assert (await client.ask("DATA")).startswith("354")
                await client.send(
                    b"Return-Path: <eve@elsewhere.example>\r\nSubject: trick\r\n\r\nhello\r\n.\r\n"
                )
                assert (await client.reply()).startswith("250")
            else:
                assert said[:2] in ("50", "55"), (trick, said)
    assert list(await hub.hub.kernel.services.storage.queue()) == []


async def test_a_forged_return_path_in_the_message_is_nobodys_reverse_path(hub: RunningHub) -> None:
    forged = "Return-Path: <eve@elsewhere.example>\r\nReturn-Path: <alice@example.test>\r\n"
    text = f"{forged}Subject: x\r\n\r\nhello\r\n"
    assert (await hub.send(text, sender="real@sender.example", to="bob@example.test"))[0] == 250
    (mail,) = await hub.mailbox(user="bob@example.test")
    assert mail.startswith(b"Return-Path: <real@sender.example>\r\n")


async def test_an_lmtp_listener_takes_nothing_from_who_is_not_trusted(hub: RunningHub) -> None:
    for name in ("lmtp-closed", "far-lmtp"):
        client = Client(*await asyncio.open_connection("127.0.0.1", hub.port(name)))
        if name.startswith("far-"):
            await client.send(PROXIED)
        assert (await client.reply()).startswith("554 5.7.1")
        assert await client.reply() == ""
        await client.close()


@pytest.mark.parametrize(
    "words",
    ["XCLIENT ADDR=127.0.0.1 LOGIN=alice@example.test", "XCLIENT ADDR=10.0.0.1", "AUTH PLAIN AGEAYg=="],
)
async def test_nobody_says_that_he_is_somebody_else(hub: RunningHub, words: str) -> None:
    for name in ("smtp", "far-smtp"):
        async with coming(
            hub, Way(name, "smtp", far=name.startswith("far-")), ssl.create_default_context()
        ) as client:
            assert (await client.ask(words))[0] == "5"
            await client.ask("MAIL FROM:<alice@example.test>")
            assert (await client.ask("RCPT TO:<ann@elsewhere.example>")).startswith("550 5.7.1")
