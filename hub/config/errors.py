"""What is wrong with a configuration, and where: a `ConfigError` per fault, raised together."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConfigError:
    """One fault.

    `file` is the file's name as the operator would type it, `$NAME` for an environment variable, or empty
    when the fault stands nowhere; `line` counts from 1; `key` is written as `format_key` does; `hint` is a
    sentence, often the nearest right name.
    """

    file: str
    line: int | None
    key: str
    reason: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line is not None else self.file
        return (
            ": ".join(filter(None, (place, self.key, self.reason)))
            + "." * bool(self.hint)
            + f" {self.hint}".rstrip()
        )


class ConfigErrors(Exception):
    """Every fault found in a configuration, by file and line; `str()` has one line for each."""

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        ordered = sorted(dict.fromkeys(errors), key=lambda error: (error.file, error.line or 0))
        self.errors = tuple(ordered)
        super().__init__(self.errors)

    def __str__(self) -> str:
        return "\n".join(map(str, self.errors))
