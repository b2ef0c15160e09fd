"""What is shown can be read back, what differs is found, and every key of the hub can be explained."""

import os
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from hub.config.effective import differences, effective, to_json, to_toml
from hub.config.explain import explain
from hub.config.key import Key, format_key
from hub.config.load import Config, load_defaults
from hub.config.model import HubSettings
from hub.config.secrets import Secret
from hub.config.tables.plugins import PluginOptions
from hub.config.toml_text import dump_value

Load = Callable[..., Config]


class Settings(BaseModel):
    """Refuses what is on its lists."""

    limit: int = Field(default=5, description="How many are too many.")
    password: Secret = Field(default=Secret(""), description="What the list is fetched with.")
    undescribed: list[str] = []
    url: str = Field(description="Where the list is.")


MODELS = {"deny-list": Settings}
CORES = len(os.sched_getaffinity(0))
TEXT = (
    '[hub]\nhostname = "mail.example.org"\nuser = "hub"\nplugins = ["storage-sql", "!clamav"]\n'
    '[smtp]\nmax_size = "25MB"\n[listeners."mx"]\nprotocol = "smtp"\nbind = ["[::1]:0", "127.0.0.1:0"]\n'
    '[plugins.deny-list]\nurl = "http://x/\\u007f\\"é"\npassword = "secret://env/PW"\n'
    '[plugins.deny-list.hub]\ntimeout = "2m"\n'
)

PLAIN = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False),
        st.text(st.characters(exclude_categories=["Cs"])),
        st.dates(),
        st.times().map(lambda moment: moment.replace(fold=0)),
        st.datetimes(timezones=st.just(UTC)),
    ),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


@given(PLAIN)
def test_a_value_written_as_toml_reads_back_the_same(value: object) -> None:
    assert tomllib.loads(f"value = {dump_value(value)}") == {"value": value}


def test_values_that_toml_does_not_know_are_written_as_their_text() -> None:
    moments = [date(2026, 1, 2), time(3, 4), datetime(2026, 1, 2, tzinfo=UTC)]
    assert dump_value(moments) == "[2026-01-02, 03:04:00, 2026-01-02T00:00:00+00:00]"
    assert dump_value((float("-inf"), float("nan"))) == "[-inf, nan]"
    assert dump_value(Secret("x")) == '"********"'
    assert to_json({"a": [moments[0], None, True, Secret("x")]}) == {
        "a": ["2026-01-02", None, True, "********"]
    }


def test_what_is_shown_is_a_file_that_says_the_same(load_text: Load) -> None:
    config = load_text(TEXT, PW="hunter2")
    shown = to_toml(config, effective(config, MODELS.get))
    again = load_text(shown, PW="hunter2")
    assert again.settings == config.settings
    assert again.options == config.options
    assert again.plugin_settings("deny-list", Settings) == config.plugin_settings("deny-list", Settings)


def test_every_shown_value_has_its_origin(load_text: Load) -> None:
    config = load_text(TEXT, PW="hunter2", HUB__SMTP__TIMEOUT="5")
    lines = to_toml(config, effective(config, MODELS.get)).splitlines()
    shown = [" ".join(line.split()) for line in lines]
    assert shown[:3] == ["[hub]", 'hostname = "mail.example.org" # hub.toml:2', shown[2]]
    assert "max_size = 25000000 # hub.toml:6" in shown
    assert "timeout = 5.0 # $HUB__SMTP__TIMEOUT" in shown
    assert "max_errors = 20 # default" in shown
    assert "# certificate is not set" in shown
    assert "limit = 5 # default" in shown
    assert 'password = "secret://env/PW" # hub.toml:12' in shown
    assert all(line == "" or line[0] in "#[" or " # " in line for line in shown)


def test_differences_are_found_even_between_secrets(load_text: Load) -> None:
    before = load_text(TEXT.replace("secret://env/PW", "hunter1"))
    old = effective(before, MODELS.get)
    after = load_text(TEXT.replace("secret://env/PW", "hunter2").replace("25MB", "26MB"))
    changes = differences(old, after, effective(after, MODELS.get))
    assert [(format_key(change.key), str(change.before), str(change.after)) for change in changes] == [
        ("plugins.deny-list.password", "********", "********"),
        ("smtp.max_size", "25000000", "26000000"),
    ]
    assert [str(change.origin) for change in changes] == ["hub.toml:12", "hub.toml:6"]
    assert differences(old, before, effective(before, MODELS.get)) == []


def test_a_plugin_without_a_table_is_shown_by_its_defaults(load_text: Load) -> None:
    class Simple(BaseModel):
        limit: int = 5

    config = load_text("")
    assert effective(config, {"simple": Simple}.get, ["simple", "unknown"])["plugins"] == {
        "simple": {"limit": 5}
    }


def _fields(model: type[BaseModel], key: Key = ()) -> Iterator[tuple[Key, str | None]]:
    for name, field in model.model_fields.items():
        yield (*key, name), field.description
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _fields(annotation, (*key, name))


