"""A real DNS server on loopback, Knot, with the zones that a test gives it, signed or not."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest

from hub.testing.ports import free_port

PROGRAM = shutil.which("knotd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")

needs_knot = pytest.mark.skipif(PROGRAM is None, reason="no knotd here: tests/peers/install.sh installs it")


@dataclass(frozen=True, slots=True)
class Signed:
    """Zones that a server has signed. address: the server's; anchors: the key at their top, as DS records."""

    address: str
    anchors: tuple[str, ...]


@contextmanager
def resolving(zones: Mapping[str, Sequence[str]], more: str = "", acl: str = "") -> Iterator[str]:
    """Serve the zones, domain → records; gives `address:port`. more: of the configuration; acl: of zones."""
    with tempfile.TemporaryDirectory(prefix="knot-") as name:  # a short path: its control socket lies there
        folder, port = Path(name), free_port()
        for zone, records in zones.items():
            _write(folder, zone, records)
        _configure(folder, port, dict.fromkeys(zones, "default"), more, acl)
        with _serving(folder, port, zones):
            yield f"127.0.0.1:{port}"


def changing(zones: Mapping[str, Sequence[str]], name: str, secret: str) -> AbstractContextManager[str]:
    """The same, and who has the key may change them (RFC 2136)."""
    more = (
        f"key:\n  - id: {name}\n    algorithm: hmac-sha256\n    secret: {secret}\n"
        f"acl:\n  - id: change\n    key: {name}\n    action: update\n"
    )
    return resolving(zones, more, "    acl: change\n")


@contextmanager
def signing(
    zones: Mapping[str, Sequence[str]],
    *,
    nsec3: Collection[str] = (),
    opt_out: Collection[str] = (),
    unsigned: Collection[str] = (),
    wrong: Collection[str] = (),
    stripped: Collection[str] = (),
) -> Iterator[Signed]:
    """Sign and serve the zones, each delegated by the one above it, the root (`.`) among them.

    nsec3, opt_out: which show so what there is not. unsigned: without keys, and nobody says that they have
    any; stripped: without keys, though their parent says that they have some; wrong: with other keys than
    their parent says.
    """
    with tempfile.TemporaryDirectory(prefix="knot-") as name:
        folder, port = Path(name), free_port()
        kinds = {
            zone: "default"
            if zone in {*unsigned, *stripped}
            else "optout"
            if zone in opt_out
            else "nsec3"
            if zone in nsec3
            else "signed"
            for zone in zones
        }
        _configure(folder, port, kinds)
        keys = {zone: _generate(folder, zone) for zone in zones if zone not in unsigned}
        for zone, records in zones.items():
            delegations = []
            for child in zones:
                if child != zone and _parent(child, zones) == zone:
                    delegations += [f"{child}. NS ns.{child}.", f"ns.{child}. A 127.0.0.1"]
                    said = keys.get(child, ())
                    if child in wrong:
                        said = tuple(each[:-8] + "00000000" for each in said)
                    delegations += said
            _write(folder, zone, [*records, *delegations])
        with _serving(folder, port, zones):
            yield Signed(f"127.0.0.1:{port}", keys["."])


@contextmanager
def _serving(folder: Path, port: int, zones: Collection[str]) -> Iterator[None]:
    assert PROGRAM is not None
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, "-c", str(folder / "knot.conf")], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not all(_knows(port, zone) for zone in zones):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.02)
        yield
    finally:
        process.kill()
        process.wait()


def _generate(folder: Path, zone: str) -> tuple[str, ...]:
    """A key for the zone; the DS records of it."""
    assert PROGRAM is not None
    keymgr = shutil.which("keymgr", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    assert keymgr is not None, "keymgr comes with knotd"
    command = [keymgr, "-c", str(folder / "knot.conf"), zone if zone == "." else f"{zone}."]
    wish = ["generate", "algorithm=ECDSAP256SHA256", "ksk=yes", "zsk=yes"]
    subprocess.run([*command, *wish], check=True, capture_output=True)
    said = subprocess.run([*command, "ds"], check=True, capture_output=True, text=True).stdout
    return tuple(line for line in said.splitlines() if line.split()[4] == "2")


def _parent(zone: str, zones: Collection[str]) -> str:
    labels = zone.split(".")
    above = (".".join(labels[at:]) for at in range(1, len(labels)))
    return next((each for each in above if each in zones), ".")


def _write(folder: Path, zone: str, records: Sequence[str]) -> None:
    lines = ["@ SOA ns admin 1 3600 600 86400 300", "@ NS ns", "ns A 127.0.0.1", *records]
    (folder / f"{zone}.zone").write_text("$TTL 300\n" + "".join(f"{line}\n" for line in lines))


def _configure(folder: Path, port: int, kinds: Mapping[str, str], more: str = "", acl: str = "") -> None:
    """kinds: zone → the template that it follows."""
    listed = "".join(
        f"  - domain: {zone}\n    file: {folder}/{zone}.zone\n    template: {kind}\n{acl}"
        for zone, kind in kinds.items()
    )
    policy = "    manual: on\n    single-type-signing: on\n    algorithm: ECDSAP256SHA256\n"
    template = "    journal-content: none\n    zonefile-sync: -1\n"
    signing = f"{template}    zonefile-load: whole\n    dnssec-signing: on\n    dnssec-policy:"
    (folder / "db").mkdir()
    (folder / "knot.conf").write_text(
        f"server:\n  listen: 127.0.0.1@{port}\n  rundir: {folder}\n"
        "  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n"
        f"database:\n  storage: {folder}/db\n  journal-db-max-size: 1M\n  timer-db-max-size: 1M\n"
        "  kasp-db-max-size: 5M\n"
        f"policy:\n  - id: signed\n{policy}"
        f"  - id: nsec3\n{policy}    nsec3: on\n    nsec3-iterations: 3\n"
        f"  - id: optout\n{policy}    nsec3: on\n    nsec3-opt-out: on\n"
        f"template:\n  - id: default\n{template}"
        + "".join(f"  - id: {each}\n{signing} {each}\n" for each in ("signed", "nsec3", "optout"))
        + f"log:\n  - target: stderr\n    any: warning\n{more}zone:\n{listed}"
    )


def _knows(port: int, zone: str) -> bool:
    with suppress(OSError, dns.exception.DNSException):
        query = dns.message.make_query(zone, "SOA")
        return bool(dns.query.udp(query, "127.0.0.1", timeout=1, port=port).answer)
    return False
