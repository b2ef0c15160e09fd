"""What we sign Mail::DKIM and OpenDKIM verify, and the other way round, with the keys in a real DNS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hub import hash_body, seal_arc, verify_arc, verify_dkim
from hub.mailauth.canonical import Form
from hub.services.resolver import Resolver
from tests.mailauth.signing import BLANK, DOMAIN, EMPTY, NOW, ODD, PLAIN, key, message_of, signed, txt
from tests.peers import maildkim
from tests.peers.knot import needs_knot, resolving

FORMS: tuple[Form, ...] = ("simple", "relaxed")
MESSAGES = {"plain": PLAIN, "odd": ODD, "empty": EMPTY, "blank": BLANK}


@pytest.fixture(scope="module")
def nameserver() -> Iterator[str]:
    records = [f"{kind}._domainkey {txt(key(kind).record)}" for kind in ("rsa", "ed25519")]
    with resolving({DOMAIN: records}) as address:
        yield address


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    private = cast(RSAPrivateKey, key().key)  # in the form that Crypt::OpenSSL::RSA reads
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    path.chmod(0o600)
    return path


def through_milter(raw: bytes) -> Sequence[Form]:
    """OpenDKIM is told headers as a milter is, with one space after the colon: odd ones only relaxed."""
    return ("relaxed",) if raw == ODD else FORMS


@needs_knot
@maildkim.needs_maildkim
@pytest.mark.parametrize("raw", MESSAGES.values(), ids=MESSAGES)
async def test_mail_dkim_verifies_what_we_sign(raw: bytes, nameserver: str) -> None:
    # Ed25519 is younger than Debian's Mail::DKIM.
    for form in FORMS:
        for body_form in FORMS:
            ours = await signed(raw, form=form, body_form=body_form)
            assert maildkim.verify(ours, nameserver) == ["pass"], (form, body_form)


@needs_knot
@maildkim.needs_maildkim
@pytest.mark.parametrize("raw", MESSAGES.values(), ids=MESSAGES)
async def test_we_verify_what_mail_dkim_signs(raw: bytes, nameserver: str, key_file: Path) -> None:
    dns = Resolver((nameserver,))
    for form in FORMS:
        for body_form in FORMS:
            method = f"{form}/{body_form}"
            lines = maildkim.sign(raw, "rsa-sha256", method, DOMAIN, "rsa", key_file)
            [result] = await verify_dkim(message_of(lines + raw), dns, 4e9)
            assert (result.status, result.reason) == ("pass", ""), method


@maildkim.needs_opendkim
@pytest.mark.parametrize("raw", MESSAGES.values(), ids=MESSAGES)
async def test_opendkim_verifies_what_we_sign(raw: bytes, tmp_path: Path) -> None:
    for form in through_milter(raw):
        for body_form in FORMS:
            ours = await signed(raw, form=form, body_form=body_form)
            found = maildkim.opendkim_verifies(tmp_path, ours, f"rsa._domainkey.{DOMAIN}", key().record)
            assert found == "pass", (form, body_form)


@needs_knot
@maildkim.needs_opendkim
@pytest.mark.parametrize("raw", MESSAGES.values(), ids=MESSAGES)
async def test_we_verify_what_opendkim_signs(
    raw: bytes, tmp_path: Path, nameserver: str, key_file: Path
) -> None:
    dns = Resolver((nameserver,))
    for form in through_milter(raw):
        for body_form in FORMS:
            forms = f"{form}/{body_form}"
            lines = maildkim.opendkim_signs(tmp_path, raw, forms, DOMAIN, "rsa", key_file)
            [result] = await verify_dkim(message_of(lines + raw), dns, 4e9)
            assert (result.status, result.reason) == ("pass", ""), forms


@needs_knot
@maildkim.needs_maildkim
@pytest.mark.proves("Mail authentication: chains of ARC are verified and continued, as Mail::DKIM reads them")
async def test_mail_dkim_and_we_continue_each_others_chains(nameserver: str, key_file: Path) -> None:
    dns, raw, kind = Resolver((nameserver,)), await signed(PLAIN), "rsa"
    found = f"{DOMAIN}; dkim=pass header.d={DOMAIN}"
    for hop in range(1, 5):
        message = message_of(raw)
        chain = await verify_arc(message, dns, NOW)
        assert chain.status == ("pass" if hop > 1 else "none"), chain.reason
        assert maildkim.verify_arc(raw, nameserver) == chain.status
        if hop % 2:
            [body] = await hash_body(message)
            lines = seal_arc(message, key(), DOMAIN, kind, NOW, body, chain=chain, auth_results=found)
            raw = lines.encode() + raw
        else:
            named = f"Authentication-Results: {found}; arc=pass\r\n".encode()
            raw = maildkim.seal(named + raw, "ar", DOMAIN, kind, key_file, nameserver) + named + raw
    broken = raw.replace(b"At eight?", b"At nine?")
    assert maildkim.verify_arc(broken, nameserver) == "fail"
    assert (await verify_arc(message_of(broken), dns, NOW)).status == "fail"
