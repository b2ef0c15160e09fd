"""Which certificate a client is shown, and what is installed while others are served."""

from __future__ import annotations

import asyncio
import os
import ssl
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from structlog.testing import capture_logs

from hub.hooks.session import TlsInfo
from hub.testing.running import running_hub
from hub.tls.certificates import Certificates, load_certificates, with_installed
from hub.tls.hello import Hello
from hub.tls.installed import install, remove
from hub.tls.suiting import suits
from tests.tls.authority import Authority
from tests.tls.conftest import Echo, engine_of, serving, shown, table, trusting

ACME = "acme-tls/1"
HELLO = Hello((0x0304,), (0x1301,))


@pytest.mark.proves("TLS: several certificates, chosen by the name that a client asks for, wildcards too")
async def test_a_client_gets_the_certificate_of_the_name_that_it_asks_for(
    tmp_path: Path, authority: Authority
) -> None:
    first = authority.issue("mx.example.test")
    second = authority.issue("mail.example.org", "imap.example.org")
    wild = authority.issue("*.example.net")
    engine = engine_of(tmp_path, table(tmp_path, first, second, wild))
    asked = {
        "mx.example.test": first,
        "IMAP.example.org": second,
        "a.example.net": wild,
        "a.b.example.net": first,
        "example.net": first,
        "unknown.test": first,
    }
    async with serving(engine) as port:
        for name, expected in asked.items():
            got = await shown(port, name, context=trusting(authority))
            assert got.certificate == expected.der, name
        assert (await shown(port, None, context=trusting(authority))).certificate == first.der
        got = await shown(port, "a.example.net", "x", "imap", context=trusting(authority))
        assert got.alpn == "imap"
        assert Echo.seen[-1] == TlsInfo("TLSv1.3", "TLS_AES_256_GCM_SHA384", "a.example.net", "imap")


@pytest.mark.proves("TLS: an RSA certificate beside an ECDSA one, for clients that know no other")
@pytest.mark.parametrize("name", ["mx.example.test", "a.example.test", "unknown.test", None])
async def test_one_name_has_certificates_of_two_kinds(
    tmp_path: Path, authority: Authority, name: str | None
) -> None:
    names = "mx.example.test", "*.example.test"
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    elliptic, other = authority.issue(*names), authority.issue(*names)
    old = authority.issue(*names, private=rsa_key)
    engine = engine_of(tmp_path, table(tmp_path, elliptic, old, other))

    async def got(ciphers: str | None = None) -> bytes | None:
        context = trusting(authority)
        context.check_hostname = False
        if ciphers is not None:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(ciphers)
        return (await shown(port, name, context=context)).certificate

    async with serving(engine) as port:
        assert await got() == elliptic.der
        assert await got("ECDHE-ECDSA-AES128-GCM-SHA256") == elliptic.der
        assert await got("ECDHE-RSA-AES128-GCM-SHA256") == old.der
        assert await got("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256") == elliptic.der
    only = engine_of(tmp_path, table(tmp_path, old))
    async with serving(only) as port:
        assert await got() == old.der
        with pytest.raises(OSError, match=r"handshake|HANDSHAKE|reset|closed|EOF"):
            await got("ECDHE-ECDSA-AES128-GCM-SHA256")


def test_signatures_decide_in_tls_1_3() -> None:
    pss_alone = Hello((0x0304, 0x0303), (0x1301, 0xC02B), signatures=(0x0804,))
    assert suits("RSA", pss_alone)
    assert not suits("ECDSA", pss_alone)
    old = Hello((0x0303,), (0xC02F,))
    assert suits("RSA", old)
    assert not suits("ECDSA", old)


@pytest.mark.proves("TLS: a plugin installs a certificate, and it serves at once")
async def test_what_is_installed_serves_at_once_and_until_it_is_removed(
    tmp_path: Path, authority: Authority
) -> None:
    engine = engine_of(tmp_path, table(tmp_path))
    assert engine.certificates.pairs == ()
    first, second = authority.issue("mx.example.test"), authority.issue("mx.example.test")
    async with serving(engine) as port:
        for issued in (first, second):
            await engine.certify("mx.example.test", (issued.chain, issued.key), None)
            assert engine.ready
            assert (
                await shown(port, "mx.example.test", context=trusting(authority))
            ).certificate == issued.der
        folder = tmp_path / "certificates"
        assert [each.name for each in folder.iterdir() if not each.name.startswith(".")] == [
            "mx.example.test"
        ]
        assert len(list(folder.iterdir())) == 2, "the version before is gone"
        for file in ("chain.pem", "key.pem"):
            assert stat.S_IMODE((folder / "mx.example.test" / file).stat().st_mode) == 0o600
        await engine.certify("mx.example.test", None, None)
        assert not engine.ready
        assert list(folder.iterdir()) == []
        # Whoever was offered STARTTLS before may still begin it.
        assert (await shown(port, None, context=trusting(authority))).certificate == second.der


async def test_what_cannot_be_used_is_not_installed(tmp_path: Path, authority: Authority) -> None:
    engine = engine_of(tmp_path, table(tmp_path))
    good, other = authority.issue("mx.example.test"), authority.issue("mx.example.test")
    await engine.certify("mx.example.test", (good.chain, good.key), None)
    served = engine.certificates
    with pytest.raises(ValueError, match=r"key\.pem: it is not the key of the first certificate"):
        await engine.certify("mx.example.test", (good.chain, other.key), None)
    for name in ("../mx", "", ".", "a/b", "a@b", "x" * 300):
        with pytest.raises(ValueError, match="cannot name a certificate"):
            await engine.certify(name, (good.chain, good.key), None)
    assert engine.certificates is served
    assert len(list((tmp_path / "certificates").iterdir())) == 2


