"""Starts a task that nobody ends."""
import asyncio
from hub import hookimpl

async def forever():
    await asyncio.sleep(3600)

@hookimpl
async def check_message():
    asyncio.create_task(forever(), name="lost")
