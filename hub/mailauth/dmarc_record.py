"""Policies of domains as they are published (RFC 7489 §6.3, and its successor): `v=DMARC1; p=reject; …`"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Policy: TypeAlias = Literal["none", "quarantine", "reject"]
POLICIES: Final[tuple[Policy, ...]] = ("none", "quarantine", "reject")
"""From the mildest to the strictest."""
MAX_URIS: Final = 10
_VERSION: Final = re.compile(r"\s*v\s*=\s*DMARC1\s*(?:;|\Z)")
_TAG: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)\s*=\s*(.*?)\s*", re.DOTALL)
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]{1,500}")


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """One record, with the defaults for what it does not say or says wrongly.

    p, sp, np: what is wanted for the domain, its subdomains, and those of them that do not exist.
    strict_dkim, strict_spf: a domain must be the author's own. percent: so many of a hundred are meant.
    testing: one step less is wanted (`t=y`). psd: `y` a public suffix, `n` an organization, `u` not said.
    rua, ruf: URIs for reports. fo: when one about a single message is wanted.
    """

    text: str
    p: Policy = "none"
    sp: Policy | None = None
    np: Policy | None = None
    strict_dkim: bool = False
    strict_spf: bool = False
    percent: int = 100
    testing: bool = False
    psd: Literal["y", "n", "u"] = "u"
    rua: tuple[str, ...] = ()
    ruf: tuple[str, ...] = ()
    fo: str = "0"


def parse_dmarc(text: str) -> DmarcRecord | None:
    """Read a TXT record; None for one that is not DMARC's, or names neither a policy nor who wants reports.

    Wrong and unknown tags are left out. Of a tag that stands there twice the first counts.

        >>> parse_dmarc("v=DMARC1; p=Reject; pct=oops").p
        'reject'
        >>> parse_dmarc("v=DMARC1; p=nonsense") is None
        True
    """
    if not _VERSION.match(text):
        return None
    tags: dict[str, str] = {}
    for spec in text.split(";")[1:]:
        match = _TAG.fullmatch(spec)
        if match is not None:
            tags.setdefault(match[1].lower(), match[2])
    rua = _uris(tags.get("rua", ""))
    said = [name for name in ("p", "sp", "np") if name in tags]
    wanted = {name: _policy(tags[name]) for name in said}
    p = wanted.get("p")
    if p is None or None in wanted.values():
        if not rua:
            return None
        p, wanted = "none", {}  # it wants to know at least (RFC 7489 §6.6.3)
    return DmarcRecord(
        text,
        p,
        wanted.get("sp"),
        wanted.get("np"),
        strict_dkim=tags.get("adkim", "").lower() == "s",
        strict_spf=tags.get("aspf", "").lower() == "s",
        percent=_percent(tags),
        testing=tags.get("t", "").lower() == "y",
        psd=_psd(tags),
        rua=rua,
        ruf=_uris(tags.get("ruf", "")),
        fo=tags.get("fo", "0")[:20],
    )


def milder(policy: Policy) -> Policy:
    """One step less: quarantine for reject, none for quarantine."""
    return POLICIES[max(POLICIES.index(policy) - 1, 0)]


def _policy(value: str) -> Policy | None:
    return next((each for each in POLICIES if each == value.lower()), None)


def _percent(tags: Mapping[str, str]) -> int:
    value = tags.get("pct", "")
    return int(value) if re.fullmatch(r"[0-9]{1,2}|100", value) else 100


def _psd(tags: Mapping[str, str]) -> Literal["y", "n", "u"]:
    value = tags.get("psd", "").lower()
    return "y" if value == "y" else "n" if value == "n" else "u"


def _uris(value: str) -> tuple[str, ...]:
    found = (each.strip() for each in value.split(","))
    return tuple(each for each in found if _URI.fullmatch(each))[:MAX_URIS]
