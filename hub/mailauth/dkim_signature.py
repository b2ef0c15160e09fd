"""One signature as its header field says it: DKIM-Signature, and ARC-Message-Signature, made alike."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from hub.mail.headers import Field, Headers
from hub.mailauth.canonical import FORMS, BodyHash, Form, canonical_field, relaxed_field
from hub.mailauth.dkim_tags import decode_base64, parse_tags, split_list, without_value
from hub.mailauth.keys import PublicKey

Status: TypeAlias = Literal["pass", "fail", "policy", "neutral", "temperror", "permerror"]
"""Results of RFC 8601 §2.7.1; there is no `none`, for there is a signature."""

MAX_SIGNED: Final = 500
"""Names in `h=`; each is looked up and hashed."""
MAX_FIELD: Final = 16384
"""Octets of the field of one signature."""
AHEAD: Final = 86400.0
"""Seconds by which a signer's clock may be ahead of ours."""
_DOMAIN: Final = re.compile(r"(?:[\w-]{1,63}\.)+[\w-]{1,63}")
_SELECTOR: Final = re.compile(r"[\w-]{1,63}(?:\.[\w-]{1,63})*")
_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


class Problem(Exception):
    """A signature that does not pass, and why."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Signature:
    """What a field says, checked as far as that goes without a key.

    names: `h=`, in lower case, as often as they stand there. length: `l=`. identity: `i=`.
    """

    field: Field
    algorithm: str
    domain: str
    selector: str
    identity: str
    header_form: Form
    body_form: Form
    names: Sequence[str]
    length: int | None
    signed_at: int | None
    expires_at: int | None
    body_hash: bytes
    signature: bytes


def read_tags(headers: Headers, field: Field) -> Mapping[str, str]:
    """The tags of a field; Problem."""
    if field.value_end - field.value_start > MAX_FIELD:
        raise Problem("neutral", f"the signature has more than {MAX_FIELD} octets")
    try:
        return parse_tags(headers.block[field.value_start : field.value_end])
    except ValueError as error:
        raise Problem("neutral", f"the signature cannot be read: {error}") from None


def read_dkim(field: Field, tags: Mapping[str, str]) -> Signature:
    """A DKIM-Signature (RFC 6376 §3.5, §6.1.1); Problem."""
    _need(tags, ("v", "a", "b", "bh", "d", "h", "s"))
    if tags["v"] != "1":
        raise Problem("neutral", f"there is no version {tags['v'][:20]} of DKIM")
    if "dns/txt" not in split_list(tags.get("q", "dns/txt")):
        raise Problem("neutral", "the key is not to be had by DNS (q=)")
    signature = read_signature(field, tags, tags.get("i", ""))
    if "from" not in signature.names:
        raise Problem("permerror", "From is not signed")
    domain = signature.identity.rpartition("@")[2]
    if "@" not in signature.identity or not (
        domain == signature.domain or domain.endswith(f".{signature.domain}")
    ):
        raise Problem("permerror", f"{signature.identity} is not of {signature.domain} (i=)")
    return signature


def read_signature(field: Field, tags: Mapping[str, str], identity: str = "") -> Signature:
    """What DKIM-Signature and ARC-Message-Signature have in common; Problem."""
    _need(tags, ("a", "b", "bh", "d", "h", "s"))
    domain, selector = signer(tags)
    local, _, home = (identity or f"@{domain}").rpartition("@")
    header_form, _, body_form = tags.get("c", "simple/simple").partition("/")
    forms = FORMS.get(header_form.strip()), FORMS.get(body_form.strip() or "simple")
    if forms[0] is None or forms[1] is None:
        raise Problem("neutral", f"there is no canonical form {tags['c'][:40]}")
    names = [name.lower() for name in split_list(tags["h"])]
    if len(names) > MAX_SIGNED or not all(names):
        raise Problem("neutral", f"h= has an empty name, or more than {MAX_SIGNED}")
    signed_at, expires_at = number(tags, "t"), number(tags, "x")
    if expires_at is not None and signed_at is not None and expires_at < signed_at:
        raise Problem("neutral", "it expired before it was made")
    return Signature(
        field=field,
        algorithm=tags["a"],
        domain=domain,
        selector=selector,
        identity=f"{local}@{home.lower()}",
        header_form=forms[0],
        body_form=forms[1],
        names=names,
        length=number(tags, "l"),
        signed_at=signed_at,
        expires_at=expires_at,
        body_hash=octets(tags, "bh"),
        signature=octets(tags, "b"),
    )


def signer(tags: Mapping[str, str]) -> tuple[str, str]:
    """`d=` and `s=`, if there can be a key there by an algorithm that is taken (RFC 8301 §3.1); Problem."""
    domain, selector, algorithm = tags["d"].lower(), tags["s"].lower(), tags["a"]
    if not _DOMAIN.fullmatch(domain) or not _SELECTOR.fullmatch(selector):
        raise Problem("neutral", "d= or s= is no name of DNS")
    if algorithm == "rsa-sha1":
        raise Problem("policy", "rsa-sha1 is too weak to be believed (RFC 8301)")
    if algorithm not in ("rsa-sha256", "ed25519-sha256"):
        raise Problem("neutral", f"the algorithm {algorithm[:40]} is unknown here")
    return domain, selector


def octets(tags: Mapping[str, str], tag: str) -> bytes:
    """A tag's base64; Problem."""
    try:
        return decode_base64(tags[tag])
    except ValueError as error:
        raise Problem("neutral", f"{tag}= {error}") from None


