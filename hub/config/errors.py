"""What is wrong with a configuration, and where: a `ConfigError` per fault, raised together."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


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
        text = ": ".join(filter(None, (place, self.key, self.reason)))
        text = f"{text}. {self.hint}" if self.hint else text
        # What a file says may be repeated here, and must neither break the line nor steer a terminal.
        return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


class ConfigErrors(Exception):
    """Every fault found in a configuration, by file and line; `str()` has one line for each."""

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        ordered = sorted(dict.fromkeys(errors), key=lambda error: (error.file, error.line or 0))
        self.errors = tuple(ordered)
        super().__init__(self.errors)

    def __str__(self) -> str:
        return "\n".join(map(str, self.errors))
