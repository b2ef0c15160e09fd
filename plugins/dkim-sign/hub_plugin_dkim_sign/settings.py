"""What the operator says."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from hub import DnsUpdate, Duration

DAY = 86400.0


class Settings(BaseModel):
    """[plugins.dkim-sign]"""

    model_config = ConfigDict(extra="forbid", frozen=True)

    domains: tuple[str, ...] = Field(
        default=(), description="Whose mail is signed; all domains of the directory without any."
    )
    sealer: str = Field(default="", description="Who seals what is passed on; the hub's own name without it.")
    seal: bool = Field(default=True, description="Seal what is passed on by ARC.")
    rsa_bits: Literal[2048, 3072, 4096] = Field(default=2048, description="Bits of new RSA keys.")
    overlap: Duration = Field(
        default=7 * DAY, ge=3600.0, description="How long an old key stays in DNS after the last signature."
    )
    update: DnsUpdate | None = Field(
        default=None, description="How DNS is changed (RFC 2136); by hand without it."
    )