FIELDS = [*_fields(HubSettings), *_fields(PluginOptions, ("plugins", "x", "hub"))]


@pytest.mark.parametrize(("key", "description"), FIELDS, ids=[format_key(key) for key, _ in FIELDS])
def test_every_key_is_described_and_explained(load_text: Load, key: Key, description: str | None) -> None:
    assert description is not None
    assert description.endswith(".")
    config = load_text()
    explained = explain(format_key(key), config, config)
    assert explained.meaning == description
    assert explained.value == explained.default
    assert explained.origin.source == "default"
    assert "Annotated" not in explained.type
    assert "typing" not in explained.type


@pytest.mark.parametrize(
    ("key", "type_", "default", "value", "origin"),
    [
        ("smtp.max_size", 'size: bytes, or text such as "25MB" or "64KiB"', 50_000_000, 25_000_000,
         "hub.toml:6"),
        ("hub.user", "text, or unset", None, "hub", "hub.toml:3"),
        ("hub.workers", "whole number", CORES, CORES, "default"),
        ("log.format", 'one of "console", "json"', "console", "console", "default"),
        ("listeners.mx.bind", "list of host:port", None, ["[::1]:0", "127.0.0.1:0"], "hub.toml:9"),
        ("listeners.mx.bind[1]", "element of a list", None, "127.0.0.1:0", "hub.toml:9"),
        ("listeners.other.tls", 'one of "none", "starttls", "implicit", or unset', None, None, "default"),
        ("plugins.deny-list.limit", "whole number", 5, 5, "default"),
        ("plugins.deny-list.undescribed", "list of text", [], [], "default"),
        ("plugins.deny-list.hub.timeout", 'duration: seconds, or text such as "90s" or "5m", or unset', None,
         120.0, "hub.toml:14"),
        ("include", "list of text", (), None, "default"),
    ],
)  # fmt: skip
def test_a_key_is_explained(
    load_text: Load, key: str, type_: str, default: object, value: object, origin: str
) -> None:
    config = load_text(TEXT, PW="hunter2")
    explained = explain(key, config, load_defaults({"HOME": "/home/x"}), MODELS.get)
    assert (explained.type, explained.default, explained.value) == (type_, default, value)
    assert str(explained.origin) == origin


def test_secrets_are_explained_masked(load_text: Load) -> None:
    config = load_text(TEXT, PW="hunter2")
    explained = explain("plugins.deny-list.password", config, load_defaults({"HOME": "/x"}), MODELS.get)
    assert str(explained.value) == "secret://env/PW"
    assert explained.type == "secret (a secret:// reference, or text)"
    assert "hunter2" not in repr(explained)


def test_tables_are_explained_by_their_keys(load_text: Load) -> None:
    config = load_text(TEXT, PW="hunter2")
    defaults = load_defaults({"HOME": "/x"})
    names = ("certificate", "key", "certificates", "minimum", "handshake_timeout", "max_handshakes")
    assert explain("tls", config, defaults).names == names
    assert explain("listeners.mx", config, defaults).names[:3] == ("protocol", "bind", "tls")
    plugin = explain("plugins.deny-list", config, defaults, MODELS.get)
    assert plugin.names == ("limit", "password", "undescribed", "url", "hub")
    assert plugin.meaning == "Refuses what is on its lists."
    assert explain("plugins.x.hub", config, defaults).names == ("on_failure", "timeout")
    assert explain("plugins", config, defaults).meaning.startswith("The settings of each plugin")
    assert explain("plugins.deny-list.url", config, defaults, MODELS.get).required


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("smtp.max_sizes", "there is no key 'smtp.max_sizes'. Did you mean 'smtp.max_size'?"),
        ("max-recipients", "there is no key 'max-recipients'. Did you mean 'smtp.max_recipients'?"),
        ("plugins.deny-list.limitt",
         "there is no key 'plugins.deny-list.limitt'. Did you mean 'plugins.deny-list.limit'?"),
        ("smtp.max_size.more", "there is no key 'smtp.max_size.more'. Did you mean 'smtp.max_size'?"),
        ("zzzzzzzzz", "there is no key 'zzzzzzzzz'."),
        ("plugins.deny-lst.x", "there is no plugin 'deny-lst'. Did you mean 'deny-list'?"),
        ("smtp..x", "'smtp..x' is not a key: a name is missing at character 6"),
        ("smtp x", "'smtp x' is not a key: a dot belongs at character 5"),
        ("", "'' is not a key: a name is missing at character 1"),
    ],
)  # fmt: skip
def test_a_key_that_is_not_there_is_answered_with_the_nearest(load_text: Load, key: str, error: str) -> None:
    config = load_text(TEXT, PW="hunter2")
    with pytest.raises(LookupError) as raised:
        explain(key, config, config, MODELS.__getitem__)
    assert raised.value.args == (error,)


def test_a_plugins_key_needs_its_model(load_text: Load) -> None:
    config = load_text()
    with pytest.raises(LookupError, match="known only where plugins are loaded"):
        explain("plugins.deny-list.limit", config, config)
