"""Mail::DKIM, in Perl, and OpenDKIM: two more that sign and verify."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

OPENDKIM = shutil.which("opendkim", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


def _has_perl() -> bool:
    perl = shutil.which("perl")
    if perl is None:
        return False
    return not subprocess.run([perl, "-MMail::DKIM", "-e1"], capture_output=True, check=False).returncode


needs_opendkim = pytest.mark.skipif(
    OPENDKIM is None, reason="no opendkim here: tests/peers/install.sh installs it"
)
needs_maildkim = pytest.mark.skipif(
    not _has_perl(), reason="no Mail::DKIM here: tests/peers/install.sh installs it"
)
_ASKING: Final = """
use Net::DNS; use Mail::DKIM::DNS;
my ($host, $port) = split /:/, shift @ARGV;
Mail::DKIM::DNS::resolver(Net::DNS::Resolver->new(nameservers => [$host], port => $port)) if $port;
my $raw = do { local $/; <STDIN> };
"""
_VERIFY: Final = """
use Mail::DKIM::Verifier;
my $each = Mail::DKIM::Verifier->new; $each->PRINT($raw); $each->CLOSE;
print $_->result, "\\n" for $each->signatures;
"""
_VERIFY_ARC: Final = """
use Mail::DKIM::ARC::Verifier;
my $each = Mail::DKIM::ARC::Verifier->new; $each->PRINT($raw); $each->CLOSE;
print $each->result, "\\n";
"""
_SIGN: Final = """
use Mail::DKIM::Signer;
my $each = Mail::DKIM::Signer->new(Algorithm => $ARGV[0], Method => $ARGV[1], Domain => $ARGV[2],
    Selector => $ARGV[3], KeyFile => $ARGV[4]);
$each->PRINT($raw); $each->CLOSE; print $each->signature->as_string, "\\r\\n";
"""
_SEAL: Final = """
use Mail::DKIM::ARC::Signer;
my $each = Mail::DKIM::ARC::Signer->new(Algorithm => "rsa-sha256", Chain => $ARGV[0], Domain => $ARGV[1],
    SrvId => $ARGV[1], Selector => $ARGV[2], KeyFile => $ARGV[3],
    Headers => "From:To:Subject:Date:Message-ID");
$each->PRINT($raw); $each->CLOSE; print $each->as_string;
"""


def _perl(program: str, raw: bytes, *arguments: str, nameserver: str = "") -> bytes:
    command = ["perl", "-e", _ASKING + program, nameserver, *arguments]
    done = subprocess.run(command, input=raw, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def verify(raw: bytes, nameserver: str) -> list[str]:
    """What Mail::DKIM says of each signature."""
    return _perl(_VERIFY, raw, nameserver=nameserver).decode().split()


def verify_arc(raw: bytes, nameserver: str) -> str:
    """What Mail::DKIM says of the chain."""
    return _perl(_VERIFY_ARC, raw, nameserver=nameserver).decode().strip()


def sign(raw: bytes, algorithm: str, method: str, domain: str, selector: str, key: Path) -> bytes:
    """A signature by Mail::DKIM, with its line end."""
    return _perl(_SIGN, raw, algorithm, method, domain, selector, str(key))


def seal(raw: bytes, chain: str, domain: str, selector: str, key: Path, nameserver: str) -> bytes:
    """A set by Mail::DKIM, with its line ends."""
    lines = _perl(_SEAL, raw, chain, domain, selector, str(key), nameserver=nameserver)
    return lines.strip().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + b"\r\n"


def _opendkim(folder: Path, raw: bytes, config: str) -> str:
    """What it would put on top of the message."""
    assert OPENDKIM is not None
    # It reads lines as Unix ends them, and signs and verifies them as SMTP does.
    (folder / "message").write_bytes(raw.replace(b"\r\n", b"\n"))
    (folder / "opendkim.conf").write_text(f"{config}Syslog no\nRequireSafeKeys no\n")
    command = [OPENDKIM, "-t", str(folder / "message"), "-x", str(folder / "opendkim.conf"), "-v", "-v"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    return (done.stdout + done.stderr).decode("latin-1")


def opendkim_verifies(folder: Path, raw: bytes, name: str, record: str) -> str:
    """The first result of Authentication-Results."""
    (folder / "dns").write_text(f"{name} {record}\n")
    said = _opendkim(folder, raw, f"Mode v\nAlwaysAddARHeader yes\nTestDNSData {folder}/dns\n")
    match = re.search(r"dkim=(\w+)", said)
    assert match, said
    return match.group(1)


def opendkim_signs(folder: Path, raw: bytes, forms: str, domain: str, selector: str, key: Path) -> bytes:
    """A signature by OpenDKIM, with its line end."""
    said = _opendkim(
        folder,
        raw,
        f"Mode s\nCanonicalization {forms}\nDomain {domain}\nSelector {selector}\nKeyFile {key}\n"
        "SignatureAlgorithm rsa-sha256\n",
    )
    match = re.search(r"hname='DKIM-Signature' hvalue='([^']*)'", said)
    assert match, said
    value = re.sub(r"\r?\n", "\r\n", match.group(1))
    return b"DKIM-Signature: " + value.encode("latin-1") + b"\r\n"
