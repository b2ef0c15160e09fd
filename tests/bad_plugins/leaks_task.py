"""Starts a task that nobody ends."""
import asyncio
from hub import hookimpl

async def forever():
    await asyncio.Event().wait()

@hookimpl
async def check_message():
    asyncio.create_task(forever(), name="lost")
