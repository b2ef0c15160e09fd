"""What is wrong with a plugin, for its author."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from hub.loading.errors import LoadError

Area: TypeAlias = Literal["names", "code", "settings", "docs", "leaks", "types"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to mend. hint: what to do; is_warning: it works, but could be better."""

    area: Area
    file: str
    line: int | None
    reason: str
    hint: str = ""
    is_warning: bool = False

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        text = f"{place}: {self.reason.rstrip('.')}."
        return f"{text} {self.hint}" if self.hint else text

    def as_json(self) -> dict[str, object]:
        """Its fields."""
        return asdict(self)


def loading(error: LoadError, *, is_warning: bool = False) -> Fault:
    """Why the hub does not load it."""
    return Fault("code", error.file or error.plugin, error.line, error.reason, error.hint, is_warning)
