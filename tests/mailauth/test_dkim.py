"""DKIM: what we sign holds, what is changed does not, and dkimpy agrees."""

from __future__ import annotations

import asyncio
import base64
import concurrent.futures
import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from dkim.canonicalization import CanonicalizationPolicy
from hypothesis import given
from hypothesis import strategies as st

from hub import BodyFile, DkimResult, Message, hash_body, sign_dkim, verify_dkim
from hub.mailauth.canonical import BodyHasher, Form, relaxed_field
from hub.mailauth.dkim_sign import signed_field
from hub.mailauth.keys import KeyUnusable, Kind, parse_key
from hub.testing.zones import Zones
from tests.mailauth.signing import (
    BLANK,
    DOMAIN,
    EMPTY,
    NOW,
    ODD,
    PLAIN,
    key,
    message_of,
    signed,
    txt,
    zones,
)
from tests.peers.sdists import unpacked

FORMS: tuple[Form, ...] = ("simple", "relaxed")
KINDS: tuple[Kind, ...] = ("rsa", "ed25519")


async def verified(
    raw: bytes, dns: Zones | None = None, now: float = NOW, *, trust_length: bool = False
) -> DkimResult:
    [result] = await verify_dkim(message_of(raw), dns or zones(), now, trust_length=trust_length)
    return result


def dkimpy(dns: Zones) -> Callable[..., bytes]:
    """What dkimpy asks."""

    def ask(name: bytes, timeout: int = 5) -> bytes:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            answer = pool.submit(asyncio.run, dns.query(name.decode().rstrip("."), "TXT")).result()
        return b"".join(answer.records[0].strings) if answer.records else b""  # type: ignore[attr-defined]

    return ask


@pytest.mark.proves("Mail authentication: mail is signed and verified by DKIM, RSA and Ed25519")
@pytest.mark.parametrize("raw", [PLAIN, ODD, EMPTY, BLANK], ids=["plain", "odd", "empty", "blank"])
@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_signed_here_holds_here_and_for_dkimpy(raw: bytes, kind: Kind) -> None:
    for form in FORMS:
        for body_form in FORMS:
            ours = await signed(raw, kind, form=form, body_form=body_form)
            result = await verified(ours)
            assert (result.status, result.reason) == ("pass", ""), (form, body_form)
            assert dkim.verify(ours, dnsfunc=dkimpy(zones())), (form, body_form)


@pytest.mark.parametrize("raw", [PLAIN, ODD, EMPTY, BLANK], ids=["plain", "odd", "empty", "blank"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("body_form", FORMS)
async def test_what_dkimpy_signs_holds_here(raw: bytes, form: str, body_form: str) -> None:
    pem = key().pem.encode()
    canon = (form.encode(), body_form.encode())
    theirs = dkim.sign(
        raw, b"rsa", DOMAIN.encode(), pem, canonicalize=canon, include_headers=[b"from", b"to"]
    )
    assert (await verified(theirs + raw, now=4e9)).status == "pass"


async def test_several_signatures_are_each_judged_and_hash_the_body_once() -> None:
    raw = await signed(await signed(PLAIN, "rsa"), "ed25519")
    results = await verify_dkim(message_of(raw), zones(), NOW)
    assert [(each.algorithm, each.status, each.bits) for each in results] == [
        ("ed25519-sha256", "pass", 256),
        ("rsa-sha256", "pass", 2048),
    ]
    assert ("header", "d", DOMAIN) in results[0].auth_result().properties
    few = await verify_dkim(message_of(raw), zones(), NOW, max_signatures=1)
    assert [each.selector for each in few] == ["ed25519"]
    assert await verify_dkim(message_of(PLAIN), zones(), NOW) == []


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"At eight", b"At nine", "fail"),
        (b"Subject: Dinner", b"Subject: Lunch", "fail"),
        (b"To: bob@example.net\r\n", b"", "fail"),
        (b"\r\nSubject:", b"\r\nCc: eve@example.com\r\nSubject:", "fail"),  # not there, and signed as such
        (b"\r\nSubject:", b"\r\nFrom: eve@example.com\r\nSubject:", "fail"),
        (b"a=rsa-sha256", b"a=rsa-sha1", "policy"),
        (b"a=rsa-sha256", b"a=dsa", "neutral"),
        (b"v=1", b"v=2", "neutral"),
        (b"d=example.org", b"d=example..org", "neutral"),
        (b"d=example.org", b"d=example.com", "permerror"),  # no key there
        (b"s=rsa", b"s=ed25519", "permerror"),
        (b"h=From :From", b"h=To", "permerror"),
        (b"; bh=", b"; bh=!", "neutral"),
        (b";\r\n\tb=", b";\r\n\tb", "neutral"),
        (b"c=relaxed/relaxed", b"c=loose", "neutral"),
        (b"c=relaxed/relaxed", b"c=relaxed", "fail"),  # so the body's form is simple
        (b"t=1700000000", b"t=1700000000; t=1", "neutral"),
        (b"t=1700000000", b"t=1700000000; q=dns/a", "neutral"),
        (b"t=1700000000", b"t=1700000000; x=1699999999", "neutral"),
        (b"t=1700000000", b"t=1700000000; i=@example.com", "permerror"),
        (b"t=1700000000", b"t=1800000000", "policy"),
        (b"t=1700000000", b"t=yesterday", "neutral"),
    ],
)
async def test_whatever_is_changed_has_its_status(old: bytes, new: bytes, status: str) -> None:
    raw = (await signed(PLAIN)).replace(b";\r\n\tbh=", b"; bh=")
    assert old in raw
    result = await verified(raw.replace(old, new, 1))
    assert (result.status, bool(result.reason)) == (status, True)


