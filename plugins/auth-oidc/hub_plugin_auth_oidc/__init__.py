"""Logins with bearer tokens of an OpenID Connect issuer.

`settings` is what the operator says, `http` and `issuer` how the issuer is asked, `keys` what it signs with,
`claims` what a token says, `verifying` the way from a token to a login name.
"""

from hub import Bearer, Credentials, Identity, Plugin, Refuse, StashKey, hookimpl
from hub_plugin_auth_oidc.claims import TokenRefused
from hub_plugin_auth_oidc.http import session
from hub_plugin_auth_oidc.issuer import Issuer
from hub_plugin_auth_oidc.settings import Settings
from hub_plugin_auth_oidc.verifying import Verifier

__all__ = ["VERIFIER", "Settings", "authenticate", "plugin_start"]

VERIFIER = StashKey[Verifier]()


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """Nobody is asked before the first token comes."""
    settings = plugin.settings(Settings)
    http = await plugin.enter(session(settings.timeout))

    def report(trouble: str | None) -> None:
        plugin.dependency(settings.issuer, trouble)
        if trouble is not None:
            plugin.log.warning("the issuer's keys were not renewed", reason=trouble)

    issuer = Issuer(settings, http, plugin.clock, report)
    plugin.stash[VERIFIER] = Verifier(settings, issuer, plugin.clock)


@hookimpl(mechanisms=("OAUTHBEARER", "XOAUTH2"))
async def authenticate(plugin: Plugin, credentials: Credentials) -> Identity | Refuse | None:
    """The account that the token stands for, if that is who the client says it is."""
    if not isinstance(credentials, Bearer):
        return None
    verifier = plugin.stash[VERIFIER]
    if not credentials.token:
        return Refuse("asked which tokens are taken", verifier.help("invalid_token"))
    try:
        login = await verifier.login(credentials.token)
    except TokenRefused as refused:
        return Refuse(str(refused), verifier.help(refused.status))
    account = await plugin.directory.account(login)
    if account is None or not account.enabled:
        state = "no account" if account is None else "a disabled account"
        return Refuse(f"the token is {login}'s, who has {state}", verifier.help("invalid_token"))
    if credentials.username:
        asked = await plugin.directory.account(credentials.username)
        if asked is None or asked.ref != account.ref:
            return Refuse(f"the token is {login}'s", verifier.help("invalid_token"))
    return Identity(account.ref, str(account.address), account.address)
