"""Certificates of a real authority, in a real hub that goes on running."""

from __future__ import annotations

import asyncio
import base64
import json
import smtplib
import ssl
from importlib.metadata import entry_points
from pathlib import Path

import aiohttp
import dns.message
import dns.query
import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hub_plugin_acme.records import Kept, Progress, Records

from hub.testing.http_peer import Answer, Request
from hub.testing.running import RunningHub

from .conftest import KEY, LIFETIME, Authority, MakeHub, before

NAME = "mail.example.test"
DAY = 86400.0


async def ordered(hub: RunningHub, called: str = NAME, *, than: str = "") -> Kept:
    """A certificate that is another than the one with this fingerprint, once it was issued and is served."""
    records = Records(hub.plugin("acme").kv)
    async with asyncio.timeout(30):
        while (kept := await records.certificate(called)) is None or kept.fingerprint == than:
            await asyncio.sleep(0.02)
        while (await records.progress(called)).failures or served(hub, called) != kept.chain:
            await asyncio.sleep(0.02)
    return kept


async def failed(hub: RunningHub, called: str = NAME, times: int = 1) -> Progress:
    """How it goes, once that went wrong so often."""
    records = Records(hub.plugin("acme").kv)
    async with asyncio.timeout(30):
        while (progress := await records.progress(called)).failures < times:
            await asyncio.sleep(0.02)
    return progress


async def trouble(hub: RunningHub, *, wanted: bool) -> str | None:
    """What `hub status` says of the plugin, once it says something, or nothing any more."""
    async with asyncio.timeout(30):
        while True:
            said = [each["trouble"] for each in hub.hub.loader.dependencies() if each["plugin"] == "acme"]
            if said and (said[0] is not None) == wanted:
                return said[0]
            await asyncio.sleep(0.02)


def served(hub: RunningHub, called: str = NAME) -> str | None:
    """The chain that the hub has been given under this name."""
    try:
        return (hub.folder / "data" / "certificates" / called / "chain.pem").read_text()
    except FileNotFoundError:
        return None


def certificate(kept: Kept) -> x509.Certificate:
    return x509.load_pem_x509_certificate(kept.chain.encode())


async def command(folder: Path, *words: str) -> Result:
    """`hub acme …` as from a shell."""
    (script,) = entry_points(group="console_scripts", name="hub")
    said = ["--config", str(folder / "hub.toml"), "acme", *words]
    return await asyncio.to_thread(CliRunner().invoke, script.load(), said)


@pytest.mark.proves(
    "TLS: certificates ordered by ACME (HTTP-01), and served by a hub that runs, without a restart"
)
async def test_a_running_hub_gets_its_first_certificate_by_http_and_offers_starttls_with_it(
    pebble: Authority, make_hub: MakeHub
) -> None:
    trusting = pebble.trusted()

    def offers(client: smtplib.SMTP) -> bool:
        client.ehlo("client.example.test")
        return client.has_extn("starttls")

    def shake(client: smtplib.SMTP) -> bytes:
        client._host = NAME  # type: ignore[attr-defined]  # which name the certificate has to be for
        client.starttls(context=trusting)
        assert isinstance(client.sock, ssl.SSLSocket)
        return client.sock.getpeercert(binary_form=True) or b""

    async with make_hub(pebble, key="rsa") as hub:
        assert not await hub.smtp(offers)  # it has started without
        kept = await ordered(hub)
        async with asyncio.timeout(30):
            while not await hub.smtp(offers):
                await asyncio.sleep(0.02)
        assert x509.load_der_x509_certificate(await hub.smtp(shake)) == certificate(kept)
        assert isinstance(certificate(kept).public_key(), rsa.RSAPublicKey)
        place = hub.folder / "data" / "certificates" / NAME
        version = place.resolve()
        files = list(version.iterdir())
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
        assert len(files) == 2
        assert await hub.plugin("acme").kv.scan("answer/") == []
        assert await trouble(hub, wanted=False) is None

    async with make_hub(pebble) as hub:  # what it has, it has
        assert await ordered(hub) == kept
        assert await trouble(hub, wanted=False) is None
        assert place.resolve() == version  # nothing was written again


