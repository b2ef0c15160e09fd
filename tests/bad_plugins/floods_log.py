"""Has a lot to say."""
from hub import hookimpl

@hookimpl
async def check_message(plugin, message):
    if message.headers.get("Subject") == "bad":
        for number in range(20_000):
            plugin.log.info("and another thing", number=number)
