"""Gives the event loop back late."""
import time
from hub import hookimpl

@hookimpl
async def check_message(message):
    if message.headers.get("Subject") == "bad":
        time.sleep(1.8)
