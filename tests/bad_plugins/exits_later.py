"""Ends the process when nobody expects it."""
import asyncio
import sys
from hub import hookimpl

@hookimpl
async def check_message(message):
    if message.headers.get("Subject") == "bad":
        asyncio.get_running_loop().call_later(0.05, sys.exit, 3)
