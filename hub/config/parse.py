"""One configuration file, read and parsed: its values and where its keys stand."""

import functools
import re
import tomllib
from pathlib import Path

from hub.config.errors import UNREADABLE, ConfigError, ConfigErrors
from hub.config.tree import MAX_DEPTH, Layer, Lines

MAX_BYTES = 1 << 20

_BOM = b"\xef\xbb\xbf"
_OTHER_BOMS = (b"\xff\xfe", b"\xfe\xff")
_NAME = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\[^\n])*+(?:"|\\?(?=\n|\Z))|'[^'\n]*+'?+)"""
_DOT = r"[ \t]*+\.[ \t]*+"
# Long strings, comments, and dotted names, too many of which take the parser quadratic time. Possessive, and
# what is not closed reaches to an end, so that no text is looked at twice.
_TOKEN = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*+(?:"{3,5}|\\?\Z)'
    r"|'''(?:[^']|'(?!''))*+(?:'{3,5}|\Z)"
    r"|#[^\n]*+"
    rf"|(?P<deep>{_NAME}(?:{_DOT}{_NAME}){{{MAX_DEPTH}}})"
    rf"|{_NAME}(?:{_DOT}{_NAME})*+",
    re.DOTALL,
)
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def parse_file(path: Path, name: str) -> Layer:
    """The layer of one file; `name` is how errors call it. Raises ConfigErrors."""
    text = _read(path, name)
    if path.suffix == ".toml":
        values, lines = _parse_toml(text, name)
    elif path.suffix in (".yaml", ".yml"):
        from hub.config.yaml import parse_yaml

        values, lines = parse_yaml(text, name)
    else:
        raise _fault(name, None, "cannot tell TOML from YAML by this name", "Call it .toml or .yaml.")
    return Layer("file", name, values, path.parent, path=path, lines=lines)


def _read(path: Path, name: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _fault(name, None, f"cannot be read: {error.strerror or error}") from None
    if len(data) > MAX_BYTES:
        raise _fault(name, None, f"is larger than {MAX_BYTES} bytes, so it is hardly a configuration")
    if data.startswith(_OTHER_BOMS):
        raise _fault(name, 1, "is UTF-16", "Save it as UTF-8.")
    data = data.removeprefix(_BOM)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        reason = f"byte 0x{data[error.start]:02x} at column {column} is not UTF-8"
        raise _fault(name, line, reason, "Save the file as UTF-8.") from None


def _parse_toml(text: str, name: str) -> tuple[dict[str, object], Lines]:
    deep = f"has tables nested more than {MAX_DEPTH} deep"
    for token in _TOKEN.finditer(text):
        if token["deep"]:
            raise _fault(name, text.count("\n", 0, token.start()) + 1, deep)
    try:
        values: dict[str, object] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _toml_fault(str(error), text, name) from None
    except RecursionError:
        raise _fault(name, None, "is nested too deeply") from None
    except ValueError as error:  # a date that no calendar has, an integer of thousands of digits
        raise _fault(name, None, f"has a value that cannot be read: {error}") from None
    if _depth(values) > MAX_DEPTH:
        raise _fault(name, None, deep)

    @functools.cache
    def lines() -> dict[tuple[str | int, ...], int]:
        from hub.config.toml_lines import locate

        return locate(text)

    return values, lines


def _toml_fault(message: str, text: str, name: str) -> ConfigErrors:
    place = _TOML_PLACE.search(message)
    reason = message[: place.start()] if place else message
    if place is None or place[1] is None:
        return _fault(name, text.count("\n") + 1, f"is not TOML: {_lower(reason)} at the end of the file")
    return _fault(name, int(place[1]), f"is not TOML: {_lower(reason)} at column {place[2]}")


def _depth(values: object) -> int:
    depth, level = 0, [values]
    while level:
        level = [
            child
            for value in level
            if isinstance(value, dict | list)
            for child in (value.values() if isinstance(value, dict) else value)
        ]
        depth += 1
    return depth - 1


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _fault(name: str, line: int | None, reason: str, hint: str = "") -> ConfigErrors:
    return ConfigErrors([ConfigError(name, line, "", reason, hint, UNREADABLE)])
