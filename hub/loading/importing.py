"""Importing plugins anew, all or nothing.

A module that is imported again is a new object; the old one stays whole for whoever still uses it.
`importlib.reload` would change it under them.
"""

from __future__ import annotations

import marshal
import re
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash, spec_from_file_location
from pathlib import Path
from types import CodeType, MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Final

from hub.config.key import nearest
from hub.loading.errors import LoadError
from hub.loading.sources import Kind, Source
from hub.loading.trust import why_untrusted
from hub.mail.stash import StashKey

if TYPE_CHECKING:
    from pydantic import BaseModel

_CHECKED: Final = (0b11).to_bytes(4, "little")
"""PEP 552: what is compiled belongs to the text of a hash, which is to be looked at."""


class FreshLoader(SourceFileLoader):
    """Runs what stands in the file now.

    The standard `.pyc` compares times in whole seconds and sizes, and so serves stale code when a file of the
    same length is saved twice in one second. The one here names the hash of its text (PEP 552).

    keeps: whether there is one at all. A plugin of one file lies among the operator's, where nothing else is
    to appear.
    """

    def __init__(self, fullname: str, path: str, *, keeps: bool) -> None:
        super().__init__(fullname, path)
        self.keeps = keeps

    def get_code(self, fullname: str) -> CodeType:
        """Compiled here, or by whoever imported the same text before."""
        path = self.get_filename(fullname)
        return _code(self, path, self.get_data(path))


@lru_cache(maxsize=128)
def _code(loader: FreshLoader, path: str, text: bytes) -> CodeType:
    """Kept: who saves one module of a plugin waits for that one, and who opens a store again for none."""
    kept = Path(cache_from_source(path))
    head = MAGIC_NUMBER + _CHECKED + source_hash(text)
    code: CodeType
    with suppress(OSError, EOFError, ValueError, TypeError):  # it is not there, or cut short
        if loader.keeps and why_untrusted(kept.parent) is None and why_untrusted(kept) is None:
            found = kept.read_bytes()
            if found.startswith(head):
                code = marshal.loads(memoryview(found)[len(head) :])
                if code.co_filename == path:  # it was not copied here, to show a traceback of elsewhere
                    return code
    code = compile(text, path, "exec", dont_inherit=True)
    if loader.keeps and not sys.dont_write_bytecode:
        loader.set_data(str(kept), head + marshal.dumps(code))  # nothing where it cannot be written
    return code


class PluginFinder(MetaPathFinder):
    """Finds the modules of the sources that it was told of, before anything else does.

    The libraries of what is installed are found after the hub's own, by `sys.path`.
    """

    def __init__(self) -> None:
        self._sources: dict[str, Source] = {}
        self._added: list[str] = []

    def install(self) -> None:
        """From now on take part in every import of this process."""
        sys.meta_path.insert(0, self)

    def uninstall(self) -> None:
        """No longer."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        self._sources.clear()
        self._find_libraries()

    def tell(self, source: Source) -> Source | None:
        """Take the source's top-level module from there from now on; what it was taken from until now."""
        before = self._sources.get(source.top)
        self._sources[source.top] = source
        self._find_libraries()
        return before

    def forget(self, top: str) -> None:
        """Do not answer for the top-level module any more."""
        self._sources.pop(top, None)
        self._find_libraries()

    def _find_libraries(self) -> None:
        """Have `sys.path` end with the folders that what is installed lies in now."""
        folders = [str(each.base) for each in self._sources.values() if each.kind is Kind.INSTALLED]
        for folder in [each for each in self._added if each not in folders]:
            self._added.remove(folder)
            if folder in sys.path:
                sys.path.remove(folder)
        for folder in folders:
            if folder not in sys.path:
                sys.path.append(folder)
                self._added.append(folder)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The place of a plugin's module, with a loader that is always fresh."""
        source = self._sources.get(fullname.partition(".")[0])
        if source is None:
            return None
        if source.kind is Kind.FILE:
            file = str(source.location)
            return spec_from_file_location(fullname, file, loader=FreshLoader(fullname, file, keeps=False))
        spec = PathFinder.find_spec(fullname, [str(source.base)] if path is None else path)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = FreshLoader(spec.loader.name, spec.loader.path, keeps=True)
        return spec


@dataclass(frozen=True, slots=True)
class Loaded:
    """One plugin's code, imported.

    modules: all that belong to it in `sys.modules`; settings: its `Settings` model. contents: its files, by
    path from the source's location, for when they are no longer on disk; metadata: of what is installed.
    """

    source: Source
    digest: str
    module: ModuleType
    modules: Mapping[str, ModuleType]
    settings: type[BaseModel] | None
    contents: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)

    def matches(self, source: Source, digest: str) -> bool:
        """Whether this is what importing the source would give."""
        return self.digest == digest and self.source.location == source.location

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return (self.module.__doc__ or "").strip().partition("\n")[0]

    @property
    def exclusive(self) -> bool:
        """Whether it cannot exist twice, so that the old one must stop before the new one starts."""
        return vars(self.module).get("exclusive") is True


