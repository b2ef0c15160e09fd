"""POP3 (RFC 1939) on the hub's own listeners and mailboxes.

`dialogue` reads commands, `login` has those before somebody is in and `transaction` those after; `maildrop`
is what a session sees, `locks` sees to it that it is alone, `wire` sends messages.
"""

from hub import ListenerKind, ListenerSession, Plugin, StashKey, hookimpl
from hub_plugin_pop3 import login, transaction
from hub_plugin_pop3.dialogue import Dialogue, talk
from hub_plugin_pop3.locks import BEAT, Locks
from hub_plugin_pop3.replies import farewell, ok
from hub_plugin_pop3.settings import Settings

__all__ = ["Settings"]

LOCKS = StashKey[Locks]()


@hookimpl
def provide_listeners(plugin: Plugin) -> list[ListenerKind]:
    """`pop3`, and `pop3s` with TLS from the first octet on (RFC 8314)."""
    settings = plugin.settings(Settings)
    return [
        ListenerKind(
            "pop3",
            serve,
            port=110,
            tls_port=995,
            timeout=settings.timeout,
            login_timeout=settings.login_timeout,
            limits=settings,
            farewell=farewell,
        )
    ]


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """Say from now on that this worker lives."""
    plugin.stash[LOCKS] = Locks(plugin.kv)

    async def beat() -> None:
        await plugin.stash[LOCKS].beat()  # whichever it is after the handover

    plugin.every(BEAT, beat)


@hookimpl
def plugin_handover(plugin: Plugin, old: Plugin) -> None:
    """Sessions of the old code keep their locks: it is the same worker that lives."""
    if LOCKS in old.stash:
        plugin.stash[LOCKS] = Locks(plugin.kv, old.stash[LOCKS].name)


async def serve(plugin: Plugin, session: ListenerSession) -> None:
    """One session; however it ends, its maildrop is free again."""
    dialogue = Dialogue(plugin, session, plugin.settings(Settings), plugin.stash[LOCKS])
    session.write(ok("POP3 server ready"))
    try:
        await talk(dialogue, login.COMMANDS, transaction.COMMANDS)
    finally:
        if dialogue.drop is not None:
            await dialogue.locks.free(dialogue.drop.mail.account, session.id)
