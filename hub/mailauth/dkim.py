"""Who signed a message: DKIM (RFC 6376, with RFC 8301 and RFC 8463)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from hub.mail.headers import Field, Headers
from hub.mail.message import Message
from hub.mailauth.canonical import BodyHash, Form, hash_body
from hub.mailauth.dkim_signature import Problem, Signature, Status, check, check_from, read_dkim, read_tags
from hub.mailauth.keys import KeyUnusable, PublicKey, find_key
from hub.mailauth.results import AuthResult
from hub.services.dns import Dns, DnsTrouble

Say: TypeAlias = Callable[[str], None]
"""Told each step, in a line for people."""

MAX_SIGNATURES: Final = 10
"""Looked at, from the top; each may cost a question to DNS (RFC 6376 §8.4)."""


@dataclass(frozen=True, slots=True)
class DkimResult:
    """What came of one signature.

    status: of RFC 8601 §2.7.1. domain: who signed (`d=`), for whom (identity, `i=`). bits: of the key, 0
    without one. testing: the signer says that it only tries (`t=y`). length_limited: the signature has an
    `l=`, so that more may have been added. begin: the first octets of `b=`, by which people tell one from
    another.
    """

    status: Status
    domain: str
    selector: str
    identity: str
    algorithm: str
    reason: str = ""
    bits: int = 0
    testing: bool = False
    length_limited: bool = False
    begin: str = ""

    def auth_result(self) -> AuthResult:
        """As Authentication-Results says it."""
        named = (
            ("d", self.domain),
            ("i", self.identity if self.identity != f"@{self.domain}" else ""),
            ("s", self.selector),
            ("a", self.algorithm),
            ("b", self.begin),
        )
        properties = tuple(("header", name, value) for name, value in named if value)
        return AuthResult("dkim", self.status, self.reason, properties)


def quiet(line: str) -> None:
    """A `Say` that nobody hears."""


async def verify_dkim(
    message: Message,
    dns: Dns,
    now: float,
    say: Say = quiet,
    *,
    trust_length: bool = False,
    max_signatures: int = MAX_SIGNATURES,
) -> Sequence[DkimResult]:
    """What came of each signature, from the top; nothing for a message without.

    now: seconds since the epoch. trust_length: a signature of a part of the body (`l=`) passes.
    max_signatures: what is below so many is not looked at. Raises nothing for what is in a message or in DNS.
    """
    headers = message.headers
    found = [_read(headers, field) for field in named_fields(headers, b"dkim-signature")[:max_signatures]]
    if not found:
        say("there is no DKIM-Signature")
    read = [signature for _, signature in found if isinstance(signature, Signature)]
    keys = await find_keys(dns, [(each.domain, each.selector) for each in read])
    bodies = await hash_bodies(message, read)
    results = []
    for tags, signature in found:
        say(f"DKIM-Signature of {tags.get('d', 'nobody')}, key {tags.get('s', '?')}, {tags.get('a', '?')}")
        try:
            if isinstance(signature, Problem):
                raise signature
            explain(signature, say)
            key = known(keys[signature.domain, signature.selector])
            say(f"  the key: {key.kind} of {key.bits} bits{', for tests' if key.testing else ''}")
            body = bodies[signature.body_form, signature.length]
            check(headers, signature, key, body, now, trust_length=trust_length)
            check_from(headers, signature)
            result = _result(tags, "pass", "", key)
        except Problem as problem:
            result = _result(tags, problem.status, problem.reason, _key_of(keys, signature))
        say(f"  {result.status}{': ' if result.reason else ''}{result.reason}")
        results.append(result)
    return results


def named_fields(headers: Headers, name: bytes) -> Sequence[Field]:
    """Every field of that name, which is given in lower case, from the top."""
    block = headers.block
    return [field for field in headers.fields if block[field.name_start : field.name_end].lower() == name]


async def find_keys(
    dns: Dns, wanted: Sequence[tuple[str, str]]
) -> Mapping[tuple[str, str], PublicKey | Problem]:
    """The keys at (domain, selector), each asked for once, all at once; or why there is none."""

    async def find(domain: str, selector: str) -> PublicKey | Problem:
        try:
            return await find_key(dns, domain, selector)
        except DnsTrouble as error:
            return Problem("temperror", f"the key cannot be looked up now: {error}")
        except KeyUnusable as error:
            return Problem(error.status, str(error))

    names = list(dict.fromkeys(wanted))
    if len(names) == 1:  # as nearly always; a task costs more than the answer from the cache
        return {names[0]: await find(*names[0])}
    return dict(zip(names, await asyncio.gather(*(find(*name) for name in names)), strict=True))


def known(key: PublicKey | Problem) -> PublicKey:
    """The key; the Problem if there is none."""
    if isinstance(key, Problem):
        raise key
    return key


async def hash_bodies(
    message: Message, signatures: Sequence[Signature]
) -> Mapping[tuple[Form, int | None], BodyHash]:
    """The body's hashes that these signatures need, each made once, all in one pass."""
    wanted = list(dict.fromkeys((each.body_form, each.length) for each in signatures))
    if not wanted:
        return {}
    return dict(zip(wanted, await hash_body(message, wanted), strict=True))


def explain(signature: Signature, say: Say) -> None:
    """What a signature covers, and how."""
    say(f"  fields in the {signature.header_form} form, the body in the {signature.body_form} one")
    say(f"  signed are {', '.join(signature.names)}")
    if signature.length is not None:
        say(f"  only {signature.length} octets of the body are (l=)")


def _read(headers: Headers, field: Field) -> tuple[Mapping[str, str], Signature | Problem]:
    tags: Mapping[str, str] = {}
    try:
        tags = read_tags(headers, field)
        return tags, read_dkim(field, tags)
    except Problem as problem:
        return tags, problem


def _key_of(
    keys: Mapping[tuple[str, str], PublicKey | Problem], signature: Signature | Problem
) -> PublicKey | None:
    if isinstance(signature, Problem):
        return None
    key = keys[signature.domain, signature.selector]
    return key if isinstance(key, PublicKey) else None


def _result(tags: Mapping[str, str], status: Status, reason: str, key: PublicKey | None) -> DkimResult:
    domain = tags.get("d", "").lower()
    return DkimResult(
        status=status,
        domain=domain,
        selector=tags.get("s", "").lower(),
        identity=tags.get("i", f"@{domain}"),
        algorithm=tags.get("a", ""),
        reason=reason,
        bits=key.bits if key else 0,
        testing=key.testing if key else False,
        length_limited="l" in tags,
        begin="".join(tags.get("b", "").split())[:8],
    )