async def test_several_certificates_of_several_names_are_renewed_each_with_a_new_key(
    pebble: Authority, make_hub: MakeHub
) -> None:
    wanted = {
        "mail": {"names": [NAME, "imap.example.test"]},
        "other": {"names": ["sub.example.test"], "key": "rsa"},
    }
    async with make_hub(pebble, certificates=wanted) as hub:
        mail, other = await ordered(hub, "mail"), await ordered(hub, "other")
        assert set(mail.names) == {NAME, "imap.example.test"}
        assert isinstance(certificate(mail).public_key(), ec.EllipticCurvePublicKey)
        assert isinstance(certificate(other).public_key(), rsa.RSAPublicKey)
        make_hub.clock.seconds = LIFETIME * 0.6
        await asyncio.sleep(0.3)
        assert await ordered(hub, "mail") == mail
        make_hub.clock.seconds = LIFETIME * 0.68
        again = await ordered(hub, "mail", than=mail.fingerprint)
        assert (await ordered(hub, "other", than=other.fingerprint)).names == ("sub.example.test",)
        assert again.names == mail.names
        assert again.key != mail.key


@pytest.mark.proves("TLS: an authority that is down stops nothing, and hub status says what to do")
async def test_an_authority_that_is_down_is_asked_again_later_and_stops_nothing(
    unstarted: Authority, make_hub: MakeHub
) -> None:
    async with make_hub(unstarted) as hub:
        progress = await failed(hub)
        assert "ConnectionRefusedError" in str(progress.trouble)
        assert "plugins.acme.directory" in progress.advice
        assert 200 < progress.again - make_hub.clock.time() < 400
        assert str(await trouble(hub, wanted=True)).startswith(f"{NAME}: https://127.0.0.1:")
        assert (await hub.send())[0] == 250
        with unstarted.running():
            await asyncio.sleep(0.3)
            assert (await failed(hub)).failures == 1  # not before it is time
            make_hub.clock.seconds = 400
            await ordered(hub)
        assert await trouble(hub, wanted=False) is None


