"""Wants to end the process."""
import sys
from hub import hookimpl

@hookimpl
async def check_message(message):
    if message.headers.get("Subject") == "bad":
        sys.exit(3)
