"""What the verbs share: the configuration, the running hub, and the store when no hub is needed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import click

if TYPE_CHECKING:
    from hub.config.load import Config
    from hub.hooks.plugin import Plugin
    from hub.services.chosen import Services
    from hub.services.directory import DirectoryAdmin
    from hub.services.migrations import Migrations
    from hub.services.storage import Storage

T = TypeVar("T")


@dataclass(slots=True)
class Context:
    """click's object for every verb; nothing is loaded before it is asked for."""

    config_path: Path | None
    _config: Config | None = field(default=None)

    def config(self) -> Config:
        """The configuration, read once."""
        from hub.config.errors import ConfigErrors

        if self._config is None:
            try:
                self._config = self.reread()
            except ConfigErrors as error:
                raise click.ClickException(str(error)) from None
        return self._config

    def reread(self) -> Config:
        """The configuration as it is on disk now. ConfigErrors."""
        from hub.config.load import load

        return load(self.config_path)

    def ask(self, verb: str, **arguments: object) -> object:
        """Ask the running hub."""
        from hub.control import NotRunning, Refused, ask

        try:
            return ask(self.data_dir / "control.sock", verb, **arguments)  # type: ignore[arg-type]  # no timeout
        except (NotRunning, Refused, TimeoutError) as error:
            raise click.ClickException(str(error) or "the hub did not answer in time") from None

    def ask_plugin(self, name: str, question: str, **arguments: object) -> list[object]:
        """Ask a plugin of the running hub; an answer for each worker."""
        return cast(
            "list[object]", self.ask("ask-plugin", plugin=name, question=question, arguments=arguments)
        )

    @property
    def data_dir(self) -> Path:
        """Where the hub of this configuration keeps its data."""
        return self.config().settings.hub.data_dir

    def directory(self) -> AbstractAsyncContextManager[DirectoryAdmin]:
        """The directory, opened beside a hub that may be running."""
        from hub.cli.opening import directory

        return directory(self.config())

    def storage(self) -> AbstractAsyncContextManager[Storage]:
        """The index, opened beside a hub that may be running."""
        from hub.cli.opening import storage

        return storage(self.config())

    def services(self) -> AbstractAsyncContextManager[Services]:
        """All the drivers, opened beside a hub that may be running."""
        from hub.cli.opening import services

        return services(self.config())

    def open_plugin(self, name: str) -> AbstractAsyncContextManager[Plugin]:
        """A plugin's scope, opened beside a hub that may be running."""
        from hub.cli.opening import plugin

        return plugin(self.config(), name)

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Run a command's coroutine."""
        return run(work)

    def migrations(self, *, changing: bool) -> AbstractAsyncContextManager[Migrations]:
        """The schema of the store; it is changed only while no hub is running."""
        from hub.cli.opening import migrations
        from hub.control import is_running

        if changing and is_running(self.data_dir / "control.sock"):
            raise click.ClickException("the hub is running; stop it before its database is changed")
        return migrations(self.config())


def run(work: Coroutine[object, object, T]) -> T:
    """Run a verb's coroutine; what the directory or the store refuses becomes a sentence and exit code 1."""
    try:
        return asyncio.run(work)
    except (LookupError, ValueError, OSError, RuntimeError) as error:
        raise click.ClickException(str(error.args[0] if len(error.args) == 1 else error)) from error


def show_json(value: object) -> None:
    """One JSON document, for scripts."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))
