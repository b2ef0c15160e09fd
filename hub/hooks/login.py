"""Logging in, the same for every protocol."""

from __future__ import annotations

from hub.hooks.markers import FIRST, TEMPFAIL, hookspec
from hub.hooks.plugin import Plugin
from hub.hooks.session import Session
from hub.mail.login import Credentials, Identity, Refuse, ScramKeys


@hookspec(FIRST, on_failure=TEMPFAIL, timeout=10)
async def authenticate(
    plugin: Plugin, session: Session, credentials: Credentials
) -> Identity | Refuse | None:
    """Somebody shows a name and a password (`Password`), or in place of a password a token
    (`Bearer`) or a client certificate (`Certificate`).

    Identity logs them in, Refuse does not, None leaves it to the next; the directory's own check comes
    last, and if nobody knows the name the login is refused. A failed plugin answers 454 4.7.0 (RFC 4954
    §6), in IMAP `NO [UNAVAILABLE]` (RFC 5530), never "wrong password".

    An implementation is asked about all credentials, and PLAIN and LOGIN are offered because of it, unless it
    names its mechanisms: then those are offered, and it is asked about them alone, so that its failure leaves
    the others be.

        @hookimpl(mechanisms=("OAUTHBEARER", "XOAUTH2"))
        async def authenticate(credentials):
            if credentials.token != "open sesame":
                return Refuse("no such token", BearerHelp(scope="mail"))
            ...
    """


@hookspec(FIRST, on_failure=TEMPFAIL, timeout=10)
async def resolve_scram_keys(plugin: Plugin, session: Session, username: str) -> ScramKeys | Refuse | None:
    """SCRAM-SHA-256 (RFC 7677) needs the keys of an account before the client has proved anything.

    None leaves it to the next. Refuse ends the login. If nobody has keys the exchange goes on with a fake
    salt, always the same for that name, and fails at its end.
    """
