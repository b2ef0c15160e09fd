"""A handful of accounts in the configuration."""

import hmac
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from hub import (
    Account,
    AccountRef,
    Address,
    Credentials,
    Identity,
    Password,
    Plugin,
    Refuse,
    Resolution,
    Secret,
    StashKey,
    hookimpl,
)


def _normal(text: str) -> str:
    return str(Address.parse(text)).lower()


class Settings(BaseModel):
    """[plugins.directory-table]"""

    accounts: dict[Annotated[str, AfterValidator(_normal)], Secret] = Field(
        min_length=1, description="Address → password, better a secret:// reference to one."
    )


DIRECTORY: StashKey["TableDirectory"] = StashKey()


class TableDirectory:
    """The driver: the hub makes it with the plugin's scope and enters it."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin
        self._passwords = plugin.settings(Settings).accounts
        self._accounts = {
            text: Account(AccountRef("default", text), Address.parse(text)) for text in self._passwords
        }
        self._domains = {account.address.domain for account in self._accounts.values()}

    async def __aenter__(self) -> "TableDirectory":
        self._plugin.stash[DIRECTORY] = self
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Nothing is open."""

    async def is_local(self, domain: str) -> bool:
        """Whether an account is in it."""
        return domain.lower() in self._domains

    async def resolve(self, address: Address) -> Resolution | None:
        """The account itself, or without its tag."""
        if address.local.lower() == "postmaster" and (
            not address.domain or await self.is_local(address.domain)
        ):
            return Resolution((next(iter(self._accounts.values())),))
        for local in (address.local, address.base_local):
            account = await self.account(str(Address(local, address.domain)))
            if account is not None:
                return Resolution((account,))
        return None

    async def account(self, login: str) -> Account | None:
        """By the whole address."""
        return self._accounts.get(login.lower())

    async def account_of(self, ref: AccountRef) -> Account | None:
        """There are so few that looking at each is cheap."""
        return next((account for account in self._accounts.values() if account.ref == ref), None)

    async def may_send_as(self, account: AccountRef, address: Address) -> bool:
        """Whoever gets the mail of an address may use it."""
        found = await self.resolve(address)
        return found is not None and found.accounts[0].ref == account

    def check(self, credentials: Password) -> Identity | Refuse | None:
        """None for a name that is not in the table."""
        login = credentials.username.lower()
        account, password = self._accounts.get(login), self._passwords.get(login)
        if account is None or password is None:
            return None
        if not hmac.compare_digest(password.reveal().encode(), credentials.password.encode()):
            return Refuse("wrong password")
        return Identity(account.ref, login, account.address)


@hookimpl(trylast=True)
async def authenticate(plugin: Plugin, credentials: Credentials) -> Identity | Refuse | None:
    """The directory's own check comes last, after whatever other plugins know."""
    if not isinstance(credentials, Password):
        return None
    return plugin.stash[DIRECTORY].check(credentials)
