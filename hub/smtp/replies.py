"""Every reply that the server gives: basic code, enhanced code of RFC 3463, a sentence for a human.

The greeting, a reply to a greeting and an intermediate reply (3xx) carry no enhanced code (RFC 2034 §4).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from hub.mail.verdict import Defer, Reject


class Reply(NamedTuple):
    """One reply; each line of the text becomes one of the reply's lines."""

    code: int
    enhanced: str
    text: str


def encode(reply: Reply, *, utf8: bool = False) -> bytes:
    """The reply on the wire (RFC 5321 §4.2). utf8: the client has asked for it (RFC 6531 §3.5)."""
    code, enhanced, text = reply
    if "\n" in text:
        *lines, last = text.split("\n")
        mark = f"{enhanced} " if enhanced else ""
        text = "".join([f"{code}-{mark}{line}\r\n" for line in lines]) + f"{code} {mark}{last}\r\n"
    elif enhanced:
        text = f"{code} {enhanced} {text}\r\n"
    else:
        text = f"{code} {text}\r\n"
    return text.encode("utf-8" if utf8 else "ascii", "replace")


def refusal(verdict: Reject | Defer, reject: int, defer: int) -> Reply:
    """A plugin's verdict with the basic code of the hook that asked for it."""
    return Reply(reject if isinstance(verdict, Reject) else defer, verdict.code, verdict.text)


# -- the session ---------------------------------------------------------------------------------

BYE: Final = Reply(221, "2.0.0", "Bye")
OK: Final = Reply(250, "2.0.0", "OK")
CANNOT_VERIFY: Final = Reply(252, "2.5.0", "Addresses are not verified; send the mail and it will be tried")
NO_EXPANSION: Final = Reply(502, "5.5.1", "Lists are not expanded here")
UNKNOWN_COMMAND: Final = Reply(500, "5.5.1", "No such command; HELP lists those that there are")
NOT_CRLF: Final = Reply(
    500, "5.5.2", "A command ends in CR LF and has neither of them inside (RFC 5321 2.3.8)"
)
NOT_ASCII: Final = Reply(500, "5.5.2", "A command begins with a word in ASCII")
LINE_TOO_LONG: Final = Reply(500, "5.5.6", "The line is too long")
NO_ARGUMENT: Final = Reply(501, "5.5.4", "This command takes no argument")
GREETING_SYNTAX: Final = Reply(
    501, "5.5.4", "Say your host name, or your address in brackets: EHLO mail.example.org"
)
GREET_FIRST: Final = Reply(503, "5.5.1", "Say EHLO first")
LHLO_FIRST: Final = Reply(503, "5.5.1", "Say LHLO first")
SAY_LHLO: Final = Reply(500, "5.5.1", "LMTP is spoken here: say LHLO (RFC 2033)")
NOT_TRUSTED: Final = Reply(554, "5.7.1", "This port is for the mail servers of this site")
TOO_MANY_ERRORS: Final = Reply(421, "4.7.0", "Too many errors; closing the connection")
TOO_MANY_COMMANDS: Final = Reply(421, "4.7.0", "Too many commands that bring no mail; closing the connection")
TOO_MANY_MESSAGES: Final = Reply(421, "4.7.0", "Enough messages for one session; connect again for more")
TOO_MANY_SESSIONS: Final = Reply(421, "4.3.2", "Too many sessions here now; try again later")
TOO_MANY_FROM_ADDRESS: Final = Reply(421, "4.7.0", "Too many sessions from your address; close some of them")
SESSION_TOO_LONG: Final = Reply(421, "4.4.2", "This session has lasted for too long; connect again")
TOO_SLOW: Final = Reply(421, "4.4.2", "The message comes in too slowly; closing the connection")
IDLE: Final = Reply(421, "4.4.2", "Nothing heard for too long; closing the connection")
DRAINING: Final = Reply(421, "4.3.2", "The server is going down for a while; try again in a minute")
CONNECT_FAILED: Final = Reply(421, "4.3.0", "Cannot serve you now; try again later")
INTERNAL: Final = Reply(451, "4.3.0", "Something went wrong here; try again later")
NO_DIRECTORY: Final = Reply(451, "4.4.3", "Nobody can tell now who is here; try again later")