async def test_who_answers_with_something_else_gets_no_certificate(
    pebble: Authority, make_hub: MakeHub
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nwrong")
        await writer.drain()
        writer.close()

    async with (
        await asyncio.start_server(answer, "127.0.0.1", pebble.http_port),
        make_hub(pebble, hears=()) as hub,
    ):
        progress = await failed(hub)
        assert NAME in str(progress.trouble)
        assert "wrong" in str(progress.trouble)
        assert "http-01" in progress.advice
        assert served(hub) is None


async def test_a_token_that_nobody_gave_is_not_found(pebble: Authority, make_hub: MakeHub) -> None:
    url = f"http://127.0.0.1:{pebble.http_port}/.well-known/acme-challenge/"
    async with make_hub(pebble) as hub, aiohttp.ClientSession() as client:
        await Records(hub.plugin("acme").kv).keep_answer("given", "given.proof")
        said = []
        for token in ("given", "made-up", "%2e%2e", "x" * 300):
            async with client.get(url + token) as answer:
                said.append((answer.status, await answer.text() if answer.status == 200 else ""))
        assert said == [(200, "given.proof"), (404, ""), (404, ""), (404, "")]
        await ordered(hub)


async def test_nonces_may_be_refused_and_an_account_may_be_bound_to_a_customer(
    unstarted: Authority, make_hub: MakeHub
) -> None:
    customer = {
        "key_id": "customer-1",
        "key": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W",
    }
    options = {
        "externalAccountBindingRequired": True,
        "externalAccountMACKeys": {customer["key_id"]: customer["key"]},
    }
    with unstarted.running(options, PEBBLE_WFE_NONCEREJECT="40"):
        async with make_hub(unstarted) as hub:
            assert "external_account" in (await failed(hub)).advice
            settings = {"directory": unstarted.url, "ca_file": str(unstarted.ca_file), "terms_agreed": True}
            await hub.configure("acme", {**settings, "external_account": customer})
            await ordered(hub)  # at once, for something else was asked for


async def test_an_authority_that_wants_to_be_asked_less_is_asked_less(
    pebble: Authority, make_hub: MakeHub
) -> None:
    problem = {"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many new orders"}

    def refuse(request: Request) -> Answer | None:
        if not request.path.startswith("/order-plz"):
            return None
        headers = {"Retry-After": "7200", "Content-Type": "application/problem+json"}
        return Answer(429, headers, json.dumps(problem))

    async with before(pebble, refuse) as (authority, _), make_hub(authority) as hub:
        progress = await failed(hub)
        assert progress.trouble == "rateLimited: too many new orders"
        assert 7190 < progress.again - make_hub.clock.time() < 7200 * 1.1
        (state,) = json.loads((await command(hub.folder, "status", "--json")).output)
        assert state["next"] == progress.again
        assert state["advice"] == progress.advice


@pytest.mark.proves(
    "TLS: certificates renewed when the authority suggests it (RFC 9773), else with a third left"
)
async def test_an_authority_that_suggests_when_is_listened_to(pebble: Authority, make_hub: MakeHub) -> None:
    def suggest(request: Request) -> Answer | None:
        if request.path.startswith("/renewal-info/"):
            window = {"start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z"}
            return Answer(200, {"Retry-After": "7200"}, json.dumps({"suggestedWindow": window}))
        if request.path == "/dir":
            answer = pebble.forward(request)
            renewal = f"https://{request.headers['host']}/renewal-info"
            return Answer(200, {}, json.dumps({**json.loads(answer.body), "renewalInfo": renewal}))
        return None

    async with before(pebble, suggest) as (authority, came), make_hub(authority) as hub:
        first = await ordered(hub)
        async with asyncio.timeout(30):
            while (await Records(hub.plugin("acme").kv).progress(NAME)).renew_at is None:
                await asyncio.sleep(0.02)
        progress = await Records(hub.plugin("acme").kv).progress(NAME)
        assert progress.renew_at is not None
        assert 1577836800 <= progress.renew_at <= 1577923200
        assert 7100 < progress.ask_at - make_hub.clock.time() <= 7200
        assert await ordered(hub) == first  # not twice in an hour
        make_hub.clock.seconds = 3700
        await ordered(hub, than=first.fingerprint)
    asked = [each.path.rpartition("/")[2] for each in came if each.path.startswith("/renewal-info/")]
    orders = [payload(each) for each in came if each.path == "/order-plz"]
    assert [each.get("replaces") for each in orders] == [None, asked[0]]


def payload(request: Request) -> dict[str, object]:
    """What a signed request says (RFC 7515)."""
    said = request.json()["payload"]
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(said + "=" * (-len(said) % 4)))
    return found


async def test_terms_of_service_are_agreed_to_by_the_operator_alone(
    pebble: Authority, make_hub: MakeHub
) -> None:
    async with make_hub(pebble, terms_agreed=False) as hub:
        progress = await failed(hub)
        assert str(progress.trouble).startswith("the terms of service are not agreed to: ")
        assert "terms_agreed = true" in progress.advice


