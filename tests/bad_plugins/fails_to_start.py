"""Cannot start."""
from hub import hookimpl

@hookimpl
async def plugin_start():
    raise OSError("no such server")
