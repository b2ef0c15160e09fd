"""What another server can take, and what it gets: chunks, seven bits, few recipients at once, a login."""

from __future__ import annotations

import email
import email.policy
import re
import ssl
import tempfile
from pathlib import Path

import pytest

from hub.relay.hops import Hop
from hub.relay.login import MECHANISMS, log_in
from hub.relay.wire import Broken, Tls, Wire
from hub.testing.certificate import self_signed
from hub.testing.running import PASSWORD, running_hub
from tests.peers.authority import Authority
from tests.peers.postfix import needs_postfix, relaying
from tests.peers.sink import needs_sink, sinking
from tests.relay.hubs import ALICE, ANN, empty, rows, sending, submit, tried, until

pytestmark = needs_sink

TEXT = "Grüße aus dem All: ÄÖÜ\r\n"
EIGHT_BIT = (
    "From: alice@example.test\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    f"Content-Transfer-Encoding: 8bit\r\n\r\n{TEXT}"
)
SIGNED = (
    "From: alice@example.test\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/signed; protocol="application/pgp-signature"; boundary=b\r\n\r\n'
    f"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{TEXT}\r\n"
    "--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n"
)


@pytest.mark.proves("sending: a server without 8BITMIME gets mail in seven bits, unless it is signed")
async def test_a_server_without_8bitmime_gets_seven_bits(tmp_path: Path) -> None:
    with sinking(tmp_path / "sink", "-8") as sink:
        async with sending(tmp_path / "hub", sink.port) as running:
            await submit(running, ANN, text=EIGHT_BIT)
            large = "".join(f"{number:06} {TEXT}" for number in range(40_000))
            await submit(running, ANN, text=EIGHT_BIT.replace(TEXT, large))
            await until(lambda: empty(running))
    small_one, large_one = sorted(sink.messages(), key=len)
    for taken, expected in ((small_one, TEXT), (large_one, large)):
        assert taken.isascii()
        found = re.search(r"Received: .*", taken, re.DOTALL)
        assert found is not None
        message = email.message_from_string(found[0], policy=email.policy.default)
        assert message["Content-Transfer-Encoding"] in ("quoted-printable", "base64")
        assert message.get_content().replace("\r\n", "\n").strip() == expected.replace("\r\n", "\n").strip()


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (SIGNED, "5.6.3"),
        (EIGHT_BIT.replace("MIME-Version", "Subject: Grüße\r\nMIME-Version"), "5.6."),
    ],
)
async def test_what_may_not_be_changed_comes_back(tmp_path: Path, text: str, status: str) -> None:
    with sinking(tmp_path / "sink", "-8") as sink:
        async with sending(tmp_path / "hub", sink.port) as running:
            await submit(running, ANN, text=text)
            await until(lambda: empty(running))
            (report,) = await running.mailbox()
    assert sink.messages() == []
    assert f"Status: {status}".encode() in report


async def test_a_header_of_utf8_needs_a_server_that_takes_it(tmp_path: Path) -> None:
    with sinking(tmp_path / "sink") as sink:
        async with sending(tmp_path / "hub", sink.port) as running:
            await submit(running, ANN, text="From: alice@example.test\r\nSubject: Grüße\r\n\r\nx\r\n")
            await until(lambda: empty(running))
            (report,) = await running.mailbox()
    assert sink.messages() == []
    assert b"Status: 5.6.7" in report


@needs_postfix
@pytest.mark.proves(
    "sending: a Postfix is sent large mail in chunks, and more recipients than it takes at once"
)
async def test_a_postfix_takes_it_all(tmp_path: Path) -> None:
    limits = ("smtpd_recipient_limit = 2",)
    large = "".join(f"{number:06} {TEXT}" for number in range(5000)) + ".\r\n..\r\n"
    with (
        tempfile.TemporaryDirectory() as name,
        sinking(tmp_path / "sink", "-L") as sink,
        relaying(
            reachable(name) / "postfix",
            f"lmtp:inet:127.0.0.1:{sink.port}",
            *limits,
            domain="elsewhere.example",
        ) as port,
    ):
        async with sending(tmp_path / "hub", port) as running:
            everybody = [f"ann{number}@elsewhere.example" for number in range(5)]
            await submit(running, *everybody, text=EIGHT_BIT.replace(TEXT, large))
            await until(lambda: empty(running))
            assert await running.mailbox() == []

            async def all_there() -> bool:
                return sum(text.count("X-Rcpt-Args") for text in sink.messages()) == 5

            await until(all_there)
        log = (Path(name) / "postfix" / "log").read_text()
    for text in sink.messages():
        assert text.replace("\n", "\r\n").endswith(f"{large}\r\n")
    assert " rcpt=8 bdat=3 rset=2 " in log  # five are named, two of them taken; then two, then one


def reachable(name: str) -> Path:
    """A folder that everybody may look into, as Postfix wants it."""
    folder = Path(name)
    folder.chmod(0o755)
    return folder