async def test_a_signature_ends() -> None:
    raw = await signed(PLAIN, lifetime=60)
    assert (await verified(raw, now=NOW + 59)).status == "pass"
    late = await verified(raw, now=NOW + 61)
    assert (late.status, "expired" in late.reason) == ("fail", True)


async def test_a_part_of_a_body_is_not_enough_unless_the_operator_says_so() -> None:
    theirs = dkim.sign(PLAIN, b"rsa", DOMAIN.encode(), key().pem.encode(), length=True)
    raw = theirs + PLAIN
    whole = await verified(raw, now=4e9)
    assert (whole.status, whole.length_limited) == ("pass", True)
    more = await verified(raw + b"Buy this!\r\n", now=4e9)
    assert (more.status, more.length_limited) == ("policy", True)
    assert "11 of 22" in more.reason
    assert (await verified(raw + b"Buy this!\r\n", now=4e9, trust_length=True)).status == "pass"
    assert (await verified(raw.replace(b"At eight?", b"At"), now=4e9)).status == "fail"


async def test_a_from_that_was_added_to_a_lax_signature_is_a_matter_of_policy() -> None:
    message = message_of(PLAIN)
    [body] = await hash_body(message)
    tags = ["v=1", "a=rsa-sha256", "c=relaxed/relaxed", f"d={DOMAIN}", "s=rsa"]
    line = signed_field(message.headers, "DKIM-Signature", key(), tags, ["From"], body, "relaxed")
    assert (await verified(line.encode() + PLAIN)).status == "pass"
    result = await verified(line.encode() + b"From: eve@example.com\r\n" + PLAIN)
    assert (result.status, "more than one From" in result.reason) == ("policy", True)


@pytest.mark.parametrize(
    ("record", "status"),
    [
        ("v=DKIM1; p=", "permerror"),
        ("v=DKIM2; {p}", "permerror"),
        ("k=rsa; v=DKIM1; {p}", "permerror"),
        ("v=DKIM1; k=rsa", "permerror"),
        ("v=DKIM1; k=elgamal; {p}", "permerror"),
        ("v=DKIM1; k=ed25519; {p}", "permerror"),
        ("v=DKIM1; h=sha1; {p}", "permerror"),
        ("v=DKIM1; s=tlsrpt; {p}", "permerror"),
        ("v=DKIM1; p=AAAA", "permerror"),
        ("nonsense", "permerror"),
        ("v=DKIM1; {p}; n=" + "x" * 9000, "permerror"),
        ("v=DKIM1; h=sha1:sha256; s=email:x; n=notes; g=*; {p}", "pass"),
        ("{p}", "pass"),
        ("v=DKIM1; t=y; {p}", "pass"),
    ],
)
async def test_a_key_record_is_read_as_it_is_written(record: str, status: str) -> None:
    public = key().record.rpartition("; ")[2]
    dns = Zones({f"rsa._domainkey.{DOMAIN}": [txt(record.replace("{p}", public))]})
    result = await verified(await signed(PLAIN), dns)
    assert result.status == status, result.reason
    assert result.testing == ("t=y" in record)


