"""Configurations written into a folder of their own, with an environment of their own."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from hub.config.errors import ConfigErrors
from hub.config.load import Config, load

Write = Callable[[str, str], Path]
Load = Callable[..., Config]
Faults = Callable[..., list[str]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file below the test's folder."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


@pytest.fixture
def load_text(tmp_path: Path, write: Write) -> Load:
    """Load a text as ./hub.toml, or under another name; keywords are the environment."""

    def load_text(text: str | None = None, name: str = "hub.toml", **environ: str) -> Config:
        if text is not None:
            write(name, text)
        return load(environ=_environ(tmp_path, environ), cwd=tmp_path)

    return load_text


@pytest.fixture
def faults(load_text: Load) -> Faults:
    """The lines of the error that loading a text ends in."""

    def faults(text: str | None = None, name: str = "hub.toml", **environ: str) -> list[str]:
        with pytest.raises(ConfigErrors) as raised:
            load_text(text, name, **environ)
        return str(raised.value).splitlines()

    return faults


def _environ(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    return {"HOME": str(folder / "home"), **environ}
