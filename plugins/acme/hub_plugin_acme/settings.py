"""What the operator says of the authority and of the certificates."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from hub import Address, AddressError, DnsUpdate, Duration, Secret

DIRECTORIES: Final = {
    "production": "https://acme-v02.api.letsencrypt.org/directory",
    "staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}
"""Let's Encrypt's own, by word."""

ChallengeKind: TypeAlias = Literal["http-01", "tls-alpn-01", "dns-01"]
KeyKind: TypeAlias = Literal["ecdsa", "rsa"]

_LABEL: Final = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?"
_NAME: Final = re.compile(rf"(\*\.)?({_LABEL}\.)+{_LABEL}")
_CALLED: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,98}[a-z0-9])?")


def _name(text: str) -> str:
    name = text.lower().rstrip(".")
    if not _NAME.fullmatch(name) or len(name) > 253 or name.rpartition(".")[2].isdigit():
        raise ValueError(
            f"'{text}' is no name that a certificate can be for: it should be like mail.example.org or "
            "*.example.org, other letters than ASCII as xn--…"
        )
    return name


def _called(text: str) -> str:
    if not _CALLED.fullmatch(text) or ".." in text:
        raise ValueError(f"a certificate is called by small letters, digits, dots and hyphens, not '{text}'")
    return text


def _zone(text: str) -> str:
    zone = _name(text)
    if zone.startswith("*"):
        raise ValueError(f"'{text}' is no zone: it should be like example.org")
    return zone


def _directory(text: str) -> str:
    if text in DIRECTORIES:
        return text
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname:  # RFC 8555 §6.1
        raise ValueError(f"should be {' or '.join(DIRECTORIES)}, or an address that begins with https://")
    return text


def _contact(text: str) -> str:
    try:
        return str(Address.parse(text))
    except AddressError as error:
        raise ValueError(f"'{text}' is no mail address: {error}") from None


def _key(secret: Secret) -> Secret:
    text = secret.reveal().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise ValueError("should be a key in base64") from None
    return secret


class ExternalAccount(BaseModel):
    """[plugins.acme.external_account]: which of its customers this is, for authorities that ask."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key_id: str = Field(min_length=1, description="The key's identifier, as the authority has given it.")
    key: Annotated[Secret, AfterValidator(_key)] = Field(description="The key itself, base64url.")
    algorithm: Literal["HS256", "HS384", "HS512"] = Field(
        default="HS256", description="How it signs (RFC 8555 §7.3.4)."
    )


class DynamicUpdate(DnsUpdate):
    """[plugins.acme.dns."ZONE"]: a zone whose records are changed by RFC 2136."""

    ttl: int = Field(default=60, ge=0, le=86400, description="The record's time to live, in seconds.")
    wait: Duration = Field(
        default=10.0, le=100, description="How long the zone's other servers may take to have the record too."
    )


class CertificateTable(BaseModel):
    """[plugins.acme.certificates.NAME]: one certificate."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    names: tuple[Annotated[str, AfterValidator(_name)], ...] = Field(
        min_length=1, max_length=100, description="The host names that it is for; *.example.org needs dns-01."
    )
    challenge: ChallengeKind | None = Field(
        default=None, description="How these names are proved to be ours, in place of plugins.acme.challenge."
    )
    key: KeyKind | None = Field(
        default=None,
        description="The kind of its keys, in place of plugins.acme.key; a name may have both.",
    )


class Settings(BaseModel):
    """[plugins.acme]: who issues certificates, and which."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    terms_agreed: bool = Field(
        default=False,
        strict=True,
        description="That you have read the authority's terms of service and agree to them.",
    )
    directory: Annotated[str, AfterValidator(_directory)] = Field(
        default="production",
        description=(
            "The authority's directory: an https:// address; or production or staging, which is Let's "
            "Encrypt's, to be trusted and to try it out."
        ),
    )
    ca_file: Path | None = Field(
        default=None,
        description="PEM file of the authorities that the directory's own certificate is verified against.",
    )
    contact: tuple[Annotated[str, AfterValidator(_contact)], ...] = Field(
        default=(), description="Mail addresses that the authority may write to."
    )
    external_account: ExternalAccount | None = Field(
        default=None, description="For authorities that issue to their customers alone."
    )
    challenge: ChallengeKind = Field(
        default="http-01",
        description=(
            "How names are proved to be ours: http-01 on port 80, tls-alpn-01 on port 443, dns-01 in DNS."
        ),
    )
    key: KeyKind = Field(
        default="ecdsa", description="The kind of keys: ECDSA on P-256, or RSA of 2048 bits."
    )
    certificates: Mapping[Annotated[str, AfterValidator(_called)], CertificateTable] = Field(
        default={}, description="The certificates, by what they are called here; hub.hostname's without any."
    )
    dns: Mapping[Annotated[str, AfterValidator(_zone)], DynamicUpdate] = Field(
        default={}, description="Zones that the hub itself may change, for dns-01."
    )

    @model_validator(mode="after")
    def _wildcards_by_dns(self) -> Settings:
        for called, table in self.certificates.items():
            for name in table.names:
                if name.startswith("*.") and (table.challenge or self.challenge) != "dns-01":
                    raise ValueError(
                        f'{name} in certificates."{called}" needs challenge = "dns-01": nothing else proves '
                        "a wildcard"
                    )
        return self

    @property
    def url(self) -> str:
        """The address of the directory."""
        return DIRECTORIES.get(self.directory, self.directory)

    @property
    def challenges(self) -> set[ChallengeKind]:
        """Those that are in use."""
        return {table.challenge or self.challenge for table in self.certificates.values()} or {self.challenge}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A certificate that should be there. asked: changes with all that an order depends on."""

    called: str
    names: tuple[str, ...]
    challenge: ChallengeKind
    key: KeyKind
    asked: str


def wanted(settings: Settings, hostname: str) -> dict[str, Wanted]:
    """The certificates, by what they are called. ValueError if the hub's own name can have none."""
    tables = settings.certificates
    if not tables:
        try:
            tables = {hostname.lower(): CertificateTable(names=(_name(hostname),))}
        except ValueError:
            raise ValueError(
                f"nobody issues a certificate for '{hostname}': set hub.hostname to a name in DNS, or list "
                "names in plugins.acme.certificates"
            ) from None
    said = settings.model_dump_json(exclude={"certificates"})  # secrets are masked
    found = {}
    for called, table in tables.items():
        challenge = table.challenge or settings.challenge
        names = tuple(dict.fromkeys(table.names))
        asked = hashlib.sha256(f"{said}{challenge}{names}{table.key or ''}".encode()).hexdigest()[:16]
        found[called] = Wanted(called, names, challenge, table.key or settings.key, asked)
    return found


def zone_of(name: str, zones: Mapping[str, DynamicUpdate]) -> str | None:
    """The innermost zone that a name lies in."""
    found = [zone for zone in zones if name == zone or name.endswith(f".{zone}")]
    return max(found, key=len, default=None)
