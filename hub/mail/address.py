"""Mailboxes as SMTP writes them: `local@domain`, and the `<path>` around one (RFC 5321 §4.1.2, RFC 6531)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

# RFC 5321 §4.5.3.1.1 to .3, in octets; the path counts its brackets.
MAX_LOCAL = 64
MAX_DOMAIN = 255
MAX_PATH = 256
MAX_LABEL = 63  # RFC 1035 §2.3.4

# The quantifiers are possessive, so that no input makes the scanner go back. What lies outside ASCII is said
# by what does not: sets of so many characters take milliseconds to compile.
_UTF8 = r"[^\x00-\x9f\u2028\u2029]++"
_ATOM = rf"(?:[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~-]++|{_UTF8})++"
_DOT_STRING = re.compile(rf"{_ATOM}(?:\.{_ATOM})*+")
_QUOTED = re.compile(r'"((?:[^"\\\x00-\x1f\x7f-\x9f\u2028\u2029]|\\[ -~])*+)"')
_ESCAPED = re.compile(r"\\(.)")
_LITERAL = re.compile(r"\[[^\[\]\\ ]++\]")
# The underscore is not in RFC 5321's sub-domain, but hosts bear it and their mail is wanted.
_DOMAIN = re.compile(rf"(?:[A-Za-z0-9._-]++|{_UTF8})++")
# What nearly all paths look like: nothing quoted, nothing outside ASCII, no route, no literal.
_PLAIN_PATH = re.compile(
    rb"[ \t]*+<([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++)*+)"
    rb"@((?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)>"
    rb"(?:[ \t]++(.*))?\Z",
    re.DOTALL,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NEEDS_ESCAPE = re.compile(r'(["\\])')


class AddressError(ValueError):
    """Not an address, and why: one ASCII sentence on one line, which may be shown to whoever sent it."""


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox: `local` without quoting and in its own case, `domain` lower-cased as it was given.

    The domain is a host name (U-labels stay U-labels, A-labels stay A-labels), an address literal in
    brackets, or empty for the bare `postmaster` of RFC 5321 §4.1.1.3.
    """

    local: str
    domain: str

    def __post_init__(self) -> None:
        lowered = self.domain.lower()
        if lowered != self.domain:
            object.__setattr__(self, "domain", lowered)

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `local@domain` without brackets, from a config file or a command line.

        Raises AddressError.
        """
        address, end = _mailbox(text, 0)
        if end != len(text):
            raise AddressError(f"there is something after the address, at {_shown(text, end)}")
        return address

    def __str__(self) -> str:
        local = self.local
        if not _DOT_STRING.fullmatch(local):
            local = '"' + _NEEDS_ESCAPE.sub(r"\\\1", local) + '"'
        return f"{local}@{self.domain}" if self.domain else local

    @property
    def ascii_domain(self) -> str:
        """The domain with A-labels for U-labels (IDNA 2003), for DNS and for peers without SMTPUTF8.

        Raises AddressError if a label has no such form; a parsed address always has one.
        """
        return self.domain if self.domain.isascii() else _to_ascii(self.domain)

    @property
    def base_local(self) -> str:
        """`user` of `user+tag` (RFC 5233 §4); the whole local part if it has no tag."""
        at = self.local.find("+", 1)
        return self.local if at < 0 else self.local[:at]

    @property
    def subaddress(self) -> str | None:
        """`tag` of `user+tag`, which may be empty; None without a plus sign that follows a user."""
        at = self.local.find("+", 1)
        return None if at < 0 else self.local[at + 1 :]


def parse_path(argument: bytes, *, utf8: bool = False) -> tuple[Address | None, bytes]:
    """Read what follows `MAIL FROM:` or `RCPT TO:`: the path, and the rest, which are the ESMTP parameters.

    `<>` gives None (RFC 5321 §4.5.5), `<postmaster>` an address without domain. A source route is read and
    dropped (§4.1.1.3, appendix C). `utf8` says that the transaction has SMTPUTF8. The brackets are required,
    blanks before them are forgiven. Raises AddressError.
    """
    plain = _PLAIN_PATH.match(argument)
    if plain is not None:
        local, name, parameters = plain.groups(b"")
        if len(local) <= MAX_LOCAL and len(local) + len(name) + 3 <= MAX_PATH and parameters.isascii():
            return Address(local.decode(), name.decode()), parameters.strip(b" \t")
    text = _decoded(argument, utf8).lstrip(" \t")
    if not text.startswith("<"):
        raise AddressError("an address here stands in angle brackets: <user@example.org>")
    if text.startswith("<>"):
        address, end = None, 1
    else:
        address, end = _mailbox(text, _skip_route(text, 1))
    if end >= len(text):
        raise AddressError("the closing > is missing")
    if text[end] != ">":
        raise AddressError(f"expected > after the address, found {_shown(text, end)}")
    end += 1
    if _octets(text[:end]) > MAX_PATH:
        raise AddressError(f"the path is longer than {MAX_PATH} octets")
    rest = text[end:]
    if rest and rest[0] not in " \t":
        raise AddressError(f"expected a space after >, found {_shown(text, end)}")
    return address, rest.strip(" \t").encode()


def _decoded(argument: bytes, utf8: bool) -> str:
    try:
        return argument.decode("utf-8" if utf8 else "ascii")
    except UnicodeDecodeError:
        if utf8:
            raise AddressError("the address is not valid UTF-8") from None
        raise AddressError("an address outside ASCII needs the SMTPUTF8 parameter") from None


def _skip_route(text: str, start: int) -> int:
    """Pass over `@one.example,@two.example:`; gives the offset of the mailbox."""
    at = start
    while text.startswith("@", at):
        _, at = _domain(text, at + 1)
        if text.startswith(":", at):
            return at + 1
        if not text.startswith(",@", at):
            raise AddressError("a source route is written @one.example,@two.example:user@example.org")
        at += 1
    return at


def _mailbox(text: str, start: int) -> tuple[Address, int]:
    local, at = _local(text, start)
    if not text.startswith("@", at):
        if local.lower() == "postmaster" and (at == len(text) or text[at] == ">"):
            return Address("postmaster", ""), at  # RFC 5321 §4.1.1.3, in any case
        if at == len(text) or text[at] == ">":
            raise AddressError("the address has no @domain")
        raise AddressError(f"expected @ after the local part, found {_shown(text, at)}")
    domain, end = _domain(text, at + 1)
    return Address(local, domain), end


def _local(text: str, start: int) -> tuple[str, int]:
    quoted = text.startswith('"', start)
    match = (_QUOTED if quoted else _DOT_STRING).match(text, start)
    if match is None:
        control = _CONTROL.search(text, start)
        if control:
            raise AddressError(f"the address contains {_shown(text, control.start())}")
        if quoted:
            raise AddressError("the quoted local part is not closed, or a backslash in it quotes nothing")
        if start >= len(text) or text[start] in "@>":
            raise AddressError("the local part, before the @, is missing")
        raise AddressError(f"a local part that starts with {_shown(text, start)} needs quotes")
    if _octets(match[0]) > MAX_LOCAL:
        raise AddressError(f"the local part is longer than {MAX_LOCAL} octets")
    local = _ESCAPED.sub(r"\1", match[1]) if quoted else match[0]
    return local, match.end()


def _domain(text: str, start: int) -> tuple[str, int]:
    if text.startswith("[", start):
        match = _LITERAL.match(text, start)
        if match is None:
            raise AddressError("the address literal is not closed with ]")
        _check_literal(match[0])
        return match[0], match.end()
    match = _DOMAIN.match(text, start)
    if match is None:
        if start >= len(text) or text[start] == ">":
            raise AddressError("the domain, after the @, is missing")
        raise AddressError(f"a domain cannot contain {_shown(text, start)}")
    domain = match[0]
    if _octets(domain) > MAX_DOMAIN:
        raise AddressError(f"the domain is longer than {MAX_DOMAIN} octets")
    _check_labels(domain if domain.isascii() else _to_ascii(domain))
    return domain, match.end()


def _check_labels(domain: str) -> None:
    for label in domain.split("."):
        if not label:
            raise AddressError("the domain has a dot too many")
        if len(label) > MAX_LABEL:
            raise AddressError(f"a label of the domain is longer than {MAX_LABEL} octets")
        if label[0] == "-" or label[-1] == "-":
            raise AddressError("a label of the domain starts or ends with a hyphen")


def _check_literal(literal: str) -> None:
    """RFC 5321 §4.1.3: `[192.0.2.1]` or `[IPv6:2001:db8::1]`."""
    inner = literal[1:-1]
    try:
        if inner[:5].lower() == "ipv6:":
            if "%" in inner:
                raise ValueError
            ipaddress.IPv6Address(inner[5:])
        else:
            ipaddress.IPv4Address(inner)
    except ValueError:
        raise AddressError("an address literal is written [192.0.2.1] or [IPv6:2001:db8::1]") from None


def _to_ascii(domain: str) -> str:
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        raise AddressError("the domain has a label that IDNA does not allow") from None


def _octets(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _shown(text: str, at: int) -> str:
    """The character at an offset, so that it is safe in a reply line and in a log."""
    char = text[at]
    if char == " ":
        return "a space"
    return f"character 0x{ord(char):02x}" if _CONTROL.match(char) or not char.isascii() else f"'{char}'"
