"""Let accounts log in only from their own networks, in every protocol."""

from pydantic import BaseModel, ConfigDict, Field

from hub import Credentials, Identity, Network, Networks, Plugin, Refuse, Session, StashKey, hookimpl


class Settings(BaseModel):
    """[plugins.login-networks]"""

    model_config = ConfigDict(extra="forbid", frozen=True)

    networks: dict[str, tuple[Network, ...]] = Field(
        default={}, description="Login → the networks that it may come from; who is not named may from any."
    )


ALLOWED: StashKey[dict[str, Networks]] = StashKey()


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """Read the networks once."""
    listed = plugin.settings(Settings).networks
    plugin.stash[ALLOWED] = {login.lower(): Networks(networks) for login, networks in listed.items()}


@hookimpl(tryfirst=True)
async def authenticate(
    plugin: Plugin, session: Session, credentials: Credentials
) -> Identity | Refuse | None:
    """Refuse ends it, before anybody looks at the password; None leaves that to who is asked next."""
    allowed = plugin.stash[ALLOWED].get(credentials.username.lower())
    if allowed is None or session.peer[0] in allowed:
        return None
    plugin.log.warning("a login from elsewhere", login=credentials.username, peer=session.peer[0])
    return Refuse("not from this network")