async def test_a_strict_key_is_for_its_domain_alone() -> None:
    dns = Zones({f"rsa._domainkey.{DOMAIN}": [txt(f"{key().record}; t=s")]})
    assert (await verified(await signed(PLAIN), dns)).status == "pass"
    below = await signed(PLAIN, identity=f"alice@mail.{DOMAIN}")
    assert (await verified(below)).status == "pass"
    assert (await verified(below, dns)).status == "permerror"


async def test_a_key_may_be_an_alias_and_dns_may_be_down() -> None:
    raw = await signed(PLAIN)
    dns = Zones({f"rsa._domainkey.{DOMAIN}": ["CNAME k.example.net."], "k.example.net": [txt(key().record)]})
    assert (await verified(raw, dns)).status == "pass"
    down = Zones({}, troubled=[f"rsa._domainkey.{DOMAIN}"])
    assert (await verified(raw, down)).status == "temperror"


def test_keys_that_are_too_short_or_too_long_are_a_matter_of_policy() -> None:
    for bits in (1016, 4104):
        public = RSAPublicNumbers(65537, (1 << bits) - 1).public_key()
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        with pytest.raises(KeyUnusable, match=f"has {bits} bits") as caught:
            parse_key(b"p=" + base64.b64encode(der))
        assert caught.value.status == "policy"


async def test_a_body_in_a_file_is_hashed_in_pieces(tmp_path: Path) -> None:
    lines = b"x" * 70_000 + b" \r\n" + b"\r\n" * 100_000 + b"end\r\n\r\n"
    raw = PLAIN.replace(b"At eight?\r\n", lines)
    head = message_of(raw).head
    path = tmp_path / "body"
    path.write_bytes(lines)
    large = Message(head, BodyFile(path, 0, len(lines)))
    [body] = await hash_body(large)
    [same] = await hash_body(message_of(raw))
    assert body == same
    line = sign_dkim(large, key(), DOMAIN, "rsa", NOW, body)
    [result] = await verify_dkim(large.under(line), zones(), NOW)
    assert result.status == "pass"
    assert dkim.verify(line.encode() + raw, dnsfunc=dkimpy(zones()))


async def test_each_step_is_said() -> None:
    said: list[str] = []
    await verify_dkim(message_of(await signed(PLAIN)), zones(), NOW, said.append)
    assert said[0] == "DKIM-Signature of example.org, key rsa, rsa-sha256"
    assert said[-2:] == ["  the key: rsa of 2048 bits", "  pass"]


blanks = st.sampled_from([b" ", b"\t", b"\r\n", b"\r\n\r\n", b"a", b"bc", b"\xc3\xa9", b"."])
bodies = st.lists(blanks, max_size=30).map(lambda parts: b"".join(parts) + b"\r\n")
anything = st.lists(st.sampled_from([b" ", b"\t", b"\r", b"\n", b"\r\n", b"a", b"\0"]), max_size=30).map(
    b"".join
)


@given(body=bodies, cut=st.integers(1, 9), form=st.sampled_from(FORMS))
def test_a_body_has_the_canonical_form_that_dkimpy_gives_it(body: bytes, cut: int, form: Form) -> None:
    policy = CanonicalizationPolicy.from_c_value(f"{form}/{form}".encode())
    hasher = BodyHasher(form)
    for at in range(0, len(body), cut):
        hasher.update(body[at : at + cut])
    assert hasher.finish().digest == hashlib.sha256(policy.canonicalize_body(body)).digest()


