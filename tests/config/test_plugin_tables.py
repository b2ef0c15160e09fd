"""A plugin's table becomes its own model, or errors that say what is wrong where."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from hub.config.effective import check_plugins
from hub.config.errors import ConfigErrors
from hub.config.load import Config
from hub.config.tables.types import Duration, Size
from hub.config.validate import Where, validate_table

Load = Callable[..., Config]


class Rule(BaseModel):
    match: str
    action: Literal["reject", "defer"] = "reject"


class Settings(BaseModel):
    limit: int = 5
    window: Duration = 60.0
    largest: Size = 1
    lists: list[Path] = []
    rules: list[Rule] = []
    by_name: dict[str, Rule] = {}
    either: int | Rule | None = None
    peer: str = Field(default="", alias="peer-name")


def _errors(config: Config, model: type[BaseModel] = Settings) -> list[str]:
    with pytest.raises(ConfigErrors) as raised:
        config.plugin_settings("x", model)
    return str(raised.value).splitlines()


def test_a_table_fills_the_model(load_text: Load, tmp_path: Path) -> None:
    config = load_text(
        "[plugins.x]\nwindow = '5m'\nlargest = '1MiB'\nlists = ['a.txt', '/b.txt']\npeer-name = 'p'\n"
        "[[plugins.x.rules]]\nmatch = 'm'\n[plugins.x.hub]\ntimeout = '2s'\non_failure = 'tempfail'\n"
    )
    settings = config.plugin_settings("x", Settings)
    assert (settings.limit, settings.window, settings.largest, settings.peer) == (5, 300.0, 1 << 20, "p")
    assert settings.lists == [tmp_path / "a.txt", Path("/b.txt")]
    assert settings.rules == [Rule(match="m")]
    assert config.plugin_options("x").timeout == 2.0
    assert config.plugin_options("x").on_failure == "tempfail"
    assert config.plugin_settings("y", Settings) == Settings()


def test_faults_deep_in_a_table_have_their_own_lines(load_text: Load) -> None:
    config = load_text(
        "[plugins.x]\nlimits = 1\n[[plugins.x.rules]]\nmatch = 'm'\n[[plugins.x.rules]]\naction = 'rejct'\n"
        "[plugins.x.by_name.a]\nmatch = 1\nmatches = 2\n"
    )
    assert _errors(config) == [
        "hub.toml:2: plugins.x.limits: unknown key. Did you mean 'limit'?",
        "hub.toml:5: plugins.x.rules[1].match: is required",
        "hub.toml:6: plugins.x.rules[1].action: should be 'reject' or 'defer'. Did you mean 'reject'?",
        "hub.toml:8: plugins.x.by_name.a.match: should be a valid string",
        "hub.toml:9: plugins.x.by_name.a.matches: unknown key. Did you mean 'match'?",
    ]


def test_a_key_that_may_be_several_things_is_named_without_pydantics_additions(load_text: Load) -> None:
    config = load_text("[plugins.x]\neither = 'x'\n")
    assert {line.split(": ")[1] for line in _errors(config)} == {"plugins.x.either"}


def test_the_hubs_own_table_is_among_the_suggestions(load_text: Load) -> None:
    assert _errors(load_text("[plugins.x.hubb]\na = 1\n")) == [
        "hub.toml:1: plugins.x.hubb: unknown key. Did you mean 'hub'?"
    ]


def test_a_model_may_take_what_it_does_not_know(load_text: Load) -> None:
    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")

    settings = load_text("[plugins.x]\nanything = 1\n").plugin_settings("x", Open)
    assert settings.model_extra == {"anything": 1}


def test_a_fault_of_the_whole_table_stands_at_its_header(load_text: Load) -> None:
    class Needs(BaseModel):
        url: str

    assert _errors(load_text("\n[plugins.x]\n"), Needs) == ["hub.toml:2: plugins.x.url: is required"]
    assert _errors(load_text("\n"), Needs) == ["plugins.x.url: is required"]


def test_a_table_from_nowhere_is_validated_the_same() -> None:
    with pytest.raises(ConfigErrors, match=r"^plugins\.x\.limits: unknown key\. Did you mean 'limit'\?$"):
        validate_table(Settings, {"limits": 1}, Where.nowhere("plugins", "x"))


def test_every_table_is_checked_against_its_plugin(load_text: Load) -> None:
    class Needs(BaseModel):
        url: str

    def models(name: str) -> type[BaseModel] | None:
        return {"needs": Needs, "plain": None, "given": Settings, "sql": None, "watched": Needs}[name]

    config = load_text(
        "services = {storage = 'sql', blobs = 'sql', directory = 'sq'}\n"
        "[hub]\nplugins = [\n'needs',\n'plain',\n'lost', '!off']\n"
        "[plugins.givn]\n[plugins.plain]\nx = 1\n[plugins.given]\nlimit = 'x'\n"
    )
    assert [str(error) for error in check_plugins(config, models, ["watched"])] == [
        "hub.toml:1: services.directory: there is no plugin 'sq'. Did you mean 'sql'?",
        "plugins.needs.url: is required",
        "hub.toml:9: plugins.plain.x: unknown key. It can be: hub.",
        "hub.toml:6: hub.plugins[2]: there is no plugin 'lost'. "
        "It can be: given, givn, needs, plain, sq, sql, watched.",
        "hub.toml:7: plugins.givn: there is no plugin 'givn'. Did you mean 'given'?",
        "hub.toml:11: plugins.given.limit: should be a valid integer, unable to parse string as an integer",
        "plugins.watched.url: is required",
    ]
