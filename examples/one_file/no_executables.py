"""Refuse mail with a program attached."""

from hub import Finding, Reject, hookimpl

ENDINGS = (".exe", ".scr", ".js", ".vbs", ".bat")


@hookimpl
def check_message(message):  # a plain def, in a thread: it reads the whole message
    names = [part.filename for part in message.structure.walk() if part.filename]
    if any(name.lower().endswith(ENDINGS) for name in names):
        return Finding(action=Reject("5.7.1", "programs are not taken by mail"))
