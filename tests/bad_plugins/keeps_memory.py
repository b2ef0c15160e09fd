"""Never forgets."""
from hub import hookimpl

KEPT = []

@hookimpl
async def check_message(message):
    if message.headers.get("Subject") == "bad":
        KEPT.append(b"x" * (16 << 20))