async def test_a_folder_that_a_person_made_is_served_and_may_be_replaced(
    tmp_path: Path, authority: Authority
) -> None:
    folder = tmp_path / "certificates" / "by-hand"
    folder.mkdir(parents=True)
    old, new = authority.issue("a.test"), authority.issue("a.test")
    (folder / "chain.pem").write_bytes(old.chain)
    (folder / "key.pem").write_bytes(old.key)
    engine = engine_of(tmp_path, table(tmp_path))
    assert engine.certificates.fingerprints().keys() == {"certificates/by-hand"}
    install(tmp_path, "by-hand", new.chain, new.key)
    assert (folder / "chain.pem").read_bytes() == new.chain
    remove(tmp_path, "by-hand")
    remove(tmp_path, "by-hand")
    assert list(folder.parent.iterdir()) == []


async def test_a_broken_pair_is_told_and_the_old_one_serves_on(tmp_path: Path, authority: Authority) -> None:
    good, other = authority.issue("a.test"), authority.issue("b.test")
    for name, issued in (("a", good), ("b", other)):
        install(tmp_path, name, issued.chain, issued.key)
    settings = table(tmp_path)
    before = load_certificates(settings, tmp_path, Certificates())
    (tmp_path / "certificates" / "a" / "key.pem").write_bytes(other.key)
    newer = authority.issue("b.test")
    install(tmp_path, "b", newer.chain, newer.key)
    after = with_installed((), "1.2", tmp_path, before, {})
    assert after.choose("a.test", HELLO).chain == good.chain
    assert after.choose("a.test", HELLO).key == good.key
    assert after.choose("b.test", HELLO).chain == newer.chain
    with capture_logs() as logs:
        after.tell()
    (line,) = logs
    assert line["file"] == "certificates/a"
    assert "it is not the key of the first certificate" in line["reason"]
    assert with_installed((), "1.2", tmp_path, after, {}) is after, "nothing is told again"


@pytest.mark.proves("TLS: the answer to an ACME challenge (TLS-ALPN-01) is shown to the authority alone")
async def test_a_challenge_is_served_to_who_offers_its_protocol_and_to_nobody_else(
    tmp_path: Path, authority: Authority
) -> None:
    usual, answer = authority.issue("mx.example.test"), authority.issue("mx.example.test")
    engine = engine_of(tmp_path, table(tmp_path, usual))
    other_worker = engine_of(tmp_path, table(tmp_path, usual))
    await engine.certify("mx.example.test", (answer.chain, answer.key), ACME)
    for each in (engine, other_worker):
        async with serving(each, "https") as port:
            asked = await shown(port, "mx.example.test", ACME, context=trusting(authority))
            assert (asked.certificate, asked.alpn) == (answer.der, ACME)
            asked = await shown(port, "mx.example.test", "http/1.1", context=trusting(authority))
            assert (asked.certificate, asked.alpn) == (usual.der, "http/1.1")
            asked = await shown(port, "mx.example.test", context=trusting(authority))
            assert (asked.certificate, asked.alpn) == (usual.der, None)
            for name in ("other.example.test", "mx/example.test", None):
                with pytest.raises(OSError, match=r"SSL|reset"):
                    await shown(port, name, ACME, context=trusting(authority))
    assert engine.certificates.fingerprints().keys() == {"tls.certificate"}
    await engine.certify("mx.example.test", None, ACME)
    async with serving(engine, "https") as port:
        with pytest.raises(OSError, match=r"SSL|reset"):
            await shown(port, "mx.example.test", ACME, context=trusting(authority))


def test_nobody_else_can_read_the_folder(tmp_path: Path, authority: Authority) -> None:
    issued = authority.issue("mx.example.test")
    install(tmp_path, "mx.example.test", issued.chain, issued.key)
    assert stat.S_IMODE(os.stat(tmp_path / "certificates").st_mode) == 0o700


@pytest.mark.proves("TLS: a client that speaks another protocol is turned away (ALPN, RFC 7301)")
@pytest.mark.parametrize("protocol", ["imaps", "https", "submissions"])
async def test_an_unknown_protocol_is_refused_with_an_alert(
    tmp_path: Path, authority: Authority, protocol: str
) -> None:
    listeners = {"door": {"protocol": protocol, "bind": ["127.0.0.1:0"]}}
    issued = authority.issue("mx.example.test")
    install(tmp_path / "data", "mx", issued.chain, issued.key)
    async with running_hub(tmp_path, tables={"listeners": listeners}) as hub:
        with pytest.raises(ssl.SSLError, match=r"(?i)no.application.protocol"):
            await shown(hub.port("door"), "mx.example.test", "h2", "ftp", context=trusting(authority))


async def test_one_handshake_too_many_ends_the_oldest(tmp_path: Path, authority: Authority) -> None:
    issued = authority.issue("mx.example.test")
    install(tmp_path / "data", "mx", issued.chain, issued.key)
    tables = {
        "tls": {"max_handshakes": 3},
        "listeners": {"imaps": {"protocol": "imaps", "bind": ["127.0.0.1:0"]}},
    }
    async with running_hub(tmp_path, tables=tables) as hub:
        silent = [await asyncio.open_connection("127.0.0.1", hub.port("imaps")) for _ in range(3)]
        context = trusting(authority)
        _, writer = await asyncio.open_connection(
            "127.0.0.1", hub.port("imaps"), ssl=context, server_hostname="mx.example.test"
        )
        async with asyncio.timeout(10):
            assert await silent[0][0].read() == b"", "the oldest has been ended"
        for _, each in [*silent, (None, writer)]:
            each.close()
