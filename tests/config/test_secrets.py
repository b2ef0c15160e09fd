"""Secrets are looked up when the configuration is loaded, and shown to nobody."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr, field_validator, model_validator

from hub.config.effective import effective, to_json, to_toml
from hub.config.errors import ConfigErrors
from hub.config.load import Config, load
from hub.config.secrets import Secret
from hub.config.validate import Where, validate_table

Load = Callable[..., Config]
Faults = Callable[..., list[str]]


class Settings(BaseModel):
    password: Secret
    token: str = ""
    tokens: list[Secret] = []


TABLE = '[plugins.x]\npassword = "secret://env/PASSWORD"\n'


def test_a_reference_becomes_the_secret_that_it_names(load_text: Load) -> None:
    config = load_text(
        TABLE + 'token = "secret://env/TOKEN"\ntokens = ["plain"]\n', PASSWORD="hunter2", TOKEN="tok"
    )
    settings = config.plugin_settings("x", Settings)
    assert settings.password.reveal() == "hunter2"
    assert settings.token == "tok"
    assert [token.reveal() for token in settings.tokens] == ["plain"]
    assert config.plugin_table("x")["password"] == Secret("hunter2")


def test_a_reference_may_come_from_the_environment(load_text: Load) -> None:
    config = load_text(HUB__PLUGINS__X__PASSWORD="secret://env/PASSWORD", PASSWORD="hunter2")
    assert config.plugin_settings("x", Settings).password.reveal() == "hunter2"


@pytest.mark.parametrize("relative", [False, True])
def test_a_file_is_read_without_its_last_line_break(load_text: Load, tmp_path: Path, relative: bool) -> None:
    (tmp_path / "pw").write_bytes(b"hunter2 \r\n")
    path = "/./pw" if relative else f"{tmp_path}/pw"
    config = load_text(f'[plugins.x]\npassword = "secret://file{path}"\n')
    assert config.plugin_settings("x", Settings).password.reveal() == "hunter2 "


def _writable(path: Path) -> None:
    path.write_text("hunter2")
    path.chmod(0o620)


PROBLEMS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "cannot be read: No such file or directory"),
    "folder": (lambda path: path.mkdir(), "cannot be read: Is a directory"),
    "pipe": (os.mkfifo, "cannot be read: it is not a regular file"),
    "writable": (_writable, "cannot be read: others than its owner can write it; chmod go-w {path}"),
    "empty": (lambda path: path.write_text("\n"), "is empty"),
    "large": (lambda path: path.write_bytes(b"x" * 65537), "cannot be read: it is larger than 65536 bytes"),
    "binary": (lambda path: path.write_bytes(b"hunter2\xff"), "cannot be read: it is not UTF-8"),
}


@pytest.mark.parametrize(("prepare", "reason"), PROBLEMS.values(), ids=PROBLEMS)
def test_a_file_that_is_no_good_secret_is_refused(
    faults: Faults, tmp_path: Path, prepare: Callable[[Path], object], reason: str
) -> None:
    path = tmp_path / "pw"
    prepare(path)
    lines = faults(f'[plugins.x]\npassword = "secret://file{path}"\n')
    assert lines == [f"hub.toml:2: plugins.x.password: secret://file{path} {reason.format(path=path)}"]


def test_an_empty_variable_is_no_secret(faults: Faults) -> None:
    assert faults(TABLE, PASSWORD="") == ["hub.toml:2: plugins.x.password: secret://env/PASSWORD is empty"]


def test_other_schemes_come_from_the_caller(tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_text('[plugins.x]\npassword = "secret://vault/kv/mail"\n')
    asked: list[tuple[str, Path]] = []

    def vault(path: str, folder: Path) -> str:
        asked.append((path, folder))
        return "hunter2"

    config = load(environ={"HOME": str(tmp_path)}, cwd=tmp_path, secrets={"vault": vault})
    assert config.plugin_settings("x", Settings).password.reveal() == "hunter2"
    assert asked == [("kv/mail", tmp_path)]


def test_a_secret_does_not_show_itself() -> None:
    plain, named = Secret("hunter2"), Secret("hunter2", "secret://env/PASSWORD")
    settings = Settings(password=named, tokens=[plain])
    for text in (
        repr(plain), str(plain), f"{plain}", f"{plain!s:>20}", repr(named), str(named),
        repr(settings), settings.model_dump_json(), repr(settings.model_dump()),
        json.dumps(settings.model_dump(mode="json")),
    ):  # fmt: skip
        assert "hunter2" not in text
    assert plain == named
    assert hash(plain) == hash(named)
    assert plain != Secret("hunter3")
    assert plain != "hunter2"
    assert bool(plain)
    assert not Secret("")
    assert Settings.model_json_schema()["properties"]["password"]["type"] == "string"


def test_a_configuration_shows_no_secret(load_text: Load) -> None:
    text = (
        '[plugins.x]\npassword = "hunter2"\ntoken = "secret://env/TOKEN"\ntokens = ["hunter3"]\n'
        '[plugins.unknown]\npassword = "hunter4"\n[plugins.wrong]\npassword = ["hunter5"]\n'
    )
    config = load_text(text, TOKEN="hunter6")
    models = {"x": Settings, "wrong": Settings}
    values = effective(config, models.get)
    shown = repr(config) + to_toml(config, values) + json.dumps(to_json(values)) + repr(values)
    assert "hunter" not in shown
    assert 'token = "secret://env/TOKEN"' in shown
    assert 'password = "********"' in shown


class Derived(BaseModel):
    dsn: str = ""
    password: str

    @model_validator(mode="after")
    def _join(self) -> "Derived":
        self.dsn = f"db://user:{self.password}@host"
        return self


def test_what_is_made_of_a_secret_is_not_shown_either(load_text: Load) -> None:
    config = load_text(TABLE, PASSWORD="hunter2")
    assert config.plugin_settings("x", Derived).dsn == "db://user:hunter2@host"
    assert "hunter2" not in to_toml(config, effective(config, {"x": Derived}.get))


class Talkative(BaseModel):
    password: Secret
    pin: str

    @field_validator("password")
    @classmethod
    def _refuse(cls, password: Secret) -> Secret:
        raise ValueError(f"{password.reveal()} is too weak")

    @field_validator("pin")
    @classmethod
    def _refuse_pin(cls, pin: str) -> str:
        raise ValueError(f"{pin} is too short")


def test_an_error_does_not_repeat_a_secret(load_text: Load) -> None:
    config = load_text('[plugins.x]\npassword = "hunter2"\npin = "secret://env/PIN"\n', PIN="4711")
    with pytest.raises(ConfigErrors) as raised:
        config.plugin_settings("x", Talkative)
    assert str(raised.value).splitlines() == [
        "hub.toml:2: plugins.x.password: ******** is too weak",
        "hub.toml:3: plugins.x.pin: ******** is too short",
    ]
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


def test_a_secret_fits_what_pydantic_makes_of_text() -> None:
    class Pydantic(BaseModel):
        password: SecretStr
        port: int

    table = {"password": Secret("hunter2"), "port": Secret("25")}
    settings = validate_table(Pydantic, table, Where.nowhere("plugins", "x"))
    assert settings.password.get_secret_value() == "hunter2"
    assert settings.port == 25
