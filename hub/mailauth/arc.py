"""What a message has come through: the Authenticated Received Chain (RFC 8617)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from hub.mail.headers import Field, Headers
from hub.mail.message import Message
from hub.mailauth.canonical import canonical_field
from hub.mailauth.dkim import Say, explain, find_keys, hash_bodies, known, named_fields, quiet
from hub.mailauth.dkim_signature import (
    Problem,
    Signature,
    canonical_own,
    check,
    octets,
    read_signature,
    read_tags,
    signer,
)
from hub.mailauth.keys import PublicKey
from hub.mailauth.results import AuthResult
from hub.services.dns import Dns

ArcStatus: TypeAlias = Literal["none", "pass", "fail"]

MAX_INSTANCES: Final = 50
"""Sets in a chain (RFC 8617 §4.2.1)."""
SEAL: Final = b"arc-seal"
SIGNATURE: Final = b"arc-message-signature"
RESULTS: Final = b"arc-authentication-results"
_INSTANCE: Final = re.compile(rb"[ \t\r\n]*+i[ \t\r\n]*+=[ \t\r\n]*+([0-9]{1,4})[ \t\r\n]*+;")
_FOLD: Final = re.compile(r"[ \t\r\n]+")


@dataclass(frozen=True, slots=True)
class ArcResult:
    """What a chain proves.

    status: `none` without one. instance: the highest there is. domains: who sealed, from the first on
    (`d=`), only if it passes. results: what each of them found, `authserv-id; method=result …`, likewise;
    the first is that of the oldest hop. temporary: it failed for want of an answer from DNS. ended: an
    earlier hop said already that it is broken, so that nobody seals any more (RFC 8617 §5.1.2).
    """

    status: ArcStatus
    reason: str = ""
    instance: int = 0
    domains: Sequence[str] = ()
    results: Sequence[str] = ()
    temporary: bool = False
    ended: bool = False

    def auth_result(self) -> AuthResult:
        """As Authentication-Results says it."""
        sealer = [("header", "d", self.domains[-1])] if self.domains else ()
        return AuthResult("arc", self.status, self.reason, sealer)


@dataclass(frozen=True, slots=True)
class ArcSet:
    """What one hop has added. tags: of its seal."""

    results: Field
    signature: Field
    seal: Field
    tags: Mapping[str, str]


async def verify_arc(message: Message, dns: Dns, now: float, say: Say = quiet) -> ArcResult:
    """What came of the chain; `none` for a message without one (RFC 8617 §5.2).

    now: seconds since the epoch. Raises nothing for what is in a message or in DNS.
    """
    headers = message.headers
    try:
        sets = read_sets(headers)
    except Problem as problem:
        say(f"the chain is broken: {problem.reason}")
        return ArcResult("fail", problem.reason, instance=_highest(headers))
    if not sets:
        say("there is no ARC set")
        return ArcResult("none")
    if sets[-1].tags.get("cv") == "fail":
        say(f"set {len(sets)} says that the chain was broken before it")
        return ArcResult("fail", "an earlier hop found it broken", len(sets), ended=True)
    try:
        _check_claims(sets)
        await _check_message(message, sets[-1], dns, now, say)
        await _check_seals(headers, sets, dns, say)
    except Problem as problem:
        say(f"  the chain is broken: {problem.reason}")
        return ArcResult("fail", problem.reason, len(sets), temporary=problem.status == "temperror")
    say(f"the chain of {len(sets)} holds")
    domains = tuple(each.tags["d"].lower() for each in sets)
    return ArcResult("pass", "", len(sets), domains, tuple(_findings(headers, each) for each in sets))


def read_sets(headers: Headers) -> Sequence[ArcSet]:
    """The sets from the first to the last; Problem if one is not whole, or one is missing."""
    kinds = [_by_instance(headers, name) for name in (RESULTS, SIGNATURE, SEAL)]
    count = max(len(kind) for kind in kinds)
    if count > MAX_INSTANCES:
        raise Problem("fail", f"there are more than {MAX_INSTANCES} sets")
    if any(set(kind) != set(range(1, count + 1)) for kind in kinds):
        raise Problem("fail", "a set is missing, or not whole")
    results, signatures, seals = kinds
    return [
        ArcSet(results[at], signatures[at], seals[at], read_tags(headers, seals[at]))
        for at in range(1, count + 1)
    ]


def _by_instance(headers: Headers, name: bytes) -> Mapping[int, Field]:
    found: dict[int, Field] = {}
    for field in named_fields(headers, name)[: MAX_INSTANCES + 1]:
        at = _instance(headers, field, name)
        if at in found:
            raise Problem("fail", f"there are two of {name.decode()} with i={at}")
        found[at] = field
    return found


def _instance(headers: Headers, field: Field, name: bytes) -> int:
    value = headers.block[field.value_start : field.value_end]
    if name == RESULTS:  # its i= is the first, and the rest no list of tags
        match = _INSTANCE.match(value)
        text = match.group(1).decode() if match else ""
    else:
        text = read_tags(headers, field).get("i", "")
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:5]) <= MAX_INSTANCES):
        raise Problem("fail", f"{name.decode()} has no i= from 1 to {MAX_INSTANCES}")
    return int(text)


def _highest(headers: Headers) -> int:
    """The highest instance that any seal of a broken chain names."""
    highest = 0
    for field in named_fields(headers, SEAL):
        try:
            highest = max(highest, _instance(headers, field, SEAL))
        except Problem:
            continue
    return highest


def _check_claims(sets: Sequence[ArcSet]) -> None:
    """The first has seen no chain, all others one that held."""
    for at, each in enumerate(sets, start=1):
        claim = each.tags.get("cv")
        if claim != ("none" if at == 1 else "pass"):
            raise Problem("fail", f"set {at} says cv={claim}")
        if "h" in each.tags:
            raise Problem("fail", f"the seal of set {at} has an h=")
        missing = [name for name in ("a", "b", "d", "s") if name not in each.tags]
        if missing:
            raise Problem("fail", f"the seal of set {at} has no {missing[0]}=")


async def _check_message(message: Message, last: ArcSet, dns: Dns, now: float, say: Say) -> None:
    """The last hop's signature is the only one that must hold: it changed what others signed."""
    headers = message.headers
    signature = read_signature(last.signature, read_tags(headers, last.signature))
    say(f"ARC-Message-Signature {last.tags['i']} of {signature.domain}, key {signature.selector}")
    explain(signature, say)
    if SEAL.decode() in signature.names:
        raise Problem("fail", "a seal is signed by a message signature")
    key = await _key(signature, dns)
    body = (await hash_bodies(message, [signature]))[signature.body_form, signature.length]
    check(headers, signature, key, body, now, trust_length=False)
    say("  holds")