# -- XCLIENT --------------------------------------------------------------------------------------

XCLIENT_DENIED: Final = Reply(550, "5.7.0", "You may not speak for others")
XCLIENT_SYNTAX: Final = Reply(
    501, "5.5.4", "Write XCLIENT and attributes that EHLO lists, NAME=value, each once"
)
XCLIENT_IN_TRANSACTION: Final = Reply(503, "5.5.1", "A transaction is under way; RSET ends it")
XCLIENT_NOBODY: Final = Reply(501, "5.7.8", "Nobody logs in here by this name")

# -- TLS and login --------------------------------------------------------------------------------

READY_FOR_TLS: Final = Reply(220, "2.0.0", "Ready to start TLS")
NO_TLS: Final = Reply(502, "5.5.1", "TLS is not offered on this connection")
TLS_ALREADY: Final = Reply(503, "5.5.1", "The connection is encrypted already")
TLS_INJECTION: Final = Reply(
    554, "5.5.1", "Nothing may follow STARTTLS before the handshake; closing the connection"
)
AUTH_SYNTAX: Final = Reply(501, "5.5.4", "Write AUTH, a mechanism and perhaps an initial response")
NO_AUTH: Final = Reply(502, "5.5.1", "Nobody logs in here; use the submission port")
TLS_FOR_REQUIRETLS: Final = Reply(530, "5.7.4", "Say STARTTLS first: REQUIRETLS begins with you")
AUTH_NEEDS_TLS: Final = Reply(538, "5.7.11", "Say STARTTLS first: passwords do not travel in the clear")
AUTH_ALREADY: Final = Reply(503, "5.5.1", "You are logged in already")
AUTH_IN_TRANSACTION: Final = Reply(503, "5.5.1", "Log in before MAIL")
UNKNOWN_MECHANISM: Final = Reply(504, "5.5.4", "This mechanism is not offered; EHLO lists those that are")
AUTH_OK: Final = Reply(235, "2.7.0", "Welcome")
AUTH_CANCELLED: Final = Reply(501, "5.7.0", "Login cancelled")
AUTH_NOT_BASE64: Final = Reply(501, "5.5.2", "The response is not base64")
AUTH_TOO_LONG: Final = Reply(500, "5.5.6", "The response is too long")
AUTH_REFUSED: Final = Reply(535, "5.7.8", "The name or the password is wrong")
AUTH_UNAVAILABLE: Final = Reply(454, "4.7.0", "Logins cannot be checked now; try again later")
AUTH_REQUIRED: Final = Reply(530, "5.7.0", "Log in first")

# -- the envelope ---------------------------------------------------------------------------------

