"""What the operator says."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from hub import Duration, Secret

DAY = 86400.0


class Update(BaseModel):
    """Where DNS takes changes (RFC 2136), and the key that lets us make them (RFC 8945)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    server: str = Field(description="The primary server of the zones, `address:port`.")
    key_name: str = Field(description="The name of the key.")
    key: Secret = Field(description="The key, in base64.")
    algorithm: Literal["hmac-sha256", "hmac-sha384", "hmac-sha512"] = Field(
        default="hmac-sha256", description="What the key is for."
    )
    ttl: int = Field(default=3600, ge=60, le=86400, description="Of the records, in seconds.")


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
    update: Update | None = Field(default=None, description="How DNS is changed; by hand without it.")
