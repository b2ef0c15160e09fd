"""Ends the process."""
import os
from hub import hookimpl

@hookimpl
async def check_message(message):
    if message.headers.get("Subject") == "bad":
        os._exit(3)
