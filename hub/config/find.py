"""Which configuration file is meant: the flag's, the environment's, or the first in the usual places."""

import os
from collections.abc import Mapping
from pathlib import Path

from hub.config.errors import ConfigError, ConfigErrors

FILE_NAMES = ("hub.toml", "hub.yaml", "hub.yml")


def find(path: Path | None, environ: Mapping[str, str], cwd: Path) -> Path | None:
    """The file to load, absolute, or None where there is none and the embedded defaults hold.

    A file that was named, by `path` or `$HUB_CONFIG`, is returned whether it exists or not, so that reading
    it can say what is wrong. Raises ConfigErrors where two files beside each other could both be meant.
    """
    if path is not None:
        return cwd / path.expanduser()
    if named := environ.get("HUB_CONFIG"):
        return cwd / Path(named).expanduser()
    for folder in search_path(environ, cwd):
        found = [folder / name for name in FILE_NAMES if os.path.lexists(folder / name)]
        if len(found) > 1:
            raise ConfigErrors([_ambiguous(found)])
        if found:
            return found[0]
    return None


def search_path(environ: Mapping[str, str], cwd: Path) -> tuple[Path, ...]:
    """The folders in which a configuration is looked for, in order."""
    return (cwd, xdg_folder(environ, "XDG_CONFIG_HOME", ".config") / "hub", Path("/etc/hub"))


def xdg_folder(environ: Mapping[str, str], variable: str, below_home: str) -> Path:
    """A base folder of the XDG specification: its variable if absolute, else its place below the home."""
    named = Path(environ.get(variable, ""))
    if named.is_absolute():
        return named
    return Path(environ.get("HOME") or os.path.expanduser("~")) / below_home


def display(path: Path, cwd: Path) -> str:
    """A path as the operator would type it: relative to where they stand, if it is below."""
    return str(path.relative_to(cwd)) if path.is_relative_to(cwd) else str(path)


def _ambiguous(found: list[Path]) -> ConfigError:
    names = " and ".join(path.name for path in found)
    return ConfigError(
        str(found[0].parent), None, "", f"{names} stand beside each other", "Keep one of them."
    )
