"""Why a handshake failed: which side offered what, what they have in common, and what to change.

    what the client sent first ──► a hello, or what it is instead ─┐
    the error of OpenSSL or of the socket ─────────────────────────┼──► Explanation
    what our side allows, and its certificate ─────────────────────┘

The two offers are compared first, for OpenSSL says "no shared cipher" of five different things.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from hub.tls.chain import Fault
from hub.tls.hello import CutOff, Hello, NotHello, read_hello
from hub.tls.naming import GROUPS, SIGNATURES, TLS_1_2, TLS_1_3, VERSIONS, cipher_name, ciphers, named
from hub.tls.suiting import ALGORITHMS

Side: TypeAlias = Literal["client", "server", "either", "nobody"]
Offer: TypeAlias = Mapping[str, Sequence[str]]

OUR_GROUPS: Final = (0x1D, 0x17, 0x1E, 0x19, 0x18, 0x100, 0x101, 0x102, 0x103, 0x104)
"""What OpenSSL 3 takes unless told otherwise (SSL_CTX_set1_groups(3)); Python cannot tell it otherwise."""
_OTHERS: Final = (
    ("HTTP", re.compile(rb"(GET|POST|HEAD|PUT|OPTIONS|CONNECT|PRI) ")),
    ("SMTP", re.compile(rb"(EHLO|HELO|LHLO|MAIL FROM|RCPT TO|STARTTLS\r|QUIT\r|NOOP\r|RSET\r)", re.I)),
    (
        "IMAP",
        re.compile(rb"[A-Za-z0-9.]{1,20} (CAPABILITY|LOGIN|STARTTLS|AUTHENTICATE|ID|NOOP|LOGOUT)\b", re.I),
    ),
    ("POP3", re.compile(rb"(CAPA|USER|STLS|APOP)\b", re.I)),
    ("the PROXY protocol", re.compile(rb"PROXY |\r\n\r\n\0\r\nQUIT\n")),
    ("SSH", re.compile(rb"SSH-")),
)
_SHOWN: Final = 40
"""Octets of what is no TLS that are quoted."""


@dataclass(frozen=True, slots=True)
class Ours:
    """What our side allows. key: ECDSA, RSA, Ed25519 or Ed448; names: of the certificate; protocols: of ALPN.

    faults: of the chain, worst first.
    """

    versions: tuple[int, ...] = (TLS_1_3, TLS_1_2)
    ciphers: tuple[int, ...] = ()
    protocols: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    key: str = "ECDSA"
    faults: Sequence[Fault] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """kind: a stable word; side: who has to change something. offered: by the client; allowed: by us."""

    kind: str
    side: Side
    why: str
    change: str
    offered: Offer = field(default_factory=dict)
    allowed: Offer = field(default_factory=dict)


def explain(octets: bytes, error: BaseException, ours_for: Callable[[Hello], Ours]) -> Explanation:
    """Why it failed. octets: the first that the client sent, as far as they were kept.

    ours_for: our side towards who asks like that.
    """
    if not octets:
        return _said_nothing(error)
    try:
        hello = read_hello(octets)
    except CutOff as wrong:
        return _other(octets) or _in_the_middle(error, wrong)
    except NotHello as wrong:
        return _other(octets) or _no_hello(octets, wrong)
    ours = ours_for(hello)
    found = _of_hello(hello, error, ours)
    return Explanation(*found, _offered(hello), _allowed(ours))


_Found: TypeAlias = tuple[str, Side, str, str]
"""kind, side, why, change"""


def _said_nothing(error: BaseException) -> Explanation:
    if _timed_out(error):
        why = "the client has said nothing: it waits for a greeting, as one does that is set to STARTTLS"
        change = (
            "set the client to TLS from the start (SSL/TLS), or give it the port where STARTTLS is spoken"
        )
        return Explanation("waits", "client", why, change)
    why = "the client has left without a word, as monitors and scanners do that look whether a port is open"
    return Explanation("left", "nobody", why, "nothing; a monitor may be told to shake hands")


def _other(octets: bytes) -> Explanation | None:
    """Of clients that speak something else than TLS, and what it is."""
    for name, begins in _OTHERS:
        if begins.match(octets):
            why = f"the client speaks {name} in the clear, where TLS comes first"
            change = "set the client to TLS from the start (SSL/TLS)"
            if name in ("SMTP", "IMAP", "POP3"):
                change += ", or give it the port where STARTTLS is spoken"
            elif name == "HTTP":
                change = (
                    "ask with https://; on the port of a mail protocol it is a stray browser or a scanner"
                )
            elif name == "the PROXY protocol":
                change = "list the proxy in proxy_protocol of this listener, or have it send no such header"
            return Explanation("plain", "client", why, change, {"octets": [_quoted(octets)]})
    return None


def _in_the_middle(error: BaseException, wrong: CutOff) -> Explanation:
    offered = {"octets": [str(wrong)]}
    if _timed_out(error):
        why = "the client began its hello and did not end it in time"
        change = (
            "look for a firewall or a tunnel that drops large packets (MTU), or raise tls.handshake_timeout"
        )
        return Explanation("stalled", "either", why, change, offered)
    why = "the client has left in the middle of its hello"
    return Explanation("cut-off", "client", why, "look at the client, or at a firewall in between", offered)


def _no_hello(octets: bytes, wrong: NotHello) -> Explanation:
    offered = {"octets": [_quoted(octets)]}
    if octets[:1] == b"\x16":
        why = f"the client's hello is malformed: {wrong}"
    else:
        why = f"what the client has sent is no TLS: {wrong}"
    return Explanation("garbage", "client", why, "find out what connects here; it may be a scanner", offered)


def _of_hello(hello: Hello, error: BaseException, ours: Ours) -> _Found:
    reason = _reason(error)
    if not set(hello.versions) & set(ours.versions):
        return _no_version(hello, ours)
    if hello.protocols and ours.protocols and not set(hello.protocols) & set(ours.protocols):
        speaks, wants = _listed(ours.protocols), _listed(hello.protocols)
        why = f"the client wants to speak {wants} (ALPN), and this port speaks {speaks}"
        return "protocol", "client", why, "give the client the port of its protocol, or have it send no ALPN"
    if "_ALERT_" in reason:
        return _alerted(reason.partition("_ALERT_")[2].lower(), hello, ours)
    if reason == "INAPPROPRIATE_FALLBACK":  # RFC 7507
        why = "the client has fallen back to a version that is older than both sides speak"
        return "fallback", "client", why, "find out what its first try failed of; somebody may be in between"
    if reason in ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "CERTIFICATE_VERIFY_FAILED"):
        return _client_certificate(error, reason)
    if isinstance(error, ssl.SSLError):
        return _nothing_in_common(hello, ours) or _as_openssl_says(reason)
    if not _fits(hello, ours):
        why = "the client has left" if not _timed_out(error) else "the client has said nothing more"
        return _misnamed(hello, ours, f"{why} after it saw the certificate")
    if _timed_out(error):
        why = "the client has said nothing since it was sent our certificate"
        return (
            "stalled",
            "either",
            why,
            "look for a firewall that drops large packets (MTU), and at the client",
        )
    why = "the client has left after it saw our certificate, and did not say why"
    return "hung-up", "client", why, _about_chain(ours) or "look into the client's log"


def _no_version(hello: Hello, ours: Ours) -> _Found:
    newest = VERSIONS.get(max(hello.versions), "something unknown")
    least = VERSIONS[min(ours.versions)]
    why = f"the client speaks at most {newest}, and we at least {least}"
    if TLS_1_2 in hello.versions:
        return "version", "either", why, 'update the client, or set tls.minimum = "1.2"'
    return (
        "version",
        "client",
        why,
        "update the client: what it speaks is broken (RFC 8996), and never offered",
    )


def _nothing_in_common(hello: Hello, ours: Ours) -> _Found | None:
    """What is missing so that OpenSSL could have gone on with this certificate."""
    version = max(set(hello.versions) & set(ours.versions))
    kinds = ciphers()
    common = [each for each in hello.ciphers if each in ours.ciphers]
    modern = version >= TLS_1_3
    common = [each for each in common if (each >> 8 == 0x13) is modern]
    if not common:
        why = f"the client offers no cipher of {VERSIONS[version]} that we take"
        return (
            "cipher",
            "client",
            why,
            "update the client: ours are all with forward secrecy and AEAD (RFC 9325)",
        )
    usual = [
        each for each in common if kinds[each].authentication in ("auth-any", f"auth-{ours.key.lower()}")
    ]
    if not usual and ours.key in ("RSA", "ECDSA"):
        other = "RSA" if ours.key == "ECDSA" else "ECDSA"
        why = f"the client offers only ciphers for {other} certificates, and ours is {ours.key}"
        return (
            "certificate-kind",
            "either",
            why,
            f"update the client, or add a certificate with an {other} key",
        )
    if hello.groups and not set(hello.groups) & set(OUR_GROUPS):
        why = f"the client offers no group for the key exchange that we take, but {_groups(hello)}"
        return "group", "client", why, "have the client offer x25519 or secp256r1"
    wanted = ALGORITHMS.get(ours.key, ())
    if hello.signatures and not set(hello.signatures) & set(wanted):
        why = f"the client takes no signature that our {ours.key} key can make"
        other = "RSA" if ours.key == "ECDSA" else "ECDSA"
        best = named(SIGNATURES, wanted)[0]
        change = f"have the client take {best}, or add a certificate with an {other} key"
        return "signature", "either", why, change
    return None


_REMEDIES: Final[Mapping[str, tuple[Side, str]]] = {
    "certificate revoked": ("client", "give the client another one: its issuer has taken this one back"),
    "CRL has expired": ("server", "put the issuer's current revocation list into the listener's client_ca"),
    "unable to get certificate CRL": (
        "server",
        "put the revocation list of this issuer, too, into the listener's client_ca",
    ),
}


def _client_certificate(error: BaseException, reason: str) -> _Found:
    if reason == "CERTIFICATE_VERIFY_FAILED":
        said = getattr(error, "verify_message", "") or "it cannot be verified"
        why = f"the client's own certificate is not accepted: {said}"
        side, change = _REMEDIES.get(
            said, ("client", "give the client one that the authorities named here issued")
        )
        return "client-certificate", side, why, change
    why = "the client showed no certificate of its own, and this listener asks for one"
    return "client-certificate", "client", why, "give the client its certificate, or ask for none"


def _alerted(alert: str, hello: Hello, ours: Ours) -> _Found:
    """The client says what it does not like, in one word (RFC 8446 §6.2)."""
    said = f"(its alert: {alert.replace(' ', '_')})"
    if alert == "unknown_ca":
        why = f"the client does not trust who issued our certificate {said}"
        change = "give the client the authority's certificate, or use one of a public authority"
        return "untrusted", "either", why, _about_chain(ours) or change
    if alert == "certificate_expired":
        old = next((each for each in ours.faults if each.kind in ("expired", "not-yet-valid")), None)
        why = f"the client says that our certificate has expired {said}"
        if old is None:
            return (
                "expired",
                "client",
                f"{why}; it has not",
                "set the client's clock right, or restart the client",
            )
        return "expired", "server", f"{why}: {old.what}", old.remedy
    if alert in ("bad_certificate", "certificate_unknown", "unsupported_certificate"):
        if not _fits(hello, ours):
            return _misnamed(hello, ours, f"the client refuses our certificate {said}")
        why = f"the client refuses our certificate {said}"
        change = "have the client connect by a name of the certificate; it may also have pinned another one"
        return "refused", "either", why, _about_chain(ours) or change
    if alert in ("handshake_failure", "insufficient_security", "protocol_version"):
        why = f"the client takes nothing of what we chose {said}"
        return "refused", "client", why, "compare what both sides offer, and update the client"
    return "alert", "client", f"the client gave up {said}", "look into the client's log"


def _misnamed(hello: Hello, ours: Ours, what: str) -> _Found:
    wanted = hello.server_name
    why = f"{what}: it asked for {wanted}, and the certificate is for {_listed(ours.names) or 'no name'}"
    return "name", "either", why, f"have the client connect by such a name, or add a certificate for {wanted}"


def _as_openssl_says(reason: str) -> _Found:
    said = reason.lower().replace("_", " ")
    return "other", "either", f"the handshake failed: {said}", "compare what both sides offer"


def _about_chain(ours: Ours) -> str:
    """What to do about our own side first."""
    worst = next((each for each in ours.faults if each.severity != "hint"), None)
    return str(worst) if worst else ""


def _fits(hello: Hello, ours: Ours) -> bool:
    """Whether the certificate is for the name that the client asked for, if it asked for one."""
    name = (hello.server_name or "").lower().rstrip(".")
    return not name or name in ours.names or f"*.{name.partition('.')[2]}" in ours.names


def _reason(error: BaseException) -> str:
    """OpenSSL's own word for it, which Python keeps apart and pyOpenSSL writes into the text."""
    said = getattr(error, "reason", None) or (error.args[-1] if error.args else "")
    return str(said).upper().replace(" ", "_")


def _timed_out(error: BaseException) -> bool:
    """The event loop says it with ConnectionAbortedError."""
    return isinstance(error, (TimeoutError, ConnectionAbortedError))


def _offered(hello: Hello) -> Offer:
    return {
        "name": [hello.server_name] if hello.server_name else [],
        "versions": named(VERSIONS, hello.versions),
        "ciphers": [cipher_name(each) for each in hello.ciphers],
        "groups": named(GROUPS, hello.groups),
        "signatures": named(SIGNATURES, hello.signatures),
        "protocols": hello.protocols,
    }


def _allowed(ours: Ours) -> Offer:
    return {
        "name": ours.names,
        "versions": named(VERSIONS, ours.versions),
        "ciphers": [cipher_name(each) for each in ours.ciphers],
        "groups": named(GROUPS, OUR_GROUPS),
        "signatures": named(SIGNATURES, ALGORITHMS.get(ours.key, ())),
        "protocols": ours.protocols,
    }


def _groups(hello: Hello) -> str:
    return _listed(named(GROUPS, hello.groups))


def _listed(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _quoted(octets: bytes) -> str:
    return octets[:_SHOWN].decode("latin-1").encode("unicode_escape").decode("ascii")
