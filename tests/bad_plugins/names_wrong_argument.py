"""Wants what the hook does not have."""
from hub import hookimpl

@hookimpl
async def check_message(mail):
    return None
