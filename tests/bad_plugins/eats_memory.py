"""Wants four gigabytes at once."""
from hub import hookimpl

@hookimpl
async def check_message(message):
    if message.headers.get("Subject") == "bad":
        len(b"x" * (1 << 32))