async def _key(signature: Signature, dns: Dns) -> PublicKey:
    where = signature.domain, signature.selector
    return known((await find_keys(dns, [where]))[where])


async def _check_seals(headers: Headers, sets: Sequence[ArcSet], dns: Dns, say: Say) -> None:
    signers = [signer(each.tags) for each in sets]
    keys = await find_keys(dns, signers)
    for at in range(len(sets), 0, -1):
        tags, where = sets[at - 1].tags, signers[at - 1]
        say(f"ARC-Seal {at} of {where[0]}, key {where[1]}, cv={tags['cv']}")
        key = known(keys[where])
        if tags["a"] != f"{key.kind}-sha256":
            raise Problem("fail", f"the key of seal {at} is {key.kind}, the seal {tags['a']}")
        own = headers.block[sets[at - 1].seal.name_start : sets[at - 1].seal.value_end]
        if not key.verifies(octets(tags, "b"), seal_data(headers, sets[:at], own)):
            raise Problem("fail", f"seal {at} does not hold")
        say("  holds")


def seal_data(headers: Headers, sets: Sequence[ArcSet], own: bytes) -> bytes:
    """What the seal of the last of these sets signs: all in order, itself last (RFC 8617 §5.1.1)."""
    fields = [field for each in sets for field in (each.results, each.signature, each.seal)]
    signed = [canonical_field(headers, each, "relaxed") for each in fields[:-1]]
    return b"".join([*signed, canonical_own(own, "relaxed")])


def _findings(headers: Headers, each: ArcSet) -> str:
    """What stands behind `i=`, on one line."""
    value = headers.block[each.results.value_start : each.results.value_end]
    match = _INSTANCE.match(value)
    assert match is not None  # or there was no set
    return _FOLD.sub(" ", value[match.end() :].decode("utf-8", "replace")).strip()
