"""A new configuration on its way: what it needs is opened beside what serves, then taken in one step."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hub.config.effective import Change as Difference
from hub.config.effective import PluginModels, Values, differences, effective, shown
from hub.config.errors import ConfigError, ConfigErrors
from hub.config.key import Key, format_key
from hub.config.load import Config
from hub.config.tables.listeners import Listener
from hub.listening import Bound, NoSocketError
from hub.loading.watching import Place
from hub.log import get_logger
from hub.tls.certificates import CertificateError, Certificates, load_certificates, named
from hub.tls.installed import FOLDER

_log = get_logger(area="hub")

FIXED: Final[tuple[Key, ...]] = (
    ("hub", "data_dir"),
    ("hub", "workers"),
    ("hub", "user"),
    ("services", "storage"),
    ("services", "blobs"),
    ("trace", "max_size"),
)
"""What a hub that runs cannot change."""

Rebind = Callable[[Mapping[str, Listener]], Awaitable[list[Bound]]]
"""The sockets for these listeners, those that are open already among them. OSError."""


@dataclass(frozen=True, slots=True)
class Change:
    """One key whose value differs, as it can be shown: secrets are masked."""

    key: str
    before: str
    after: str
    origin: str

    @classmethod
    def of(cls, change: Difference) -> Change:
        """A difference between two configurations."""
        before, after = shown(change.before), shown(change.after)
        return cls(format_key(change.key), before, after, str(change.origin))

    def __str__(self) -> str:
        return f"{self.key}: {self.before} → {self.after}  ({self.origin})"


@dataclass(frozen=True, slots=True)
class Renewal:
    """A configuration with all that it needs. waiting: the keys that wait for a new start of the hub."""

    config: Config
    waiting: tuple[str, ...]
    certificates: Certificates
    bound: Sequence[Bound]


async def prepare(fresh: Config, now: Config, certificates: Certificates, rebind: Rebind) -> Renewal:
    """Open what a fresh configuration needs beside what serves now. ConfigErrors."""
    config, waiting = hold(fresh, now)
    try:
        settings = config.settings
        new = await asyncio.to_thread(
            load_certificates, settings.tls, settings.hub.data_dir, certificates, settings.listeners
        )
        bound = await rebind(config.settings.listeners)
    except (CertificateError, OSError) as error:
        raise ConfigErrors([placed(config, error)]) from error
    return Renewal(config, waiting, new, bound)


def hold(fresh: Config, now: Config) -> tuple[Config, tuple[str, ...]]:
    """The fresh configuration with the present values of what is fixed, and the keys that this is about."""
    held: dict[str, dict[str, object]] = {}
    for table, name in FIXED:
        present = getattr(getattr(now.settings, str(table)), str(name))
        if getattr(getattr(fresh.settings, str(table)), str(name)) != present:
            kept = str(present) if isinstance(present, Path) else present
            held.setdefault(str(table), {})[str(name)] = kept
    keys = tuple(format_key((table, name)) for table, values in held.items() for name in values)
    return (fresh.with_values(held) if held else fresh), keys


def changes(before: Values, old: Certificates, renewal: Renewal, models: PluginModels) -> list[Change]:
    """What is different with the new configuration; a certificate is told by its fingerprint."""
    config = renewal.config
    found = [Change.of(each) for each in differences(before, config, effective(config, models))]
    shown_before, shown_now = old.fingerprints(), renewal.certificates.fingerprints()
    for label in dict.fromkeys((*shown_before, *shown_now)):
        was, now = shown_before.get(label, "unset"), shown_now.get(label, "unset")
        if was != now:
            installed = label.startswith(f"{FOLDER}/")
            origin = "installed" if installed else str(config.origin_at(("tls", "certificate")))
            found.append(Change(f"{label} (SHA-256)", was, now, origin))
    return found


def places(config: Config) -> list[Place]:
    """The files that a configuration was made of, and where more of them may be put."""
    pairs = (path for _, *pair in named(config.settings.tls) for path in pair)
    trusted = (each.client_ca for each in config.settings.listeners.values() if each.client_ca is not None)
    files = (*config.sources, *pairs, *trusted, *config.folders)
    found = [Place(path.absolute(), deep=False) for path in files]
    return [*found, Place(config.settings.hub.data_dir.absolute() / FOLDER)]


def tell_changes(changes: Sequence[str], waiting: Sequence[str]) -> None:
    """Write into the log what a new configuration has changed."""
    for change in changes:
        _log.info("config changed", change=change)
    for key in waiting:
        _log.warning("takes effect with a new start of the hub", key=key)


def placed(config: Config, error: CertificateError | OSError) -> ConfigError:
    """A fault of something that the configuration names, at the line that names it."""
    key: Key
    if isinstance(error, CertificateError):
        return config.origin_at(error.key).error(error.key, error.reason)
    if isinstance(error, NoSocketError):
        key = ("listeners", error.name, "bind", error.index)
        hint = (
            "A port below 1024 takes effect with a new start of the hub."
            if error.errno == errno.EACCES
            else ""
        )
        return config.origin_at(key).error(key, f"cannot be had: {error.why}", hint)
    return ConfigError("", None, "listeners", str(error))
