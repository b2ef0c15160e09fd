"""Tell mail clients what time it is here: a command XTIME, and a capability that says so."""

from hub import ImapAnswer, ImapCommand, hookimpl


async def tell(plugin, arguments):
    if arguments:
        return ImapAnswer("XTIME takes nothing", condition="BAD")
    return ImapAnswer("That is the time", untagged=(f"XTIME {plugin.clock.time():.0f}",))


@hookimpl
def provide_imap_commands():
    return [ImapCommand("XTIME", tell, capability="XTIME", state="any")]
