"""Servers to try, and what the operator says of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from hub.config.secrets import Secret
from hub.mail.tls import TlsPolicy

Encryption: TypeAlias = Literal["opportunistic", "starttls", "implicit", "none"]
"""Only the two in the middle are insisted on, with a certificate that is checked."""


@dataclass(frozen=True, slots=True)
class Access:
    """How a server is met that is no mere exchanger. trust: certificates in place of the system's."""

    encryption: Encryption
    trust: Path | None = None
    user: str = ""
    password: Secret | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """A server to try. host: its name, or its address again. access: of a smarthost.

    is_given: not DNS but the operator names it. policy: how a connection to it has to be secured.
    """

    host: str
    address: str
    port: int = 25
    access: Access | None = None
    is_given: bool = False
    policy: TlsPolicy | None = None
