"""Leaves a thread behind that both Python and asyncio wait for when they end."""
import asyncio
import threading
from hub import hookimpl

@hookimpl
async def check_message():
    asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)
