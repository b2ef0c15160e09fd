"""Typed mutable state that plugins keep on a scope, a session or an envelope.

Hook arguments are frozen; a stash is the one place where a plugin may write. A key is typed (`SEEN =
StashKey[int]()`) and is named by the loader after the plugin and the variable that holds it, so that what a
plugin left in a session is found again by its next version.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar, cast, overload

T = TypeVar("T")
D = TypeVar("D")

_MISSING: Final = object()


class StashKey(Generic[T]):
    """One typed slot; module-level, one per kind of thing: `COUNT = StashKey[int]()`."""

    __slots__ = ("module", "name")

    def __init__(self) -> None:
        self.name: str | None = None
        self.module: str | None = None

    def bind(self, name: str, module: str) -> None:
        """Name the key `plugin.VARIABLE`; called by the loader once the module is imported."""
        self.name, self.module = name, module

    def __repr__(self) -> str:
        return f"<StashKey {self.name or 'unbound'}>"


class Stash:
    """A mapping from typed keys to values; reading a missing key is a KeyError that names it."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        # A session that no plugin writes to carries no dictionary.
        self._values: dict[object, tuple[StashKey[object], object]] | None = None

    def __setitem__(self, key: StashKey[T], value: T) -> None:
        if self._values is None:
            self._values = {}
        self._values[key.name or key] = (cast("StashKey[object]", key), value)

    def __getitem__(self, key: StashKey[T]) -> T:
        value = self._find(key)
        if value is _MISSING:
            raise KeyError(key.name or "a stash key that was never set")
        return cast(T, value)

    @overload
    def get(self, key: StashKey[T]) -> T | None: ...
    @overload
    def get(self, key: StashKey[T], default: D) -> T | D: ...
    def get(self, key: StashKey[T], default: D | None = None) -> T | D | None:
        """What stands under the key, else the default."""
        value = self._find(key)
        return default if value is _MISSING else cast(T, value)

    def setdefault(self, key: StashKey[T], make: Callable[[], T]) -> T:
        """What stands under the key; made and kept by `make()` if nothing does."""
        value = self._find(key)
        if value is _MISSING:
            value = self[key] = make()
        return cast(T, value)

    def __delitem__(self, key: StashKey[T]) -> None:
        if self._find(key) is _MISSING:
            raise KeyError(key.name or "a stash key that was never set")
        assert self._values is not None
        del self._values[key.name or key]

    def __contains__(self, key: StashKey[T]) -> bool:
        return self._find(key) is not _MISSING

    def _find(self, key: StashKey[T]) -> object:
        if self._values is None:
            return _MISSING
        entry = self._values.get(key.name or key)
        if entry is None:
            return _MISSING
        writer, value = entry
        if writer is not key and _belongs_to(value, key.module):
            # Left by an earlier version of the plugin as an instance of a class that no longer exists.
            del self._values[key.name or key]
            return _MISSING
        return value


def _belongs_to(value: object, module: str | None) -> bool:
    home = type(value).__module__
    return module is not None and (home == module or home.startswith(module + "."))
