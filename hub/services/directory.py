"""Who an address is: domains, accounts, aliases. Storage knows no addresses, the directory no mail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

from hub.mail.address import Address
from hub.mail.login import AccountRef
from hub.services.storage import Usage


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who has mailboxes here. quota: octets, message_quota: messages, None is no limit; enabled: may
    log in and gets mail.
    """

    ref: AccountRef
    address: Address
    name: str = ""
    quota: int | None = None
    enabled: bool = True
    message_quota: int | None = None


def is_limited(account: Account) -> bool:
    """Whether the account has a quota of either kind."""
    return account.quota is not None or account.message_quota is not None


def has_room(account: Account, usage: Usage, size: int, messages: int = 1) -> bool:
    """Whether messages, of that size together, still go in. size: octets, 0 where it is not known yet."""
    if account.quota is not None and (usage.size >= account.quota or usage.size + size > account.quota):
        return False
    return account.message_quota is None or usage.messages + messages <= account.message_quota


@dataclass(frozen=True, slots=True)
class Resolution:
    """Where mail for one address goes: into accounts here and on to addresses elsewhere; not both empty."""

    accounts: tuple[Account, ...] = ()
    forwards: tuple[Address, ...] = ()


class DirectoryUnavailable(ConnectionError):
    """Whatever a directory asks does not answer: mail is put off (451 4.4.3), and nobody is refused."""


class Directory(Protocol):
    """The choose-one service of addresses, entered by the hub as an async context manager.

    All of it may raise DirectoryUnavailable.
    """

    async def is_local(self, domain: str) -> bool:
        """Whether this hub is the final destination of the domain's mail."""

    async def resolve(self, address: Address) -> Resolution | None:
        """Where a local address leads: exact, alias, subaddress, catch-all, in that order; None if to nobody.

        `postmaster` of every local domain, and without a domain, always leads somewhere (RFC 5321 §4.5.1)
        if any account exists.
        """

    async def account(self, login: str) -> Account | None:
        """The account that logs in by this name."""

    async def account_of(self, ref: AccountRef) -> Account | None:
        """The account of that key, None if there is none (any more)."""

    async def may_send_as(self, account: AccountRef, address: Address) -> bool:
        """Whether the account may use the address as reverse-path and in From."""


@dataclass(frozen=True, slots=True)
class Alias:
    """One alias: mail for `address` (local part `*` is the domain's catch-all) goes to the targets."""

    address: Address
    targets: tuple[Address, ...]


@runtime_checkable
class DirectoryAdmin(Directory, Protocol):
    """A directory that the hub may change: what `hub account | domain | alias` drive.

    LookupError for what is not there, ValueError for what is there already or cannot be, each with a
    sentence.
    """

    async def domains(self) -> Sequence[tuple[str, str]]:
        """(domain, tenant), by name."""

    async def add_domain(self, domain: str, tenant: str = "default") -> None:
        """Make the hub the destination of a domain."""

    async def remove_domain(self, domain: str) -> None:
        """Refused while it has accounts or aliases."""

    async def accounts(self, domain: str | None = None) -> Sequence[Account]:
        """By address."""

    async def add_account(
        self,
        address: Address,
        password: str | None,
        *,
        name: str = "",
        quota: int | None = None,
        message_quota: int | None = None,
        password_hash: str | None = None,
    ) -> Account:
        """With a password, or with a hash from elsewhere (argon2, bcrypt, SSHA, crypt …) that is replaced
        at the first plain login.
        """

    async def set_password(self, address: Address, password: str) -> None:
        """Hash and SCRAM keys both."""

    async def change_account(
        self,
        address: Address,
        *,
        name: str | None = None,
        quota: int | None = None,
        enabled: bool | None = None,
        message_quota: int | None = None,
    ) -> Account:
        """Change what is given; a quota of 0 is no limit."""

    async def remove_account(self, address: Address) -> None:
        """The account can no longer log in nor get mail; its stored mail is the store's."""

    async def aliases(self, domain: str | None = None) -> Sequence[Alias]:
        """By address."""

    async def add_alias(self, alias: Alias) -> None:
        """Replaces one of the same address."""

    async def remove_alias(self, address: Address) -> None:
        """Mail for the address is refused from now on, unless something else answers for it."""


PASSWORD_SCOPES: Final = ("smtp", "imap", "pop3", "sieve", "dav")
"""What an app password may be for; `smtp` is submission."""


@dataclass(frozen=True, slots=True)
class AppPassword:
    """A password that one program logs in with, without the password itself.

    name: what its owner calls it. scopes: of `PASSWORD_SCOPES`. created, used: seconds since the epoch;
    used: None before the first login.
    """

    name: str
    scopes: tuple[str, ...]
    created: float
    used: float | None = None


@dataclass(frozen=True, slots=True)
class TotpSecret:
    """What an authenticator makes its codes of (RFC 6238): base32, and as the `otpauth://` address that a QR
    code holds.
    """

    secret: str = field(repr=False)
    uri: str = field(repr=False)


@runtime_checkable
class SecondFactors(Protocol):
    """A directory whose accounts may have app passwords and one-time codes.

    `hub account app-password | totp` drive it.

    LookupError and ValueError as in `DirectoryAdmin`.
    """

    async def add_app_password(self, address: Address, name: str, scopes: Sequence[str]) -> str:
        """Make one; gives the password, which nobody can be told again."""

    async def app_passwords(self, address: Address) -> Sequence[AppPassword]:
        """By name."""

    async def remove_app_password(self, address: Address, name: str) -> None:
        """It no longer logs in."""

    async def new_totp(self, address: Address, secret: str | None = None) -> TotpSecret:
        """A secret, or the given one, for an authenticator; nothing changes yet."""

    async def enable_totp(self, address: Address, secret: str, code: str) -> None:
        """From now on the password takes a code behind it. code: one of this secret; it is used by that."""

    async def disable_totp(self, address: Address) -> None:
        """The password alone logs in again."""
