"""Which function answers which command."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from hub.smtp import auth, bdat, greeting, transaction, xclient
from hub.smtp.dialogue import Commands
from hub.smtp.limits import counted

SMTP: Final[Commands] = MappingProxyType(
    {
        b"EHLO": counted(greeting.ehlo),
        b"HELO": counted(greeting.helo),
        b"MAIL": transaction.mail,
        b"RCPT": transaction.rcpt,
        b"DATA": transaction.data,
        b"BDAT": bdat.bdat,
        b"RSET": counted(transaction.rset),
        b"NOOP": counted(greeting.noop),
        b"QUIT": greeting.quit_,
        b"VRFY": counted(greeting.verify),
        b"EXPN": counted(greeting.expand),
        b"HELP": counted(greeting.help_),
        b"AUTH": counted(auth.auth),
        b"STARTTLS": counted(greeting.starttls),
        b"XCLIENT": counted(xclient.xclient),
    }
)
