"""What is on disk and in the config, and what of it is new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hub.config.key import suggestion
from hub.config.load import Config
from hub.loading.catalogue import Catalogue, scan
from hub.loading.drivers import FIXED, SERVICES, check_choice, chosen, driver_module
from hub.loading.errors import LoadError
from hub.loading.importing import FreshImport, PluginFinder, Wanted
from hub.loading.libraries import has_extensions
from hub.loading.reload import Lineup, Member, Wish
from hub.loading.sources import Source


@dataclass(frozen=True, slots=True)
class Found:
    """What is on disk. active: in run order; seen: equal if the same was seen before."""

    catalogue: Catalogue
    active: tuple[Source, ...]
    digests: Mapping[str, str]
    errors: tuple[LoadError, ...]
    seen: object


@dataclass(frozen=True, slots=True)
class Target:
    """What is wanted next.

    plans: in run order, plugins that are there, and such as `fresh` must import, with the services that they
    fill. restart_needed: what takes effect with new workers.
    """

    config: Config
    plans: Sequence[Wish | tuple[Wanted, tuple[str, ...]]]
    fresh: FreshImport
    restart_needed: tuple[str, ...]


def look(config: Config, trees: Sequence[Path], path: Sequence[str] | None) -> Found:
    """Scan and hash; imports nothing.

    All of it for one call in a thread: under load each return from one waits for its turn of the loop.
    """
    settings = config.settings
    catalogue = scan(settings.hub.plugin_dirs, trees, path)
    choice = chosen(settings.services)
    active, errors = catalogue.active(settings.hub.plugins, choice.values())
    errors = [*catalogue.problems, *(_placed(config, error) for error in errors)]
    for service, name in choice.items():
        if error := check_choice(catalogue, service, name):
            origin = config.origin_at(("services", service))
            errors.append(replace(error, file=origin.name, line=origin.line))
    for name in config.plugin_names():
        if name not in catalogue.sources:
            origin = config.origin_at(("plugins", name))
            said, hint = f"there is no plugin '{name}'", suggestion(name, catalogue.sources)
            errors.append(LoadError(name, said, origin.name, origin.line, hint))
    digests, unread = _digests(active)
    errors += unread
    seen = (tuple(digests.items()), tuple(map(str, errors)))
    return Found(catalogue, tuple(active), digests, tuple(errors), seen)


def _digests(sources: Sequence[Source]) -> tuple[dict[str, str], list[LoadError]]:
    digests: dict[str, str] = {}
    for source in sources:
        try:
            digests[source.name] = source.digest()
        except OSError as error:
            said = f"it cannot be read: {error.strerror}"
            return digests, [LoadError(source.name, said, str(error.filename))]
    return digests, []


def _placed(config: Config, error: LoadError) -> LoadError:
    """A fault of `[hub] plugins` with the line that it stands in."""
    for index, name in enumerate(config.settings.hub.plugins):
        if name.removeprefix("!") == error.plugin and not error.file:
            origin = config.origin_at(("hub", "plugins", index))
            return replace(error, file=origin.name, line=origin.line)
    return error


def target(config: Config, found: Found, now: Lineup, finder: PluginFinder) -> Target:
    """What to import and what to keep; whoever fills a fixed service keeps its code and settings."""
    choice = chosen(config.settings.services)
    fixed = {
        service: member
        for member in now.members.values()
        for service in FIXED.intersection(member.wish.drives)
    }
    restart = [service for service, member in fixed.items() if choice[service] != member.wish.name]
    plans: list[Wish | tuple[Wanted, tuple[str, ...]]] = []
    for member in dict.fromkeys(fixed.values()):
        if member.wish.name not in found.digests:  # no longer chosen
            plans.append(
                Wish(member.wish.loaded, member.wish.config, _drives(member.wish.name, choice, fixed))
            )
    for source in found.active:
        drives = _drives(source.name, choice, fixed)
        digest = found.digests[source.name]
        old = now.members.get(source.name)
        if old is not None and old.wish.loaded.matches(source, digest):
            wish = Wish(old.wish.loaded, config, drives)
            if old.suits(wish) or old not in fixed.values():
                plans.append(wish)
                continue
        if old is not None and old in fixed.values():
            plans.append(Wish(old.wish.loaded, old.wish.config, drives))
            restart += FIXED.intersection(drives)
        elif old is not None and has_extensions(old.wish.loaded):
            plans.append(Wish(old.wish.loaded, config, drives))
            restart.append(f"{source.name}, which has modules in C")
        else:
            modules = tuple(filter(None, (driver_module(source, service) for service in drives)))
            plans.append((Wanted(source, digest, modules), drives))
    fresh = FreshImport(finder, [each[0] for each in plans if isinstance(each, tuple)])
    return Target(config, plans, fresh, tuple(sorted(set(restart))))


def planned(now: Lineup, plans: Sequence[Wish | tuple[Wanted, tuple[str, ...]]]) -> dict[str, str]:
    """Plugin → what would become of it."""
    names = {each.name if isinstance(each, Wish) else each[0].source.name: each for each in plans}
    found = {name: "removed" for name in now.members if name not in names}
    for name, each in names.items():
        old = now.members.get(name)
        keeps = old is not None and isinstance(each, Wish) and old.suits(each)
        found[name] = "kept" if keeps else "added" if old is None else "replaced"
    return found


def _drives(name: str, choice: Mapping[str, str], fixed: Mapping[str, Member]) -> tuple[str, ...]:
    """The services that the plugin's drivers fill from now on."""
    return tuple(
        service
        for service in SERVICES
        if name == (fixed[service].wish.name if service in fixed else choice.get(service))
    )
