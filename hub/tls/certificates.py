"""All certificates that are served at one time, and which of them a client gets."""

from __future__ import annotations

import hashlib
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hub.config.key import Key, format_key
from hub.config.tables.listeners import Listener
from hub.config.tables.tls import TlsTable
from hub.log import get_logger
from hub.tls.authorities import believe
from hub.tls.chain import faults
from hub.tls.context import server_context
from hub.tls.hello import Hello
from hub.tls.installed import FOLDER, installed, read_installed
from hub.tls.pair import Pair, PairError, read_pair
from hub.tls.suiting import suits

_SEE: Final = "See: hub config explain tls"

_log = get_logger(area="tls")


class CertificateError(RuntimeError):
    """A certificate that the configuration names, or its key, cannot be used; the text names the file and
    says why. key: of the configuration.
    """

    def __init__(self, key: Key, reason: str) -> None:
        super().__init__(f"{format_key(key)}: {reason}. {_SEE}")
        self.key = key
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Manner:
    """What the listeners of one kind have in common.

    alpn: the protocols that they speak (RFC 7301). client_ca: PEM of the authorities whose certificates
    clients may show, and of their revocation lists; they are asked for none without it.
    """

    alpn: tuple[str, ...] = ()
    client_ca: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Certificates:
    """Certificates by the names that they are for; the first one is everybody else's.

    One name may have several, whose keys are of different kinds: a client gets the first that suits it.
    broken: what lies in the data folder and cannot be used, by label; it is served as it was before.
    authorities: what listeners name as client_ca, by file.
    """

    minimum: str = "1.2"
    pairs: tuple[Pair, ...] = ()
    broken: Mapping[str, str] = field(default_factory=dict)
    authorities: Mapping[str, bytes] = field(default_factory=dict)
    digest: bytes = b""
    _by_name: Mapping[str, Mapping[str, Pair]] = field(default_factory=dict)  # name → kind of the key → pair
    _contexts: dict[tuple[str, Manner], ssl.SSLContext] = field(default_factory=dict)

    def choose(self, name: str | None, hello: Hello) -> Pair:
        """Whose turn it is: the name's own, its wildcard's (RFC 6125 §6.4.3), or the first, and its names'.

        Of several whose keys differ in kind, the first that the client can do with; else the first.
        """
        found: Mapping[str, Pair] | None = None
        if name is not None:
            found = self._by_name.get(name) or self._by_name.get(f"*.{name.partition('.')[2]}")
        if found is None:
            first = self.pairs[0]
            found = self._by_name[min(first.names)] if first.names else {"": first}
        if len(found) > 1:
            for kind, pair in found.items():
                if suits(kind, hello):
                    return pair
        return next(iter(found.values()))

    def context(self, pair: Pair, manner: Manner) -> ssl.SSLContext:
        """What shows a certificate in this manner, made when it is first needed."""
        key = pair.label, manner
        if key not in self._contexts:
            self._contexts[key] = certified(pair, manner, self.minimum)
        return self._contexts[key]

    def fingerprints(self) -> dict[str, str]:
        """Label → SHA-256 of each certificate."""
        return {pair.label: pair.fingerprint for pair in self.pairs}

    @property
    def configured(self) -> tuple[Pair, ...]:
        """Those that the configuration names."""
        return tuple(pair for pair in self.pairs if not pair.label.startswith(f"{FOLDER}/"))

    def tell(self) -> None:
        """Write into the log what is wrong with them."""
        for pair in self.pairs:
            for fault in faults(pair.chain, pair.key, time.time()):
                if fault.severity != "hint":
                    _log.warning("certificate", file=str(pair.file), reason=str(fault), fault=fault.kind)
        for label, reason in self.broken.items():
            _log.error("certificate", file=label, reason=f"{reason}; it is not loaded")


def certified(pair: Pair, manner: Manner, minimum: str) -> ssl.SSLContext:
    """A context that shows a certificate."""
    context = server_context(minimum)
    pair.put_into(context)
    if manner.client_ca:
        believe(context, manner.client_ca)
    if manner.alpn:
        context.set_alpn_protocols(list(manner.alpn))
    return context


def load_certificates(
    settings: TlsTable, data: Path, old: Certificates, listeners: Mapping[str, Listener] | None = None
) -> Certificates:
    """Read all that the configuration names and all that is installed. CertificateError; blocks.

    Of what is installed, a pair that cannot be used is left as it was. The old ones are given back if
    nothing is different.
    """
    configured = tuple(_configured(*each) for each in named(settings))
    authorities = dict(_authorities(name, each) for name, each in (listeners or {}).items() if each.client_ca)
    return with_installed(configured, settings.minimum, data, old, authorities)


def with_installed(
    configured: Sequence[Pair],
    minimum: str,
    data: Path,
    old: Certificates,
    authorities: Mapping[str, bytes],
) -> Certificates:
    """These, and what is installed now. Blocks."""
    before = {pair.label: pair for pair in old.pairs}
    found, broken = [], {}
    for folder in installed(data):
        try:
            found.append(read_installed(folder))
        except PairError as error:
            label = f"{folder.parent.name}/{folder.name}"
            broken[label] = str(error)
            if label in before:
                found.append(before[label])
    pairs = (*configured, *found)
    parts = (
        f"{minimum}{broken}{authorities}".encode(),
        *(each.label.encode() + each.digest for each in pairs),
    )
    digest = hashlib.sha256(b"\0".join(parts)).digest()
    if digest == old.digest:
        return old
    by_name: dict[str, dict[str, Pair]] = {}
    for pair in pairs:
        kind = pair.kind
        for name in pair.names:
            by_name.setdefault(name, {}).setdefault(kind, pair)
    return Certificates(minimum, pairs, broken, authorities, digest, by_name)


def named(settings: TlsTable) -> Iterator[tuple[Key, Path, Path]]:
    """The pairs in a configuration, each with the key of the table that names it; the default first."""
    if settings.certificate is not None and settings.key is not None:
        yield ("tls",), settings.certificate, settings.key
    for index, each in enumerate(settings.certificates):
        yield ("tls", "certificates", index), each.certificate, each.key


def _authorities(name: str, listener: Listener) -> tuple[str, bytes]:
    """The file that a listener names as client_ca, and what is in it."""
    path = Path(str(listener.client_ca))
    key: Key = ("listeners", name, "client_ca")
    try:
        content = path.read_bytes()
        believe(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), content)
    except OSError as error:  # ssl.SSLError is one
        reason = "it holds no certificates in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise CertificateError(key, f"{path}: {reason}") from error
    return str(path), content


def _configured(table: Key, certificate: Path, key: Path) -> Pair:
    try:
        return read_pair(format_key((*table, "certificate")), certificate, key)
    except PairError as error:
        raise CertificateError((*table, error.part), str(error)) from error
