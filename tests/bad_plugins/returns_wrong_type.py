"""Returns what no hook of this name may."""
from hub import hookimpl

@hookimpl
async def check_message(message):
    if message.headers.get("Subject") == "bad":
        return "550 no"
