"""What is answered (RFC 1939 §3), with the response codes of RFC 2449 §8 and RFC 3206."""

from typing import Final

from hub import Over


def ok(text: str = "") -> bytes:
    """It is done."""
    return f"+OK {text}".rstrip().encode() + b"\r\n"


def err(text: str, code: str = "") -> bytes:
    """It is not, and why. code: such as `IN-USE`."""
    return f"-ERR [{code}] {text}\r\n".encode() if code else f"-ERR {text}\r\n".encode()


WRONG_LOGIN: Final = err("Wrong user name or password", "AUTH")
UNAVAILABLE: Final = err("Logins cannot be checked now, try again later", "SYS/TEMP")
NEEDS_TLS: Final = err(
    "A password would cross the network in the clear: say STLS first, or use port 995", "AUTH"
)
IN_USE: Final = err(
    "The maildrop is open in another session: let that one end, it is free half a minute later at the latest "
    "if it broke off",
    "IN-USE",
)
TOO_LONG: Final = err("The line is too long")
TOO_MANY_ERRORS: Final = err("Too many commands have failed, goodbye")
NO_UTF8: Final = err("The header of this message is in UTF-8: say UTF8 before you log in", "UTF8")

_CODES: Final = {
    Over.FULL: "SYS/TEMP",
    Over.LATER: "SYS/TEMP",
    Over.STOPPING: "SYS/TEMP",
    Over.BROKEN: "SYS/TEMP",
    Over.UNWANTED: "SYS/PERM",
}


def farewell(why: Over, text: str) -> bytes:
    """The hub ends the session; to who was silent nothing is said (RFC 1939 §3)."""
    return b"" if why is Over.SILENT else err(text, _CODES.get(why, ""))
