"""What a command that a plugin adds gets from `hub`."""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from hub.hooks.plugin import Plugin

T = TypeVar("T")


class CommandContext(Protocol):
    """click's object, `@click.pass_obj`, of the commands in the entry-point group `hub.commands`.

    What cannot be done becomes a sentence and exit code 1.
    """

    def ask_plugin(self, name: str, question: str, **arguments: object) -> list[object]:
        """Ask a plugin of the running hub what it answers (`Plugin.answer`); an answer for each worker."""

    def open_plugin(self, name: str) -> AbstractAsyncContextManager[Plugin]:
        """A plugin's scope beside a hub that may be running, for what is stored: kv, tables, settings.

        It has no timers, and no hook can be called with it.
        """

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Run a coroutine; a LookupError, ValueError, OSError or RuntimeError is said in a sentence."""
