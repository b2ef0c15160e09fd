"""Has a lot to say, to whoever listens to the standard library."""
import logging
from hub import hookimpl

@hookimpl
async def check_message():
    for number in range(20_000):
        logging.getLogger(__name__).warning("and another thing %d", number)