@pytest.mark.proves(
    "TLS: certificates for wildcards by DNS-01, with RFC 2136 or a plugin that publishes records"
)
async def test_a_wildcard_is_proved_in_dns_by_updates_and_by_plugins(
    pebble: Authority, make_hub: MakeHub
) -> None:
    zone = {"server": f"127.0.0.1:{pebble.dns_port}", "key_name": "hub", "key": KEY, "wait": 0}
    wanted = {"wild": {"names": ["example.test", "*.example.test", "*.sub.example.test"]}}
    plugins = make_hub.folder / "plugins.d"
    plugins.mkdir(mode=0o700)
    (plugins / "seen.py").write_text(
        "from hub import hookimpl\n@hookimpl\ndef publish_txt(plugin, name, text, present):\n"
        "    with open(plugin.data_dir / 'seen', 'a') as file:\n        file.write(f'{name} {present}\\n')\n"
    )
    settings = {"challenge": "dns-01", "certificates": wanted, "dns": {"example.test": zone}}
    async with make_hub(pebble, hears=(), **settings) as hub:
        kept = await ordered(hub, "wild")
        assert set(kept.names) == set(wanted["wild"]["names"])
        seen = (hub.plugin("seen").data_dir / "seen").read_text().splitlines()
        own, led = "_acme-challenge.example.test", "sub.elsewhere.example.test"
        assert sorted(seen) == sorted(2 * [f"{own} True", f"{own} False"] + [f"{led} True", f"{led} False"])
        for name in (own, led):
            query = dns.message.make_query(name, "TXT")
            assert not dns.query.udp(query, "127.0.0.1", port=pebble.dns_port).answer


async def test_a_zone_that_cannot_be_changed_is_said(pebble: Authority, make_hub: MakeHub) -> None:
    zone = {"server": f"127.0.0.1:{pebble.dns_port}", "key_name": "hub", "key": "d3Jvbmc=", "wait": 0}
    async with make_hub(pebble, hears=(), challenge="dns-01", dns={"example.test": zone}) as hub:
        assert "refuses the key hub" in str((await failed(hub)).trouble)
        await hub.configure(
            "acme",
            {
                "directory": pebble.url,
                "ca_file": str(pebble.ca_file),
                "terms_agreed": True,
                "challenge": "dns-01",
            },
        )
        async with asyncio.timeout(20):
            while "no plugin keeps the zone" not in str((await failed(hub)).trouble):
                await asyncio.sleep(0.02)


@pytest.mark.proves("TLS: certificates proved on port 443 alone, by TLS-ALPN-01")
async def test_a_name_is_proved_in_a_tls_handshake(pebble: Authority, make_hub: MakeHub) -> None:
    async with make_hub(pebble, hears=("https",), challenge="tls-alpn-01") as hub:
        kept = await ordered(hub)
        assert not list((hub.folder / "data" / "certificates").glob("*acme-tls*"))
        make_hub.clock.seconds = LIFETIME * 0.7
        await ordered(hub, than=kept.fingerprint)  # beside one that serves


@pytest.mark.proves("TLS: hub acme status, renew and revoke")
async def test_certificates_are_shown_renewed_and_revoked_by_hand(
    pebble: Authority, make_hub: MakeHub
) -> None:
    async with make_hub(pebble) as hub:
        first = await ordered(hub)
        (state,) = json.loads((await command(hub.folder, "status", "--json")).output)
        assert (state["name"], state["valid"], state["fingerprint"]) == (NAME, True, first.fingerprint)
        assert LIFETIME * 0.6 < state["next"] - make_hub.clock.time() < LIFETIME * 0.67
        said = await command(hub.folder, "renew", NAME)
        assert said.exit_code == 0, said.output
        assert NAME in said.output
        second = await ordered(hub, than=first.fingerprint)
        assert pebble.status(certificate(second).serial_number) == "Valid"
        said = await command(hub.folder, "revoke", NAME, "--reason", "key-compromise")
        assert said.output == f"{NAME} is revoked. A running hub orders another one now.\n"
        assert pebble.status(certificate(second).serial_number) == "Revoked"
        third = await ordered(hub, than=second.fingerprint)
        assert third.key != second.key
    assert (await command(make_hub.folder, "renew")).exit_code == 1  # no hub runs
