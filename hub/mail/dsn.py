"""What a sender wants to hear about its mail (RFC 3461), for whoever sends the mail on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from hub.mail.address import Address

Notify: TypeAlias = Literal["NEVER", "SUCCESS", "FAILURE", "DELAY"]
Ret: TypeAlias = Literal["FULL", "HDRS"]


@dataclass(frozen=True, slots=True)
class RecipientDsn:
    """One recipient's parameters.

    notify: what is to be reported (RFC 3461 §4.1), None where the sender left it open. original: the
    recipient that the sender first wrote, as `addr-type;address` without xtext (§4.2); None if unknown.
    """

    notify: tuple[Notify, ...] | None = None
    original: str | None = None


NOT_SAID: Final = RecipientDsn()
"""A recipient without any."""


@dataclass(frozen=True, slots=True)
class Dsn:
    """One message's parameters.

    ret: how much of it a report returns (RFC 3461 §4.3); envid: the sender's name for the transaction,
    without xtext (§4.4); both None if not given. recipients: those that came with parameters of their own.
    """

    ret: Ret | None = None
    envid: str | None = None
    recipients: Mapping[Address, RecipientDsn] = field(default_factory=lambda: _NOBODY)


_NOBODY: Final[Mapping[Address, RecipientDsn]] = MappingProxyType({})

NO_DSN: Final = Dsn()
"""What nearly all senders ask for."""


def with_recipient(dsn: Dsn, recipient: Address, parameters: RecipientDsn) -> Dsn:
    """The same with one more recipient's parameters."""
    return Dsn(dsn.ret, dsn.envid, MappingProxyType({**dsn.recipients, recipient: parameters}))


def without_success(parameters: RecipientDsn) -> RecipientDsn:
    """The same for who is told of success by somebody else (RFC 3461 §5.2.7)."""
    if "SUCCESS" not in (parameters.notify or ()):
        return parameters
    left = tuple(each for each in parameters.notify or () if each != "SUCCESS")
    return RecipientDsn(left or ("NEVER",), parameters.original)
