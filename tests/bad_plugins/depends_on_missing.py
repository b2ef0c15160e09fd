"""Needs what is not installed."""
import no_such_library
from hub import hookimpl

@hookimpl
async def check_message(message):
    return no_such_library.judge(message)
