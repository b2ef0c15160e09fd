"""Logins with client certificates (SASL EXTERNAL, RFC 4422 Appendix A)."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hub import Certificate, Credentials, Identity, Plugin, Refuse, hookimpl

MOST_NAMES = 10
"""Addresses of one certificate that are looked up."""


def _fingerprint(text: str) -> str:
    if not re.fullmatch(r"[0-9A-F]{2}(:[0-9A-F]{2}){31}", text.upper()):
        raise ValueError(
            "is no SHA-256 fingerprint: openssl x509 -noout -fingerprint -sha256 -in FILE prints it"
        )
    return text.upper()


class Settings(BaseModel):
    """Whom a certificate logs in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    emails: bool = Field(
        default=True,
        description="Whether a certificate logs in whom its subjectAltName names by address (rfc822Name).",
    )
    fingerprints: Mapping[Annotated[str, AfterValidator(_fingerprint)], str] = Field(
        default_factory=dict,
        description="Certificate's SHA-256, as openssl prints it, and whom it logs in; its mail addresses do "
        "not count then.",
    )


@hookimpl(mechanisms=("EXTERNAL",))
async def authenticate(plugin: Plugin, credentials: Credentials) -> Identity | Refuse | None:
    """The account that the certificate stands for, if that is who the client wants to be."""
    if not isinstance(credentials, Certificate):
        return None
    settings, shown = plugin.settings(Settings), credentials.certificate
    mapped = settings.fingerprints.get(shown.fingerprint)
    emails = shown.emails[:MOST_NAMES] if settings.emails else ()
    asked = await plugin.directory.account(credentials.username) if credentials.username else None
    for name in (mapped,) if mapped is not None else emails:
        account = await plugin.directory.account(name)
        if account is None or not account.enabled:
            continue
        if not credentials.username or (asked is not None and asked.ref == account.ref):
            return Identity(account.ref, str(account.address), account.address)
    return Refuse(
        f"the certificate of {shown.subject} ({shown.fingerprint}) does not stand for such an account"
    )
