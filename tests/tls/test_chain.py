"""What is wrong with a chain, by chains that are wrong."""

from __future__ import annotations

import re
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from hub.tls.chain import Fault, faults, is_for, names, system_roots
from tests.tls.chains import NOW, Made, made, rsa_key

HOST = "mx.example.test"
ROOT = made("Root", authority=True, days=3650)
MIDDLE = made("Middle", ROOT, authority=True, days=900, issuers_at="http://pki.example.test/root.der")
LOWER = made("Lower", MIDDLE, authority=True, days=900)
AT = "http://pki.example.test/middle.der"
LEAF = made(HOST, MIDDLE, names=[HOST], issuers_at=AT)
LONG = made(HOST, LOWER, names=[HOST])
SELF = made(HOST, names=[HOST])


def found(chain: bytes, key: bytes | None = LEAF.key_pem, *, days: float = 0) -> list[Fault]:
    now = (NOW + timedelta(days=days)).timestamp()
    return list(faults(chain, key, now, roots=lambda: [ROOT.certificate]))


def of(leaf: Made) -> list[Fault]:
    """The faults of a leaf whose chain is well."""
    return found(leaf.pem + MIDDLE.pem, leaf.key_pem)


def test_a_whole_chain_has_no_faults() -> None:
    assert found(LEAF.pem + MIDDLE.pem) == []
    assert found(LEAF.pem + MIDDLE.pem + ROOT.pem) == []
    assert found(LEAF.pem + MIDDLE.pem, None) == []
    assert found(LONG.pem + LOWER.pem + MIDDLE.pem, LONG.key_pem) == []


EXPIRED = made(HOST, MIDDLE, names=[HOST], begins=NOW - timedelta(days=91))
SHORT = made(HOST, MIDDLE, names=[HOST], begins=NOW - timedelta(days=1), days=6)
SHORT_OLD = made(HOST, MIDDLE, names=[HOST], begins=NOW - timedelta(days=5), days=6)
EARLY = made(HOST, MIDDLE, names=[HOST], begins=NOW + timedelta(days=1))
OLD_MIDDLE = made("Middle", ROOT, authority=True, key=MIDDLE.key, begins=NOW - timedelta(days=400), days=365)
PRIVATE = made(HOST, made("Ours", authority=True), names=[HOST])
UNKNOWN = made("Ours", made("Far", authority=True), authority=True)
BELOW_UNKNOWN = made(HOST, UNKNOWN, names=[HOST])
WEAK_RSA = made(HOST, MIDDLE, names=[HOST], key=rsa_key(1024))
WEAK_EC = made(HOST, MIDDLE, names=[HOST], key=ec.generate_private_key(ec.SECP224R1()))
NAMELESS = made(HOST, MIDDLE)
EMPTY = made("", MIDDLE, names=[HOST])
AUTHORITY = made(HOST, MIDDLE, names=[HOST], authority=True)
CLIENTS = made(HOST, MIDDLE, names=[HOST], more=[x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])])
STAPLE = made(HOST, MIDDLE, names=[HOST], must_staple=True)
STAPLED = made(HOST, MIDDLE, names=[HOST], must_staple=True, ocsp_at="http://ocsp.example.test")


