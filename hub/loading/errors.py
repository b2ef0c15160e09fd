"""What is wrong with a plugin, and where: a `LoadError` per fault, raised together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from hub.errors.known import Category, KnownError

NOT_LOADED: Final = KnownError(
    "plugin-not-loaded",
    Category.PERMANENT,
    "",
    "",
    "",
    "What served before goes on; a hub that starts does not start. Mend the plugin at the file and line "
    "of the error, or leave it out of hub.plugins; `hub plugins` shows what serves.",
)


@dataclass(frozen=True, slots=True)
class LoadError:
    """One fault.

    file: as the operator would type it; line: counts from 1; hint: a sentence, often the nearest right name.
    """

    plugin: str
    reason: str
    file: str = ""
    line: int | None = None
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line is not None else self.file
        text = f"{place or self.plugin}: {self.reason}"
        return f"{text.rstrip('.')}. {self.hint}" if self.hint else text


class LoadErrors(Exception):
    """Every fault that was found; `str()` has one line for each."""

    def __init__(self, errors: Iterable[LoadError]) -> None:
        self.errors = tuple(dict.fromkeys(errors))
        super().__init__(self.errors)

    def __str__(self) -> str:
        return "\n".join(map(str, self.errors))
