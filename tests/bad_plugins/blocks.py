"""Does not give the event loop back, nor Python's lock."""
import re
from hub import hookimpl

@hookimpl
async def check_message(message):
    if message.headers.get("Subject") == "bad":
        re.match("(a+)+$", "a" * 64 + "!")