def smarthost(port: int, **more: object) -> dict[str, object]:
    return {
        "smarthosts": {
            "provider": {
                "address": f"127.0.0.1:{port}",
                "user": ALICE,
                "password": PASSWORD,
                **more,
            }
        },
        "routes": {"*": "127.0.0.1:9"},
    }


@pytest.mark.proves("sending: a sender's mail goes to a smarthost that wants a login, encrypted and checked")
@pytest.mark.parametrize("encryption", ["starttls", "implicit"])
async def test_a_smarthost_is_logged_in_to(tmp_path: Path, encryption: str) -> None:
    certificate, key = self_signed(tmp_path)
    listener = "submission" if encryption == "starttls" else "submissions"
    provider_tables = {
        "tls": {"certificate": str(certificate), "key": str(key)},
        "listeners": {listener: {"protocol": listener, "bind": ["127.0.0.1:0"]}},
    }
    async with running_hub(
        tmp_path / "provider", tables=provider_tables, accounts=[ALICE, "ann@provider.test"]
    ) as provider:
        port = provider.port(listener)
        own = smarthost(port, senders=[ALICE], tls=encryption, trust=str(certificate))
        async with sending(tmp_path / "hub", 0, relay=own) as running:
            await submit(running, "ann@provider.test", sender=ALICE)
            await submit(running, "ann@provider.test", sender="")  # not its sender: to where nobody is

            async def one_left() -> bool:
                left = await rows(running)
                return len(left) == 1 and left[0].attempts == 1

            await until(one_left)
            (left,) = await rows(running)
            assert left.reverse_path is None
    async with running_hub(tmp_path / "provider", tables=provider_tables, accounts=()) as provider:
        store = provider.hub.kernel.services.storage
        assert (await store.totals()).messages == 1


@pytest.mark.parametrize("options", [(), ("-a",)])
async def test_a_password_is_said_on_loopback_alone_and_where_it_is_asked_for(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    with sinking(tmp_path / "sink", *options) as sink:
        relay = smarthost(sink.port, tls="none", recipients=["elsewhere.example"])
        async with sending(tmp_path / "hub", 0, relay=relay) as running:
            await submit(running, ANN)
            if not options:
                await until(lambda: empty(running))
            else:
                await until(lambda: tried(running, 1))
                (row,) = await rows(running)
                assert "offers no login that is known here" in row.reply
    assert len(sink.messages()) == (0 if options else 1)


async def test_a_smarthost_whose_certificate_is_unknown_is_told_nothing_until_it_is_trusted(
    tmp_path: Path,
) -> None:
    certificate, key = self_signed(tmp_path)
    trust = tmp_path / "trust.pem"
    tables = {
        "tls": {"certificate": str(certificate), "key": str(key)},
        "listeners": {"submission": {"protocol": "submission", "bind": ["127.0.0.1:0"]}},
    }
    async with running_hub(
        tmp_path / "provider", tables=tables, accounts=[ALICE, "ann@provider.test"]
    ) as provider:
        relay = smarthost(provider.port("submission"), trust=str(trust))
        async with sending(tmp_path / "hub", 0, relay={**relay, "first_retry": "1s"}) as running:

            async def refused(why: str) -> None:
                async def look() -> bool:
                    return all(f"no TLS with 127.0.0.1: {why}" in row.reply for row in await rows(running))

                await until(look)
                assert len(await rows(running)) == 1

            await submit(running, "ann@provider.test")
            await refused(f"the certificates to trust in {trust} cannot be read")
            trust.write_bytes(Authority(tmp_path).path.read_bytes())
            await refused("its certificate is refused")
            trust.write_bytes(certificate.read_bytes())
            await until(lambda: empty(running))
        assert (await provider.hub.kernel.services.storage.totals()).messages == 1


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_each_mechanism_lets_in_whoever_knows_the_password(tmp_path: Path, mechanism: str) -> None:
    certificate, key = self_signed(tmp_path)
    tables = {
        "tls": {"certificate": str(certificate), "key": str(key)},
        "listeners": {"submissions": {"protocol": "submissions", "bind": ["127.0.0.1:0"]}},
    }
    async with running_hub(tmp_path / "provider", tables=tables) as provider:
        hop = Hop("127.0.0.1", "127.0.0.1", provider.port("submissions"))
        context = ssl.create_default_context(cafile=certificate)
        for password in (PASSWORD, "wrong"):
            wire = await Wire.open(hop, patience=10, tls=Tls(context))
            assert (await wire.reply(10)).code == 220
            assert mechanism in str(await wire.ask("EHLO client.example.test"))
            if password == PASSWORD:
                await log_in(wire, mechanism, ALICE, password)
                assert (await wire.ask(f"MAIL FROM:<{ALICE}>")).code == 250
            else:
                with pytest.raises(Broken, match=r"does not let alice|does not know the password"):
                    await log_in(wire, mechanism, ALICE, password)
            wire.abort()