@pytest.mark.proves("TLS: say what is wrong with a certificate, its chain and its key, and what to do")
@pytest.mark.parametrize(
    ("chain", "key", "kind", "said"),
    [
        ([MIDDLE, LEAF], LEAF, "order", f"the certificate for {HOST} is not the first of the file: put it"),
        ([LONG, MIDDLE, LOWER], LONG, "order", f"write it as {HOST}, Lower, Middle"),
        ([LEAF], LEAF, "missing-intermediate", f"the certificate of Middle, .* append what lies at {AT}"),
        ([BELOW_UNKNOWN, UNKNOWN], BELOW_UNKNOWN, None, ""),
        ([PRIVATE], PRIVATE, "missing-intermediate", "Ours, .* unless it is a root that your clients have"),
        ([SELF], SELF, "self-signed", "it is self-signed: only clients that were told to trust it"),
        ([LEAF, MIDDLE, LOWER], LEAF, "unneeded", "the file holds Lower, which .* take it out"),
        ([LEAF, MIDDLE, MIDDLE], LEAF, "unneeded", "a certificate twice"),
        ([EXPIRED, MIDDLE], EXPIRED, "expired", "it has expired on 2026-05-31: .*: renew it"),
        ([LEAF, OLD_MIDDLE], LEAF, "expired", "the certificate of Middle has expired on 2026-04-27"),
        ([SHORT, MIDDLE], SHORT, None, ""),
        ([SHORT_OLD, MIDDLE], SHORT_OLD, "expires-soon", "it expires in 1 days: renew it"),
        ([EARLY, MIDDLE], EARLY, "not-yet-valid", "from 2026-06-02 00:00 UTC on: look at the clock"),
        ([LEAF, MIDDLE], SELF, "key-mismatch", f"not that of the certificate for {HOST}"),
        ([WEAK_RSA, MIDDLE], WEAK_RSA, "weak-key", "RSA of 1024 bits: make a new key"),
        ([WEAK_EC, MIDDLE], WEAK_EC, "weak-key", "ECDSA of 224 bits"),
        ([NAMELESS, MIDDLE], NAMELESS, "no-names", f"issued with DNS:{HOST}"),
        ([EMPTY, MIDDLE], EMPTY, None, ""),
        ([AUTHORITY, MIDDLE], AUTHORITY, "authority", "CA:TRUE"),
        ([CLIENTS, MIDDLE], CLIENTS, "usage", "have it issued with serverAuth"),
        ([STAPLE, MIDDLE], STAPLE, "must-staple", "or with an OCSP URI"),
        ([STAPLED, MIDDLE], STAPLED, None, ""),
    ],
)
def test_each_fault_is_named(chain: list[Made], key: Made, kind: str | None, said: str) -> None:
    faults = found(b"".join(each.pem for each in chain), key.key_pem)
    assert [fault.kind for fault in faults] == ([kind] if kind else [])
    for fault in faults:
        assert re.search(said, str(fault)), str(fault)


def test_a_weak_signature_is_named(tmp_path: Path) -> None:
    _, ours = LEAF.write(tmp_path)
    issuer, key = MIDDLE.write(tmp_path, name="issuer")
    asked = subprocess.run(
        ["openssl", "req", "-new", "-key", ours, "-subj", f"/CN={HOST}"], check=True, capture_output=True
    ).stdout
    sign = ["openssl", "x509", "-req", "-CA", str(issuer), "-CAkey", str(key), "-sha1", "-set_serial", "7"]
    signed = subprocess.run(sign, input=asked, check=True, capture_output=True).stdout
    said = [str(fault) for fault in found(signed + MIDDLE.pem)]
    assert f"the certificate of {HOST} is signed with SHA1: have it issued again with SHA-256" in said


def test_what_will_expire_is_said_in_time() -> None:
    assert found(LEAF.pem + MIDDLE.pem, days=45) == []
    (fault,) = found(LEAF.pem + MIDDLE.pem, days=59.5)
    assert (fault.severity, fault.what) == ("warning", "it expires within a day")


def test_the_worst_is_said_first() -> None:
    bad = made(HOST, begins=NOW - timedelta(days=99))
    assert [fault.kind for fault in found(bad.pem, bad.key_pem)] == ["expired", "no-names", "self-signed"]


def test_files_that_are_none() -> None:
    assert [fault.kind for fault in found(b"")] == ["unreadable"]
    assert [fault.kind for fault in found(LEAF.key_pem)] == ["unreadable"]
    assert [fault.kind for fault in found(LEAF.pem + MIDDLE.pem, b"nonsense")] == ["key-unreadable"]
    encrypted = LEAF.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (fault,) = found(LEAF.pem + MIDDLE.pem, encrypted)
    assert "openssl pkey" in fault.remedy


def test_names_and_hosts() -> None:
    wide = made("x", names=["*.Example.test", "example.test", "192.0.2.1"]).certificate
    assert names(wide) == ("*.example.test", "example.test", "192.0.2.1")
    for host, fits in {
        "mx.example.test": True,
        "MX.EXAMPLE.TEST.": True,
        "example.test": True,
        "a.b.example.test": False,
        "192.0.2.1": True,
        "192.0.2.2": False,
        "test": False,
    }.items():
        assert is_for(wide, host) is fits, host


def test_the_system_has_roots() -> None:
    assert isinstance(list(system_roots()), list)
