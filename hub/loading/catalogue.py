"""Every plugin that could be loaded, and which of two of the same name would be.

folder of the operator's   *.py, source trees, pip install --target      enabled by being there
--plugins PATH             a source tree, a *.py, or a folder of them    enabled by [hub] plugins
sys.path                   *.dist-info, editable installs as their tree  enabled by [hub] plugins
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from importlib_metadata import Distribution, EntryPoint, PackagePath, PathDistribution

from hub.config.key import suggestion
from hub.loading.errors import LoadError
from hub.loading.installed import facts, tree, why_unreadable
from hub.loading.sources import (
    PLUGINS,
    FileDistribution,
    Kind,
    Source,
    SourceError,
    TreeDistribution,
    file_plugin_name,
    module_name,
    sources_of,
)
from hub.loading.trust import why_untrusted


@dataclass(frozen=True, slots=True)
class Shadowed:
    """A source that is not used, because another of the same name comes first."""

    source: Source
    by: Source


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What was found.

    watched: the names that lie in a watched folder. problems: what cannot be used there; doubts: the same
    elsewhere, where it matters only if it is listed.
    """

    sources: Mapping[str, Source]
    shadowed: tuple[Shadowed, ...]
    watched: frozenset[str]
    problems: tuple[LoadError, ...]
    doubts: tuple[LoadError, ...]

    def entry_points(self, group: str) -> list[tuple[EntryPoint, Source]]:
        """The entry points of a group by name; each belongs to its distribution's plugin of that name."""
        found = (
            (entry, source)
            for source in self.sources.values()
            for entry in source.entry_points
            if entry.group == group and entry.name == source.name
        )
        return sorted(found, key=lambda pair: pair[0].name)

    def active(self, listed: Sequence[str], chosen: Collection[str]) -> tuple[list[Source], list[LoadError]]:
        """The enabled plugins in run order, and what is wrong with the list.

        listed: `[hub] plugins`, with `!name` for what is off; chosen: plugins whose driver fills a service,
        enabled by that and, unless listed, before all others. What lies in a watched folder follows by name.
        """
        off = {name[1:] for name in listed if name.startswith("!")}
        on = [name for name in listed if not name.startswith("!")]
        first = [name for name in dict.fromkeys(chosen) if name not in on and name in self.sources]
        names = dict.fromkeys([*first, *on, *sorted(self.watched - off)])
        errors = [self._unknown(name) for name in (*on, *off) if name not in self.sources]
        errors += [
            LoadError(name, f"'!{name}' disables the plugin of a driver that [services] chooses")
            for name in chosen
            if name in off
        ]
        return [self.sources[name] for name in names if name in self.sources], errors

    def _unknown(self, name: str) -> LoadError:
        for doubt in self.doubts:
            if name == doubt.plugin or module_name(name) in doubt.reason:
                return doubt
        hint = suggestion(name, self.sources) or "See: hub plugins"
        return LoadError(name, f"there is no plugin '{name}'", hint=hint)


@dataclass(slots=True)
class _Finding:
    """What a scan has found so far; the order of discovery decides within one kind."""

    sources: list[Source] = field(default_factory=list)
    problems: list[LoadError] = field(default_factory=list)
    doubts: list[LoadError] = field(default_factory=list)

    def add(self, distribution: Distribution, kind: Kind, location: Path, *, watched: bool) -> None:
        self.sources += sources_of(distribution, kind, location, watched=watched)

    def problem(self, path: Path, reason: str, *, watched: bool) -> None:
        (self.problems if watched else self.doubts).append(LoadError(path.name, reason, str(path)))


def scan(
    watched: Sequence[Path],
    trees: Sequence[Path] = (),
    path: Sequence[str] | None = None,
) -> Catalogue:
    """Look into the watched folders, what `--plugins` names, and along `sys.path`; imports nothing.

    A folder that is not there holds nothing. trees: source trees, files, and folders of both. path: in
    place of `sys.path`.
    """
    finding = _Finding()
    for folder in watched:
        _scan_folder(finding, folder.absolute(), watched=True)
    for place in map(Path.absolute, trees):
        if place.is_file() or _is_tree(place):
            _scan_child(finding, place, watched=False)
        else:
            _scan_folder(finding, place, watched=False)
    _scan_path(finding, path)
    best: dict[str, Source] = {}
    for source in sorted(finding.sources, key=lambda source: source.kind):  # stable: else as discovered
        best.setdefault(source.name, source)
    shadowed = {
        (source.name, source.location): Shadowed(source, best[source.name])
        for source in finding.sources
        if source is not best[source.name]
        and source.location.resolve() != best[source.name].location.resolve()
    }
    enabled = frozenset(source.name for source in finding.sources if source.watched)
    return Catalogue(best, tuple(shadowed.values()), enabled, tuple(finding.problems), tuple(finding.doubts))


