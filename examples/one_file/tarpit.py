"""Let clients wait that call themselves by an address and not by a name; most of them send spam."""

from hub import hookimpl


@hookimpl
async def smtp_helo(plugin, session, name):
    if session.protocol == "smtp" and name.startswith("["):
        await plugin.clock.sleep(5)
