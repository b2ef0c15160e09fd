"""`hub dns`: the zone file is one that Knot loads, and a check says what is missing or wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hub.cli.main import main
from hub.config.tables.tls import TlsTable
from tests.peers.knot import needs_knot, resolving
from tests.tls.authority import Authority

DOMAIN = "example.org"


def configured(folder: Path, certificate: TlsTable, server: str = "127.0.0.1:53") -> Path:
    path = folder / "hub.toml"
    path.write_text(
        f'[hub]\nhostname = "mx.{DOMAIN}"\ndata_dir = "{folder}/data"\n[dns]\nnameservers = ["{server}"]\n'
        f'[tls]\ncertificate = "{certificate.certificate}"\nkey = "{certificate.key}"\n'
    )
    return path


def hub(path: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["-c", str(path), "dns", *words])


@contextmanager
def checked(
    folder: Path, certificate: TlsTable, records: Sequence[str]
) -> Iterator[dict[str, dict[str, str]]]:
    with resolving({DOMAIN: records}) as server:
        result = hub(configured(folder, certificate, server), "check", DOMAIN, "--json")
        found = {f"{each['kind']} {each['name']}": each for each in json.loads(result.stdout)}
        found["exit"] = {"code": str(result.exit_code)}
        yield found


def test_clients_are_told_where_pop3_is_while_its_plugin_is_active(
    tmp_path: Path, certificate: TlsTable
) -> None:
    """RFC 6186 §3.3, and TLS from the first octet on before STARTTLS (RFC 8314 §3)."""
    path = configured(tmp_path, certificate)
    printed = hub(path, "records", DOMAIN)
    records = [line.split(". SRV ") for line in printed.stdout.splitlines() if line.startswith("_pop3")]
    assert records == [
        [f"_pop3s._tcp.{DOMAIN}", f"0 1 995 mx.{DOMAIN}."],
        [f"_pop3._tcp.{DOMAIN}", f"1 1 110 mx.{DOMAIN}."],
    ]
    path.write_text(path.read_text().replace("[dns]", 'plugins = ["storage-sql"]\n[dns]'))
    assert "_pop3" not in hub(path, "records", DOMAIN).stdout


@needs_knot
@pytest.mark.proves("DNS: `hub dns` prints all that a domain needs, and finds what is missing or wrong")
def test_a_zone_that_was_printed_is_well(tmp_path: Path, certificate: TlsTable) -> None:
    printed = hub(configured(tmp_path, certificate), "records", DOMAIN)
    assert printed.exit_code == 0, printed.output
    for name in (
        "_25._tcp.mx",
        "_dmarc",
        "_smtp._tls",
        "_mta-sts",
        "autoconfig",
        "autodiscover",
        "_imaps._tcp",
    ):
        assert f"{name}.{DOMAIN}. " in printed.stdout
    records = [*printed.stdout.splitlines(), "mx A 192.0.2.1"]
    with checked(tmp_path, certificate, records) as found:
        assert found.pop("exit") == {"code": "0"}
        assert {each["status"] for each in found.values()} == {"ok"}, found


def test_certificates_of_two_kinds_have_a_record_each(tmp_path: Path, certificate: TlsTable) -> None:
    path, authority = configured(tmp_path, certificate), Authority(tmp_path)
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    others = (
        authority.issue(f"*.{DOMAIN}", private=private),
        authority.issue("mx.elsewhere.test", private=private),
    )
    text = path.read_text()
    for number, each in enumerate(others):
        chain, key = each.write(tmp_path, f"other{number}")
        text += f'[[tls.certificates]]\ncertificate = "{chain}"\nkey = "{key}"\n'
    path.write_text(text)
    printed = [line for line in hub(path, "records", DOMAIN).stdout.splitlines() if " TLSA " in line]
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert len(printed) == 2
    assert printed[1] == f"_25._tcp.mx.{DOMAIN}. TLSA 3 1 1 {hashlib.sha256(public).hexdigest()}"


@needs_knot
def test_what_is_missing_or_wrong_is_said_with_what_to_do(tmp_path: Path, certificate: TlsTable) -> None:
    records = [
        "@ MX 10 other.example.net.",
        '@ TXT "v=spf1 +all"',
        f"_25._tcp.mx TLSA 3 1 1 {'00' * 32}",
        '_dmarc TXT "v=DMARC1; p=none"',
        '_dmarc TXT "v=DMARC1; p=reject"',
    ]
    with checked(tmp_path, certificate, records) as found:
        assert found["exit"] == {"code": "1"}
        assert "add example.org. MX 10 mx.example.org." in found[f"MX {DOMAIN}"]["remark"]
        assert found[f"TLSA _25._tcp.mx.{DOMAIN}"]["status"] == "wrong"
        assert "lets everybody send" in found[f"TXT {DOMAIN}"]["remark"]
        assert "keep one" in found[f"TXT _dmarc.{DOMAIN}"]["remark"]
        assert found[f"A mx.{DOMAIN}"]["status"] == "missing"
        assert found[f"SRV _imaps._tcp.{DOMAIN}"]["status"] == "missing"


@needs_knot
def test_what_nobody_answers_is_unknown(tmp_path: Path, certificate: TlsTable) -> None:
    with resolving({DOMAIN: ["mx A 192.0.2.1"]}) as server:  # it refuses to speak of others
        result = hub(configured(tmp_path, certificate, server), "check", "elsewhere.example")
    assert result.exit_code == 1
    assert "unknown  MX    elsewhere.example" in result.output
