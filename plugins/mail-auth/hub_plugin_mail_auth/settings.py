"""What the operator decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hub import Address, Duration, Network

DEFAULT_SCORES: Final[Mapping[str, float]] = {
    "spf=fail": 3.0,
    "spf=softfail": 1.0,
    "spf=permerror": 0.5,
    "dkim=fail": 0.5,
    "dmarc=fail": 2.0,
    "dmarc=permerror": 3.0,
    "iprev=fail": 1.0,
    "iprev=permerror": 1.0,
}
"""What results add to the score; all others nothing."""

Outcome: TypeAlias = Annotated[str, Field(pattern=r"^(spf|dkim|arc|dmarc|iprev)=[a-z]+$")]
Domain: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+$")]


def _address(text: str) -> str:
    Address.parse(text)
    return text


class Settings(BaseModel):
    """[plugins.mail-auth]: what becomes of mail whose sender is not who they say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    policy: Literal["honour", "score", "headers"] = Field(
        default="honour",
        description="What a failed DMARC does: what the domain's owner wants, only its score, or nothing.",
    )
    quarantine: Literal["junk", "quarantine"] = Field(
        default="junk", description="Where a message goes whose domain wants quarantine."
    )
    spf_fail: Literal["score", "reject"] = Field(
        default="score",
        description="Refuse by SPF alone, or only score; mail that others forward fails SPF as well.",
    )
    scores: dict[Outcome, Annotated[float, Field(ge=0, le=100)]] = Field(
        default={}, description="What results add to the score, as `spf=fail`; the others keep their default."
    )
    organization: Literal["tree-walk", "public-suffix-list"] = Field(
        default="tree-walk",
        description="How a domain's organization is found: by records in DNS, or by a list as in RFC 7489.",
    )
    mailing_lists: tuple[Domain, ...] = Field(
        default=(), description="Domains that may pass on mail of others, if SPF or DKIM shows it was they."
    )
    sealers: tuple[Domain, ...] = Field(
        default=(), description="Domains whose ARC seals are believed when they say that DMARC passed."
    )
    exempt: tuple[Network, ...] = Field(
        default=("127.0.0.0/8", "::1/128"), description="Clients in these networks are not judged."
    )
    authserv_id: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._-]{0,253}$",
        description="The name under which results are written; without it `hub.hostname`.",
    )
    received_spf: bool = Field(default=False, description="Write a Received-SPF field too (RFC 7208 §9.1).")
    timeout: Annotated[Duration, Field(gt=0, le=50)] = Field(
        default=20.0, description="What is not found out by then is a temperror."
    )
    keep: Annotated[Duration, Field(ge=0)] = Field(
        default=7 * 86400.0,
        description="How long is kept what DMARC's aggregate reports are made of; 0 keeps nothing.",
    )
    report_from: Annotated[str, AfterValidator(_address)] | None = Field(
        default=None,
        description="The address that aggregate reports come from, once a day to domains that want them; "
        "without it none are sent.",
    )
    report_organization: str | None = Field(
        default=None, max_length=200, description="Who reports; without it, the domain of `report_from`."
    )

    def score_of(self, outcome: str) -> float:
        """What `method=result` adds."""
        return self.scores.get(outcome, DEFAULT_SCORES.get(outcome, 0.0))
