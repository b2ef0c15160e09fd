"""Nobody would ever call this."""
from hub import hookimpl

@hookimpl
async def check_mesage(message):
    return None