@given(
    body=anything, cut=st.integers(1, 9), form=st.sampled_from(FORMS), limit=st.none() | st.integers(0, 20)
)
def test_pieces_make_no_difference(body: bytes, cut: int, form: Form, limit: int | None) -> None:
    whole, pieces = BodyHasher(form, limit), BodyHasher(form, limit)
    whole.update(body)
    for at in range(0, len(body), cut):
        pieces.update(body[at : at + cut])
    assert whole.finish() == pieces.finish()


@given(value=st.lists(st.sampled_from([b" ", b"\t", b"\r\n ", b"x", b"\xc3\xa9"]), max_size=12).map(b"".join))
def test_a_field_has_the_relaxed_form_that_dkimpy_gives_it(value: bytes) -> None:
    policy = CanonicalizationPolicy.from_c_value(b"relaxed/relaxed")
    [(name, theirs)] = policy.canonicalize_headers([[b"X-Some", value + b"\r\n"]])
    assert relaxed_field(b"X-Some", value) == name + b":" + theirs


@given(at=st.integers(min_value=0), octet=st.integers(33, 126), body_form=st.sampled_from(FORMS))
async def test_any_octet_that_is_changed_breaks_it(at: int, octet: int, body_form: Form) -> None:
    raw = await signed(PLAIN, "ed25519", form="simple", body_form=body_form)
    start = raw.index(b"\r\nFrom:") + 2
    at = start + at % (len(raw) - start)
    changed = bytearray(raw)
    if changed[at] in b"\r\n" or changed[at] == octet:
        return
    changed[at] = octet
    # A name of another field that is not signed may come of it, but then one that is signed is missing.
    assert (await verified(bytes(changed))).status == "fail"


PUBLISHED = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="  # RFC 8463, appendix A


def dkimpy_data() -> Path:
    sha256 = "b5f60fb47bbf5d8d762f134bcea0c388eba6b498342a682a21f1686545094b77"
    return unpacked("dkimpy", "1.1.8", sha256) / "dkim" / "tests" / "data"


def judged_by_dkimpy(raw: bytes, count: int, dns: Zones) -> list[bool]:
    judged = []
    for index in range(count):
        try:
            judged.append(bool(dkim.DKIM(raw).verify(idx=index, dnsfunc=dkimpy(dns))))
        except dkim.DKIMException:
            judged.append(False)
    return judged


@pytest.mark.parametrize("name", ["test.txt", "rfc6376"])
async def test_the_messages_of_dkimpy_are_judged_as_dkimpy_judges_them(name: str) -> None:
    data = dkimpy_data()
    record = txt((data / "test.txt").read_text().strip())
    if name == "test.txt":  # elsewhere, so that it does not fit
        record = txt((data / "test2.txt").read_text().strip())
    dns = Zones(
        {
            "test._domainkey.football.example.com": [record],
            "brisbane._domainkey.football.example.com": [txt(PUBLISHED)],
            "sed._domainkey.test.ex": [txt((data / "eximtest.dns").read_text().strip())],
            "test._domainkey.example.com": [txt((data / "test.txt").read_text().strip())],
        }
    )
    seen: list[bool] = []
    for path in sorted(data.glob("*.m*")):
        raw = re.sub(rb"\r?\n", b"\r\n", path.read_bytes())
        ours = [each.status == "pass" for each in await verify_dkim(message_of(raw), dns, 4e9)]
        assert ours == judged_by_dkimpy(raw, len(ours), dns), path.name
        seen += ours
    assert len(seen) > 5
    assert set(seen) == {True, False}


@pytest.mark.parametrize(
    "name", ["test.txt", "badversion.txt", "badk.txt", "test_bad.txt", "test_tlsrpt.txt"]
)
async def test_the_key_records_of_dkimpy_are_read_as_dkimpy_reads_them(name: str) -> None:
    data = dkimpy_data()
    pem = (data / "test.private").read_bytes()
    theirs = dkim.sign(PLAIN, b"test", b"example.com", pem) + PLAIN
    dns = Zones({"test._domainkey.example.com": [txt((data / name).read_text().strip())]})
    result = await verified(theirs, dns, now=4e9)
    assert [result.status == "pass"] == judged_by_dkimpy(theirs, 1, dns), result.reason
