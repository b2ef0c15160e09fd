"""Has the process killed as a bug in a library written in C would."""
import ctypes
from hub import hookimpl

@hookimpl
def check_message(message):
    if message.headers.get("Subject") == "bad":
        ctypes.string_at(0)
