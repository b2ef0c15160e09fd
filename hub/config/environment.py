"""Overrides from the environment: `HUB__SMTP__MAX_SIZE=25MB` is `smtp.max_size = "25MB"`."""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from hub.config.errors import ConfigError, ConfigErrors
from hub.config.key import Key, fold
from hub.config.tree import MAX_DEPTH, Layer, Tree

PREFIX = "HUB__"

KnownNames = Callable[[Key], Iterable[str]]
"""The names that the table at a key may have, as far as they are known beforehand."""


def environment_layers(environ: Mapping[str, str], tree: Tree, known: KnownNames, cwd: Path) -> list[Layer]:
    """One layer for each `HUB__…` variable, in the order of their names.

    A part of the name means the key in `tree`, or else the known one, that differs from it only in case and
    in `-` for `_`; one that matches nothing is taken in lower case, for the validation to judge. Raises
    ConfigErrors.
    """
    layers: list[Layer] = []
    errors: list[ConfigError] = []
    for variable in sorted(environ):
        if not variable.upper().startswith(PREFIX):
            continue
        parts = variable[len(PREFIX) :].split("__")
        if fault := _refusal(parts, environ[variable]):
            name = variable.encode(errors="replace").decode()
            errors.append(ConfigError(f"${name}", None, "", fault, "An example: HUB__SMTP__MAX_SIZE=25MB"))
        else:
            values = _nest(_key(parts, tree, known), parse_value(environ[variable]))
            layers.append(Layer("environment", f"${variable}", values, cwd, variable=variable))
    if errors:
        raise ConfigErrors(errors)
    return layers


def parse_value(text: str) -> object:
    """A variable's text as the TOML value that it is, or else as itself."""
    try:
        alone = tomllib.loads(f"value = {text}")
        # Inside brackets a comment swallows the closing one: `5 # five` is a text, not a number.
        listed = tomllib.loads(f"value = [{text}]")
    except (ValueError, RecursionError):
        return text
    return alone["value"] if listed == {"value": [alone.get("value")]} and len(alone) == 1 else text


def _refusal(parts: list[str], text: str) -> str | None:
    if not all(parts) or len(parts) > MAX_DEPTH:
        return "is not an override: two underscores separate names, and none may be empty"
    if fold(parts[0]) == "include":
        return "is not an override: files are included by files only"
    # The bytes of a variable that are not UTF-8 arrive as lone surrogates (PEP 383).
    if any("\ud800" <= character <= "\udfff" for character in "".join((*parts, text))):
        return "is not UTF-8"
    return None


def _key(parts: list[str], tree: Tree, known: KnownNames) -> tuple[str, ...]:
    key: tuple[str, ...] = ()
    for part in parts:
        table = tree.get(key)
        names = [*(table if isinstance(table, dict) else ()), *known(key)]
        same = [name for name in names if fold(name) == fold(part)]
        # The names of plugins are the only ones that always have hyphens.
        guess = fold(part).replace("_", "-") if key == ("plugins",) else part.lower()
        key = (*key, same[0] if same else guess)
    return key


def _nest(key: tuple[str, ...], value: object) -> dict[str, object]:
    for name in reversed(key[1:]):
        value = {name: value}
    return {key[0]: value}
