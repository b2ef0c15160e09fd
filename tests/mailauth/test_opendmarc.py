"""DMARC as OpenDMARC's library has it: what is aligned, and which policy is enforced."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import pytest

from hub.mail.headers import Headers
from hub.mailauth.dmarc import check_dmarc
from hub.testing.zones import Zones

PASSED: Final = 1
MAIL_FROM: Final = 1
ENFORCED: Final = {15: "pass", 16: "reject", 17: "quarantine", 18: "none"}
ORGANIZATION: Final = "example.org"


def load() -> ctypes.CDLL | None:
    """The library, with what its functions take."""
    try:
        library = ctypes.CDLL("libopendmarc.so.2")
    except OSError:
        return None
    text, number, context = ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p
    library.opendmarc_policy_connect_init.restype = context
    for name, takes in {
        "opendmarc_policy_connect_init": [text, number],
        "opendmarc_policy_store_from_domain": [context, text],
        "opendmarc_policy_store_dmarc": [context, text, text, text],
        "opendmarc_policy_store_dkim": [context, text, text, number, text],
        "opendmarc_policy_store_spf": [context, text, number, number, text],
        "opendmarc_get_policy_to_enforce": [context],
        "opendmarc_policy_connect_shutdown": [context],
    }.items():
        getattr(library, name).argtypes = takes
    return library


LIBRARY: Final = load()
pytestmark = pytest.mark.skipif(LIBRARY is None, reason="libopendmarc2 is not installed")


@dataclass(frozen=True, slots=True)
class Case:
    """A message of `author`, the domains that pass, and a record that lies at `place`."""

    author: str
    place: str
    record: str
    spf: str
    dkim: str


def cases() -> Iterator[Case]:
    """Every combination that makes sense."""
    records = (
        f"v=DMARC1; p={p}{more}"
        for p in ("none", "quarantine", "reject")
        for more in (
            "",
            "; sp=none",
            "; sp=reject",
            "; aspf=s",
            "; adkim=s",
            "; adkim=s; aspf=s; sp=quarantine",
        )
    )
    names = ("", ORGANIZATION, f"mail.{ORGANIZATION}", "example.net")
    for record, author, spf, dkim in product(records, names[1:3], names, names):
        for place in dict.fromkeys((author, ORGANIZATION)):
            yield Case(author, place, record, spf, dkim)


def theirs(library: ctypes.CDLL, case: Case) -> str:
    """What OpenDMARC would do."""
    policy = library.opendmarc_policy_connect_init(b"192.0.2.1", 4)
    try:
        stored = [library.opendmarc_policy_store_from_domain(policy, case.author.encode())]
        if case.spf:
            passing = (case.spf.encode(), PASSED, MAIL_FROM, b"")
            stored.append(library.opendmarc_policy_store_spf(policy, *passing))
        if case.dkim:
            stored.append(library.opendmarc_policy_store_dkim(policy, case.dkim.encode(), b"s", PASSED, b""))
        above = None if case.place == case.author else case.place.encode()
        said = (case.record.encode(), case.author.encode(), above)
        stored.append(library.opendmarc_policy_store_dmarc(policy, *said))
        assert set(stored) == {0}
        return ENFORCED[library.opendmarc_get_policy_to_enforce(policy)]
    finally:
        library.opendmarc_policy_connect_shutdown(policy)


async def ours(case: Case) -> str:
    """What the hub would do."""
    names: dict[str, Sequence[str]] = {case.author: ["A 192.0.2.1"]}
    names[f"_dmarc.{case.place}"] = [f'TXT "{case.record}"']
    headers = Headers(f"From: alice@{case.author}\r\n\r\n".encode())
    found = await check_dmarc(
        Zones(names), headers, case.spf, [case.dkim] if case.dkim else [], organization=lambda _: ORGANIZATION
    )
    return "pass" if found.result == "pass" else found.disposition


@pytest.mark.proves("mail authentication: DMARC decides as OpenDMARC's library does")
async def test_every_combination_is_decided_alike() -> None:
    assert LIBRARY is not None
    different = {
        case: (found, wanted)
        for case in cases()
        if (found := await ours(case)) != (wanted := theirs(LIBRARY, case))
    }
    assert different == {}
