"""Let nobody change the mailboxes of archive@, who may only be read."""

from hub import Reject, hookimpl

CHANGING = ("APPEND", "STORE", "EXPUNGE", "DELETE", "RENAME", "CREATE")


@hookimpl
async def imap_command(session, name):
    who = session.identity
    if who and who.address.local == "archive" and name.removeprefix("UID ").startswith(CHANGING):
        return Reject("5.7.1", "this mailbox can only be read")
