"""[hub] and [services]: the server as a whole."""

import os
import socket
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from hub.config.tables.types import Count, Duration, ListedPlugin, PluginName, Size, Table, checked_hostname

EMBEDDED_PLUGINS = ("storage-sql", "blobs-segment", "directory-sql", "pop3")
"""What is active where no configuration lists plugins."""


def _machine_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def worker_share(memory: int, workers: int) -> int:
    """The octets that each of the workers may hold of a machine's memory."""
    return max(memory * 3 // 4 // workers, 1 << 30)


class HubTable(Table):
    """[hub]: the server as a whole."""

    hostname: Annotated[str, AfterValidator(checked_hostname)] = Field(
        default_factory=socket.gethostname,
        description=(
            "The name this server greets with and writes into Received lines (RFC 5321 §4.1.1.1). Without "
            "it, what the operating system calls the machine; DNS is never asked."
        ),
    )
    data_dir: Path = Field(
        description=(
            "The folder that holds everything the hub keeps: database, mail, control socket. Without it, "
            "$XDG_DATA_HOME/hub."
        ),
    )
    plugins: tuple[ListedPlugin, ...] = Field(
        default=EMBEDDED_PLUGINS,
        description=(
            "The plugins that are active, in the order in which they run. A name with '!' before it "
            "disables a plugin that a watched folder would enable."
        ),
    )
    plugin_dirs: tuple[Path, ...] = Field(
        default_factory=lambda data: (data["data_dir"] / "plugins.d",),
        description=(
            "Watched plugin folders: a plugin put there is live at once, saved again it is replaced. "
            "Without it, plugins.d in the data folder."
        ),
    )
    workers: Annotated[Count, Field(ge=1, le=1024)] = Field(
        default_factory=lambda: min(len(os.sched_getaffinity(0)), 1024),
        description=(
            "How many processes serve connections, sharing the ports and the store; without it, one per "
            "core. From 2 on, a supervisor replaces those that die or hang. Takes effect with a new start of "
            "the hub."
        ),
    )
    worker_memory: Annotated[Size, Field(ge=256 << 20)] = Field(
        default_factory=lambda data: worker_share(_machine_memory(), data.get("workers", 1)),
        description=(
            "How much memory one process may hold, in bytes: a call that asks for far more than that gets an "
            "error, and a worker that holds more is replaced. Without it, three quarters of the machine's "
            "memory for all workers together, though never less than 1 GiB each. Takes effect with a new "
            "start of the hub."
        ),
    )
    blocked_limit: Annotated[Duration, Field(ge=1)] = Field(
        default=30.0,
        description=(
            "How long a plugin may block a worker's event loop before the worker is replaced; that it does "
            "is logged after one second."
        ),
    )
    user: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="The user to become once the ports are bound; without it the hub stays who it is.",
    )
    login_pause: Annotated[Duration, Field(le=30)] = Field(
        default=1.0,
        description=(
            "How long it takes at least until a wrong password is refused: longer than any of the sources "
            "that are asked one after the other, so that the time tells nobody which of them knows a name."
        ),
    )
    reload_grace: Duration = Field(
        default=30.0,
        description=(
            "How long a transaction may go on with the plugins it began with after they were replaced; then "
            "it is answered 451 at its next hook."
        ),
    )

    @field_validator("plugins")
    @classmethod
    def _each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        seen: set[str] = set()
        for name in names:
            if name.lstrip("!") in seen:
                raise ValueError(f"names '{name.lstrip('!')}' twice")
            seen.add(name.lstrip("!"))
        return names


class ServicesTable(Table):
    """[services]: which driver fills each seam that exactly one can fill."""

    storage: PluginName = Field(
        default="storage-sql",
        description="The driver of the index: accounts, mailboxes, queue. Takes effect with a new start.",
    )
    blobs: PluginName = Field(
        default="blobs-segment",
        description="The driver that holds the bytes of messages. Takes effect with a new start.",
    )
    directory: PluginName = Field(
        default="directory-sql", description="The driver that knows domains, accounts and aliases."
    )
    search: PluginName | None = Field(
        default=None,
        description=(
            "The driver of an index of what messages say, such as search-fts, so that IMAP SEARCH of text "
            "reads few of them. The answer is the same without one."
        ),
    )