@dataclass(frozen=True, slots=True)
class Wanted:
    """A source to import, its digest, and the modules besides the plugin's own that are needed at once."""

    source: Source
    digest: str
    modules: tuple[str, ...] = ()


class FreshImport:
    """One transaction: import some sources anew, and `undo` as if nothing had been."""

    def __init__(self, finder: PluginFinder, wanted: Iterable[Wanted]) -> None:
        self._finder = finder
        self._wanted = tuple(wanted)
        self._tops = {each.source.top for each in self._wanted}
        self._old: dict[str, ModuleType] = {}
        self._old_sources: dict[str, Source | None] = {}

    def run(self) -> tuple[list[Loaded], list[LoadError]]:
        """Import all of them, and gather what is wrong; call it in a thread, for it takes its time."""
        self._old = _modules_of(self._tops)
        for name in self._old:
            del sys.modules[name]
        for source in (each.source for each in self._wanted):
            self._old_sources.setdefault(source.top, self._finder.tell(source))
        loaded: list[Loaded] = []
        errors: list[LoadError] = []
        for each in self._wanted:
            try:
                for name in (each.source.module, *each.modules):
                    import_module(name)
                loaded.append(_bind(each.source, each.digest, _modules_of({each.source.top})))
            except BaseException as error:
                errors.append(_explain(each.source, error))
        return loaded, errors

    def undo(self) -> None:
        """Put back what was there before."""
        for name in _modules_of(self._tops):
            del sys.modules[name]
        sys.modules.update(self._old)
        for top, source in self._old_sources.items():
            if source is None:
                self._finder.forget(top)
            else:
                self._finder.tell(source)


def restore(finder: PluginFinder, loaded: Loaded) -> None:
    """Make an earlier import of a plugin the current one again."""
    withdraw(finder, loaded)
    sys.modules.update(loaded.modules)
    finder.tell(loaded.source)


def withdraw(finder: PluginFinder, loaded: Loaded) -> None:
    """Take a plugin's modules out of `sys.modules`; whoever holds one keeps it."""
    for name in _modules_of({loaded.source.top}):
        del sys.modules[name]
    finder.forget(loaded.source.top)


def _modules_of(tops: set[str]) -> dict[str, ModuleType]:
    return {name: module for name, module in list(sys.modules.items()) if name.partition(".")[0] in tops}


def _bind(source: Source, digest: str, modules: Mapping[str, ModuleType]) -> Loaded:
    """Name the plugin's stash keys after it and find its settings."""
    for module in modules.values():
        for variable, value in vars(module).items():
            if isinstance(value, StashKey) and value.name is None:
                value.bind(f"{source.name}.{variable}", source.top)
    module = modules[source.module]
    root = source.location.parent if source.kind is Kind.FILE else source.location
    return Loaded(
        source,
        digest,
        module,
        MappingProxyType(dict(modules)),
        _settings_model(module),
        {str(file.relative_to(root)): file.read_bytes() for file in source.files()},
        {name: source.distribution.read_text(name) or "" for name in ("METADATA", "entry_points.txt")},
    )


def _settings_model(module: ModuleType) -> type[BaseModel] | None:
    model = vars(module).get("Settings")
    if not isinstance(model, type):
        return None
    from pydantic import BaseModel

    return model if issubclass(model, BaseModel) else None


def _explain(source: Source, error: BaseException) -> LoadError:
    """What went wrong while the source was imported, at the line of the plugin that it went wrong at."""
    if isinstance(error, SyntaxError) and error.filename:
        hint = f"Near: {error.text.strip()}" if error.text else ""
        return LoadError(
            source.name, f"SyntaxError: {error.msg}", source.shown(error.filename), error.lineno, hint
        )
    files = {str(file) for file in source.files()}
    place = [
        (frame.f_code.co_filename, number)
        for frame, number in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename in files
    ]
    file, line = place[-1] if place else (str(source.location), None)
    return LoadError(source.name, _reason(error), source.shown(file), line, _hint(source, error))


def _reason(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _hint(source: Source, error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return "A plugin must not end the process"
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"The plugin needs it installed beside the hub: pip install {error.name.partition('.')[0]}"
    found = re.search(r"cannot import name '(\w+)' from 'hub'", str(error))
    if found and (near := nearest(found[1], getattr(sys.modules.get("hub"), "__all__", ()))):
        return f"Did you mean '{near}'?"
    return ""
