"""What a command ends with: OK, NO or BAD, a response code (RFC 5530) and a sentence that a human would
want."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hub.mail.verdict import Defer, Reject


@dataclass(frozen=True, slots=True)
class Reply:
    """A status response without its tag. code: what stands in the brackets, empty for none."""

    condition: bytes
    text: bytes
    code: bytes = b""

    def line(self, tag: bytes) -> bytes:
        """The response as octets."""
        code = b"[%b] " % self.code if self.code else b""
        return b"%b %b %b%b\r\n" % (tag, self.condition, code, self.text)


class Refused(Exception):
    """A command cannot go on; the reply says why. Nothing was changed, or what was changed stays changed."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text.decode("ascii", "replace"))
        self.reply = reply


def ok(text: bytes, code: bytes = b"") -> Reply:
    """The command did what it says."""
    return Reply(b"OK", text, code)


def no(text: bytes, code: bytes = b"") -> Refused:
    """The command was understood and cannot be done."""
    return Refused(Reply(b"NO", text, code))


def bad(text: bytes | str) -> Refused:
    """The command was not understood."""
    octets = text if isinstance(text, bytes) else text.encode("ascii", "replace")
    return Refused(Reply(b"BAD", octets))


def refusal(verdict: Reject | Defer) -> Reply:
    """What a plugin does not want."""
    code = b"UNAVAILABLE" if isinstance(verdict, Defer) else b""
    return Reply(b"NO", verdict.text.encode("ascii", "replace"), code)


def unwanted(verdict: Reject | Defer) -> bytes:
    """The first and last line to a client that a plugin does not want."""
    return replace(refusal(verdict), condition=b"BYE").line(b"*")


NO_SUCH_MAILBOX = Reply(b"NO", b"There is no mailbox of that name", b"NONEXISTENT")
TRY_CREATE = Reply(b"NO", b"There is no mailbox of that name; create it first", b"TRYCREATE")
ALREADY_EXISTS = Reply(b"NO", b"There is a mailbox of that name already", b"ALREADYEXISTS")
READ_ONLY = Reply(b"NO", b"The mailbox was opened with EXAMINE and is read-only", b"READ-ONLY")
EXPUNGE_ISSUED = Reply(
    b"NO", b"Some of the messages were expunged meanwhile; NOOP tells which", b"EXPUNGEISSUED"
)
UNREADABLE = Reply(
    b"NO", b"Some of the messages cannot be read now; the log of the server says why", b"SERVERBUG"
)
WRONG_LOGIN = Reply(b"NO", b"Wrong user name or password", b"AUTHENTICATIONFAILED")
UNAVAILABLE = Reply(b"NO", b"That cannot be done now, please try again later", b"UNAVAILABLE")
NEEDS_TLS = Reply(
    b"NO", b"Use STARTTLS first: a password is not taken over a plain connection", b"PRIVACYREQUIRED"
)
OVER_QUOTA = Reply(b"NO", b"The account is over its quota", b"OVERQUOTA")
NOT_YOUR_QUOTA = Reply(b"NO", b"Only those whom the configuration names look after quotas", b"NOPERM")
NO_FLAG_RIGHT = Reply(b"NO", b"You have no right to change these flags in this mailbox", b"NOPERM")
NO_LONGER_SHARED = Reply(b"NO", b"You may not read this mailbox any longer", b"NOPERM")
STORE_FULL = Reply(
    b"NO", b"The server has no room for the message now, please try again later", b"UNAVAILABLE"
)
SERVER_BUG = Reply(b"NO", b"Something went wrong in the server; it is in its log", b"SERVERBUG")

UID_REQUIRED = Reply(
    b"BAD", b"UIDONLY is enabled: use the UID form of the command, without sequence numbers", b"UIDREQUIRED"
)
NEEDS_LOGIN = Reply(b"BAD", b"Log in first: LOGIN or AUTHENTICATE")
NEEDS_MAILBOX = Reply(b"BAD", b"Open a mailbox first: SELECT or EXAMINE")
ALREADY_IN = Reply(b"BAD", b"This connection is logged in already")

BYE_LOGOUT = b"* BYE Until next time\r\n"
BYE_NO_LONGER_SHARED = b"* BYE [NOPERM] You may not read the mailbox any longer that is open here\r\n"
BYE_TIMEOUT = b"* BYE [UNAVAILABLE] The connection was silent for too long\r\n"
BYE_SHUTDOWN = b"* BYE [UNAVAILABLE] The server is going down, please connect again\r\n"
BYE_TOO_MANY = b"* BYE [LIMIT] Too many sessions here now, please try again later\r\n"
BYE_TOO_MANY_FROM_ADDRESS = b"* BYE [LIMIT] Too many sessions from your address, close some of them\r\n"
BYE_BROKEN_DEFLATE = b"* BYE What you send cannot be inflated (RFC 1951)\r\n"
BYE_TOO_MUCH = b"* BYE A literal of that size is not taken before login\r\n"
BYE_TOO_MANY_FAILURES = b"* BYE Too many commands have failed before login\r\n"
