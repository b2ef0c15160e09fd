"""What is wrong with a configuration, and where: a `ConfigError` per fault, raised together."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from hub.errors.known import Category, KnownError

WRONG_VALUE: Final = "config-wrong-value"
UNKNOWN_KEY: Final = "config-unknown-key"
UNREADABLE: Final = "config-unreadable"
SECRET: Final = "config-secret"

KNOWN_ERRORS: Final = tuple(
    KnownError(code, Category.PERMANENT, "", "", "", advice)
    for code, advice in (
        (WRONG_VALUE, "`hub config explain KEY` says what the value may be, and where it was written."),
        (UNKNOWN_KEY, "The error names the nearest right key; a plugin's own keys stand in [plugins.NAME]."),
        (UNREADABLE, "The file is missing, closed to the hub's user, or neither TOML nor YAML at that line."),
        (
            SECRET,
            "The file or variable that the reference names must be there and readable by the hub's user.",
        ),
    )
)
"""What may be wrong with a configuration. A hub does not start with an error, and does not reload."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class ConfigError:
    """One fault.

    `file` is the file's name as the operator would type it, `$NAME` for an environment variable, or empty
    when the fault stands nowhere; `line` counts from 1; `key` is written as `format_key` does; `hint` is a
    sentence, often the nearest right name. `code` is that of the catalogue (`hub errors`).
    """

    file: str
    line: int | None
    key: str
    reason: str
    hint: str = ""
    code: str = WRONG_VALUE

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
