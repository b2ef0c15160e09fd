"""Never answers."""
import asyncio
from hub import hookimpl

@hookimpl
async def check_message(message):
    if message.headers.get("Subject") == "bad":
        await asyncio.Event().wait()