def _scan_folder(finding: _Finding, folder: Path, *, watched: bool) -> None:
    try:
        children = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    if reason := why_untrusted(folder):
        finding.problem(folder, f"the plugin folder is refused: {reason}", watched=watched)
        return
    installed = [folder] if any(child.suffix == ".dist-info" for child in children) else []
    claimed = _claimed(folder) if installed else frozenset()
    for child in children:
        if child.name.startswith((".", "_")) or child.suffix == ".dist-info" or child in claimed:
            continue
        if child.is_dir() and not _is_tree(child) and any(child.glob("*.dist-info")):
            installed.append(child)
        else:
            _scan_child(finding, child, watched=watched)
    for place in installed:
        _scan_installed(finding, place, watched=watched)


def _is_tree(folder: Path) -> bool:
    return (folder / "pyproject.toml").is_file()


def _scan_child(finding: _Finding, child: Path, *, watched: bool) -> None:
    """A source tree or a file that is a plugin; nothing if it is neither."""
    try:
        if _is_tree(child):
            _add_tree(finding, child, watched=watched)
        elif child.suffix == ".py" and child.is_file():
            _add_file(finding, child, watched=watched)
    except FileNotFoundError:  # removed since it was listed
        return
    except ValueError as error:
        finding.problem(child, str(error), watched=watched)
    except OSError as error:
        finding.problem(child, f"it cannot be read: {error.strerror}", watched=watched)


def _add_file(finding: _Finding, file: Path, *, watched: bool) -> None:
    file_plugin_name(file)
    if reason := why_untrusted(file):
        finding.problem(file, f"the plugin is refused: {reason}", watched=watched)
        return
    finding.add(FileDistribution(file), Kind.FILE, file, watched=watched)


def _add_tree(finding: _Finding, root: Path, *, watched: bool) -> None:
    found = sources_of(TreeDistribution(root), Kind.TREE, root, watched=watched)
    for source in found:
        _check_trust(source)
    finding.sources += found


def _scan_installed(finding: _Finding, folder: Path, *, watched: bool) -> None:
    """What `pip install --target` has put into a folder; of two versions the one that is whole."""
    by_name: dict[str, list[Distribution]] = {}
    for distribution in Distribution.discover(path=[str(folder)]):
        if reason := why_unreadable(distribution):
            finding.problem(folder, reason, watched=watched)
        elif any(entry.group == PLUGINS for entry in distribution.entry_points):
            by_name.setdefault(distribution.name, []).append(distribution)
    for name, versions in by_name.items():
        whole = versions if len(versions) == 1 else [version for version in versions if _is_whole(version)]
        if not whole:
            reason = f"{name} is there {len(versions)} times and none is whole: install it anew"
            finding.problem(folder, reason, watched=watched)
            continue
        try:
            found = sources_of(whole[0], Kind.INSTALLED, folder, watched=watched)
            for source in found:
                _check_trust(source)
            finding.sources += found
        except (ValueError, OSError) as error:
            finding.problem(folder, f"{name}: {error}", watched=watched)


def _check_trust(source: Source) -> None:
    """SourceError if others can write a file of the source or a folder that such a file lies in."""
    files = list(source.files())
    folders = {parent for file in files for parent in file.parents if parent.is_relative_to(source.location)}
    for path in (*folders, *files):
        if reason := why_untrusted(path):
            raise SourceError(f"the plugin is refused: {path.relative_to(source.location)}: {reason}")


def _claimed(folder: Path) -> frozenset[Path]:
    """The files in a folder that an installed distribution has put there."""
    return frozenset(
        folder / file
        for distribution in Distribution.discover(path=[str(folder)])
        if not why_unreadable(distribution)
        for file in distribution.files or ()
    )


def _is_whole(distribution: Distribution) -> bool:
    """Whether every module that its RECORD lists is there with the hash that it states."""
    files = [file for file in distribution.files or () if file.suffix == ".py" and file.hash is not None]
    return bool(files) and all(map(_has_its_hash, files))


def _has_its_hash(file: PackagePath) -> bool:
    if file.hash is None:
        return True
    try:
        made = hashlib.new(file.hash.mode, file.read_binary()).digest()
    except (OSError, ValueError):
        return False
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode() == file.hash.value


def _scan_path(finding: _Finding, path: Iterable[str] | None) -> None:
    seen: set[str] = set()
    for distribution in Distribution.discover() if path is None else Distribution.discover(path=list(path)):
        try:
            known = facts(distribution)
            if not known.is_plugin:
                continue
            if known.wrong:
                raise SourceError(known.wrong)
            if known.name in seen:
                continue
            seen.add(known.name)
            if known.tree is not None and _is_tree(known.tree):
                finding.add(tree(known.tree), Kind.TREE, known.tree, watched=False)
            elif isinstance(distribution, PathDistribution):
                place = Path(str(distribution.locate_file("")))
                finding.add(distribution, Kind.INSTALLED, place, watched=False)
        except (ValueError, OSError) as error:
            finding.doubts.append(LoadError("hub", str(error)))
