"""Put messages about lotteries into Junk, and say so in a header."""

from hub import Finding, hookimpl


@hookimpl
async def check_message(message):
    if "lottery" in (message.headers.get("Subject") or "").lower():
        return Finding(score=6.0, reasons=("lottery in the subject",), headers=(("X-Lottery", "yes"),))