def number(tags: Mapping[str, str], tag: str) -> int | None:
    """A tag's number, None without the tag; Problem."""
    value = tags.get(tag)
    if value is None:
        return None
    if not _NUMBER.fullmatch(value):
        raise Problem("neutral", f"{tag}= is no number")
    return int(value)


def _need(tags: Mapping[str, str], names: Sequence[str]) -> None:
    missing = [name for name in names if name not in tags]
    if missing:
        raise Problem("neutral", f"the signature has no {missing[0]}=")


def signed_fields(headers: Headers, names: Sequence[str]) -> Sequence[Field]:
    """The fields that `h=` means: those of one name from the bottom up, absent ones left out (§5.4.2)."""
    stacks: dict[bytes, list[Field]] = {name.encode(): [] for name in names}
    block = headers.block
    for field in headers.fields:
        stack = stacks.get(block[field.name_start : field.name_end].lower())
        if stack is not None:
            stack.append(field)
    return [stack.pop() for name in names if (stack := stacks[name.encode()])]


def header_data(headers: Headers, names: Sequence[str], form: Form, own: bytes) -> bytes:
    """The octets that are signed: the named fields, then the signature's own without its value (§3.7).

    names: in lower case. own: the signature's field, without the line end.
    """
    fields = [canonical_field(headers, field, form) for field in signed_fields(headers, names)]
    return b"".join([*fields, canonical_own(own, form)])


def canonical_own(own: bytes, form: Form) -> bytes:
    """A signature's own field as it is signed: without the value of `b=` and the last line end."""
    emptied = without_value(own, b"b")
    if form == "simple":
        return emptied
    name, _, value = emptied.partition(b":")
    return relaxed_field(name, value)[:-2]


def check(
    headers: Headers, signature: Signature, key: PublicKey, body: BodyHash, now: float, *, trust_length: bool
) -> None:
    """Whether it holds: the time, the key, the body, the fields; Problem says what does not."""
    _check_times(signature, now)
    if signature.algorithm != f"{key.kind}-sha256":
        raise Problem("permerror", f"the key is {key.kind}, the signature {signature.algorithm}")
    if key.strict and signature.identity.rpartition("@")[2] != signature.domain:
        raise Problem("permerror", f"the key is for {signature.domain} alone (t=s)")
    if signature.length is not None and signature.length > body.size:
        raise Problem("fail", f"l= says {signature.length} octets and the body has {body.size}")
    if body.digest != signature.body_hash:
        raise Problem("fail", "the body is not what was signed")
    own = headers.block[signature.field.name_start : signature.field.value_end]
    data = header_data(headers, signature.names, signature.header_form, own)
    if not key.verifies(signature.signature, data):
        raise Problem("fail", "the header fields are not what was signed")
    if signature.length is not None and body.signed < body.size and not trust_length:
        raise Problem("policy", f"only the first {body.signed} of {body.size} octets are signed (l=)")


def _check_times(signature: Signature, now: float) -> None:
    if signature.expires_at is not None and signature.expires_at < now:
        raise Problem("fail", f"it has expired {now - signature.expires_at:.0f} seconds ago (x=)")
    if signature.signed_at is not None and signature.signed_at > now + AHEAD:
        raise Problem("policy", f"it was made {signature.signed_at - now:.0f} seconds from now (t=)")


def check_from(headers: Headers, signature: Signature) -> None:
    """A second From above the signed one would be shown to people (RFC 6376 §8.15); Problem."""
    if len(headers.raw_all("From")) > signature.names.count("from"):
        raise Problem("policy", "there is more than one From, and not all are signed")
