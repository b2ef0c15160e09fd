"""Plugins that do nothing, as many as wanted, in the watched folder of a hub that runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

from bench.hub_server import Hub

MAIL_PATH: Final = {
    "session_opened": "session",
    "smtp_connect": "session",
    "smtp_helo": "session, name",
    "smtp_mail": "session, envelope",
    "smtp_rcpt": "session, envelope, recipient",
    "check_message": "session, envelope, message",
    "message_accepted": "session, envelope",
    "message_delivered": "account, mailbox",
    "session_closed": "session",
}
"""The hooks that one mail over a connection of its own passes, once each, and what is asked of them."""

_HEAD = '"""Nothing."""\n\nfrom hub import hookimpl\n'
_IMPLEMENTATION = "\n\n@hookimpl\nasync def {hook}({arguments}):\n    return None\n"


class NotLoaded(Exception):
    """The hub does not have the plugins that it was given."""


def doing_nothing(hooks: Sequence[str]) -> str:
    """The source of a plugin that implements these hooks of the mail path."""
    return _HEAD + "".join(_IMPLEMENTATION.format(hook=hook, arguments=MAIL_PATH[hook]) for hook in hooks)


def replace_all(hub: Hub, count: int, hooks: Sequence[str]) -> None:
    """Have so many of them and no more in the watched folder, and all of them live. NotLoaded."""
    wanted = {f"nothing_{number:02}.py" for number in range(count)}
    for path in hub.watched.glob("nothing_*.py"):
        if path.name not in wanted:
            path.unlink()
    text = doing_nothing(hooks)
    for name in sorted(wanted):
        (hub.watched / name).write_text(text)
    hub.ask("reload")
    live = cast("Sequence[Mapping[str, object]]", hub.ask("plugins"))
    found = sum(str(each["name"]).startswith("nothing-") for each in live)
    if found != count:
        raise NotLoaded(f"the hub has {found} of {count} plugins that do nothing")
