"""[tls]: certificates, and which versions are spoken."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hub.config.tables.types import Count, Duration, Table


class CertificateTable(Table):
    """[[tls.certificates]]: one more certificate, for clients that ask for one of its names."""

    certificate: Path = Field(description="PEM file of the certificate, followed by its chain.")
    key: Path = Field(description="PEM file of the certificate's private key.")


class TlsTable(Table):
    """[tls]: the certificates of all listeners, and which versions are spoken."""

    certificate: Path | None = Field(
        default=None,
        description=(
            "PEM file of the certificate, followed by its chain; for clients that ask for one of its names, "
            "for no name, or for one that no certificate is for."
        ),
    )
    key: Path | None = Field(default=None, description="PEM file of the certificate's private key.")
    certificates: tuple[CertificateTable, ...] = Field(
        default=(),
        description=(
            "More certificates, each with its key, for clients that ask for one of their names; "
            "*.example.org is for one label more. Those that plugins install need not be named."
        ),
    )
    minimum: Literal["1.2", "1.3"] = Field(
        default="1.2", description="The oldest version of TLS that is spoken."
    )
    handshake_timeout: Annotated[Duration, Field(gt=0)] = Field(
        default=30.0, description="How long a client may take for the TLS handshake."
    )
    max_handshakes: Annotated[Count, Field(gt=0)] = Field(
        default=200,
        description="TLS handshakes under way at once, in each worker; for one more, the oldest one ends.",
    )

    @model_validator(mode="after")
    def _both_or_none(self) -> "TlsTable":
        if (self.certificate is None) != (self.key is None):
            said, lacks = ("key", "certificate") if self.certificate is None else ("certificate", "key")
            raise ValueError(f"has a {said} but no {lacks}; both belong together")
        return self
