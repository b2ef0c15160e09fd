"""Cancels itself."""
import asyncio
from hub import hookimpl

@hookimpl
async def check_message(message):
    if message.headers.get("Subject") == "bad":
        asyncio.current_task().cancel()
        await asyncio.sleep(60)