SENDER_OK: Final = Reply(250, "2.1.0", "OK")
RECIPIENT_OK: Final = Reply(250, "2.1.5", "OK")
MAIL_SYNTAX: Final = Reply(501, "5.5.4", "Write MAIL FROM:<user@example.org>")
RCPT_SYNTAX: Final = Reply(501, "5.5.4", "Write RCPT TO:<user@example.org>")
NULL_RECIPIENT: Final = Reply(501, "5.1.3", "A recipient cannot be empty")
NESTED_MAIL: Final = Reply(503, "5.5.1", "A transaction is under way; RSET ends it")
NEED_MAIL: Final = Reply(503, "5.5.1", "Say MAIL first")
NEED_RCPT: Final = Reply(503, "5.5.1", "No recipient was accepted")
NOT_AFTER_BDAT: Final = Reply(503, "5.5.1", "The message comes by BDAT; RSET begins anew (RFC 3030 2)")
BINARY_NEEDS_BDAT: Final = Reply(503, "5.5.1", "A BINARYMIME message comes by BDAT (RFC 3030 3)")
BAD_PARAMETER: Final = Reply(501, "5.5.4", "A parameter is written KEYWORD or KEYWORD=value, each once")
BAD_SIZE: Final = Reply(501, "5.5.4", "SIZE is a number of octets (RFC 1870)")
BAD_BODY: Final = Reply(501, "5.5.4", "BODY is 7BIT, 8BITMIME or BINARYMIME (RFC 3030)")
BAD_RET: Final = Reply(501, "5.5.4", "RET is FULL or HDRS (RFC 3461 4.3)")
BAD_ENVID: Final = Reply(
    501, "5.5.4", "ENVID is printable ASCII in xtext, of 100 characters at most (RFC 3461 4.4)"
)
BAD_NOTIFY: Final = Reply(
    501, "5.5.4", "NOTIFY is NEVER, or SUCCESS, FAILURE and DELAY with commas between (RFC 3461 4.1)"
)
BAD_ORCPT: Final = Reply(
    501,
    "5.5.4",
    "ORCPT is a type, a semicolon and an address in xtext, such as rfc822;bob@example.org (RFC 3461 4.2)",
)
UNKNOWN_PARAMETER: Final = Reply(555, "5.5.4", "There is a parameter that this server does not know")
NEEDS_SMTPUTF8: Final = Reply(
    553, "5.6.7", "An address outside ASCII needs the SMTPUTF8 parameter of MAIL (RFC 6531)"
)
NOT_YOUR_SENDER: Final = Reply(553, "5.7.1", "Your account may not send as this address")
TOO_MANY_RECIPIENTS: Final = Reply(452, "4.5.3", "Too many recipients; send the rest in another message")
NO_RELAYING: Final = Reply(
    550, "5.7.1", "Relaying denied: this address is not ours; log in on the submission port to send elsewhere"
)
NOBODY: Final = Reply(550, "5.1.1", "Nobody has this address here")
ONLY_REPORTS: Final = Reply(550, "5.7.1", "Only reports, from <>, come to this address")
DISABLED: Final = Reply(550, "5.2.1", "The mailbox is disabled")
MAILBOX_FULL: Final = Reply(452, "4.2.2", "The mailbox is full; try again later")

# -- the message ----------------------------------------------------------------------------------

GO_AHEAD: Final = Reply(354, "", "Send the message, end it with a line that has only a dot")
BDAT_SYNTAX: Final = Reply(
    501,
    "5.5.4",
    "Write BDAT, a number of octets and perhaps LAST; what follows is unknown, closing the connection",
)
CHUNK_REFUSED: Final = Reply(503, "5.5.1", "A chunk before this one was refused; RSET begins anew")
TOO_LARGE: Final = Reply(552, "5.3.4", "The message is larger than SIZE allows")
HEAD_TOO_LARGE: Final = Reply(554, "5.6.0", "The header block is larger than 256 KiB")
MESSAGE_LINE_TOO_LONG: Final = Reply(554, "5.6.0", "A line of the message is longer than is taken here")
BARE_LINE_END: Final = Reply(
    550, "5.6.0", "The message has a CR or LF that stands alone; lines end in CR LF (RFC 5321 2.3.8)"
)
LOOP: Final = Reply(554, "5.4.6", "More than 100 Received fields: this message goes round in a loop")
NOT_YOUR_FROM: Final = Reply(553, "5.7.1", "Your account may not use the address in From")
STORE_FULL: Final = Reply(452, "4.3.1", "There is no room for mail now; try again later")

# What the merging of checks says for itself.
CHECK_FAILED: Final = Defer("4.7.1", "The message could not be checked now; try again later")
SCORE_TOO_HIGH: Final = Reject("5.7.1", "The message looks too much like spam")


def chunk_taken(octets: int) -> Reply:
    """A chunk that is not the last."""
    return Reply(250, "2.0.0", f"{octets} octets received")


def not_mime(reason: str) -> Reply:
    """A message that was declared BINARYMIME cannot be stored as lines."""
    return Reply(554, "5.6.3", f"The message cannot be made into lines: {reason}")


def not_returned(reason: str) -> Reply:
    """The address is written as a return path of this hub, and is none."""
    return Reply(550, "5.1.1", f"Nothing returns to this address: {reason}")


def delivered(message_id: str) -> Reply:
    """It lies in at least one mailbox here."""
    return Reply(250, "2.0.0", f"delivered as {message_id}")


def queued(message_id: str) -> Reply:
    """All its recipients are elsewhere."""
    return Reply(250, "2.0.0", f"queued as {message_id}")
