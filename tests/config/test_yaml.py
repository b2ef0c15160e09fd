"""YAML: the core schema and nothing that guesses, with the same lines and errors as TOML."""

import math
from collections.abc import Callable

import pytest

from hub.config.errors import ConfigErrors
from hub.config.load import Config
from hub.config.yaml import parse_yaml

TEXTS = [
    "no", "yes", "on", "off", "y", "N", "True1", "0755", "-012", "00.5", "1_000", "12:30:45", "2026-01-02",
    "2026-01-02T03:04:05Z", "0b11", "0x", "1e", "=", "<<", "nullx", "1.2.3.4", "10.0.0.0/8", "e3",
]  # fmt: skip
VALUES = [
    ("true", True), ("FALSE", False), ("null", None), ("~", None), ("", None), ("0", 0),
    ("-7", -7), ("+7", 7),
    ("0o17", 15), ("0xfF", 255), ("1.5", 1.5), (".5", 0.5), ("1.", 1.0), ("1e3", 1000.0), ("-1.5E-2", -0.015),
    (".inf", math.inf), ("-.INF", -math.inf), ("'true'", "true"), ('"12"', "12"), ('"\\u00e9"', "é"),
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_what_only_looks_like_a_value_stays_text(text: str) -> None:
    assert parse_yaml(f"x: {text}\n", "hub.yaml")[0] == {"x": text}


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_what_the_core_schema_knows_is_a_value(text: str, value: object) -> None:
    read = parse_yaml(f"x: {text}\n", "hub.yaml")[0]["x"]
    assert read == value
    assert type(read) is type(value)


def test_nan_is_a_number() -> None:
    assert math.isnan(parse_yaml("x: .nan", "hub.yaml")[0]["x"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a:\n  x: &here 1\n", "hub.yaml:2: a: has an anchor (&here). Write the value out where it is used."),
        ("a: 1\nb: *here\n", "hub.yaml:2: has an alias (*here). Write the value out."),
        ("a: !!python/object:os.system x\n",
         "hub.yaml:1: has a tag (tag:yaml.org,2002:python/object:os.system). Write the value without it."),
        ("a: !!str 1\n", "hub.yaml:1: has a tag (tag:yaml.org,2002:str). Write the value without it."),
        ("a: 1\nb:\n  c: 1\n  d: 1\n  c: 2\n", "hub.yaml:5: b: 'c' is there twice, first on line 3"),
        ("a: 1\n---\nb: 1\n", "hub.yaml:2: has a second document. A configuration is one document."),
        ("- a\n", "hub.yaml:1: should be a mapping of tables at the top"),
        ("text", "hub.yaml:1: should be a mapping of tables at the top"),
        ("a: 1\n? [x]\n: 1\n", "hub.yaml:2: has a mapping key that is not a plain name"),
        ("a:\n\tb: 1\n", "hub.yaml:2: is not YAML: found character '\\t' that cannot start any token"
         " while scanning for the next token"),
        ("a: [1\nb: 2\n", "hub.yaml:2: a: is not YAML: expected ',' or ']', but got ':'"
         " while parsing a flow sequence"),
        ("a: 1\nb: \x07\n", "hub.yaml:2: is not YAML: character 0x7 is not allowed"),
        ('a: "\\ud800"\n', "hub.yaml:1: has half a surrogate pair. Write the character itself."),
        ("a: " + "[" * 5000, "hub.yaml:1: a" + "[0]" * 22 + ": has tables nested more than 24 deep"),
    ],
    ids=range(14),
)  # fmt: skip
def test_what_could_mean_something_else_is_refused(text: str, error: str) -> None:
    with pytest.raises(ConfigErrors) as raised:
        parse_yaml(text, "hub.yaml")
    assert str(raised.value) == error


def test_keys_are_text_and_have_lines() -> None:
    values, lines = parse_yaml("no: 1\n8080:\n  - a\n  - {b: 2,\n     c: 3}\n", "hub.yaml")
    assert values == {"no": 1, "8080": ["a", {"b": 2, "c": 3}]}
    assert lines() == {
        ("no",): 1, ("8080",): 2, ("8080", 0): 3, ("8080", 1): 4, ("8080", 1, "b"): 4, ("8080", 1, "c"): 5,
    }  # fmt: skip


def test_an_empty_document_is_an_empty_configuration() -> None:
    assert parse_yaml("# nothing\n", "hub.yaml")[0] == {}


def test_yaml_and_toml_say_the_same(load_text: Callable[..., Config]) -> None:
    listeners = 'listeners:\n  mx: {protocol: smtp, bind: ["127.0.0.1:25"]}\n'
    text = f"hub:\n  hostname: no\n{listeners}smtp:\nlog:\n  level:\n"
    config = load_text(text, "hub.yaml")
    assert config.settings.hub.hostname == "no"
    assert config.settings.listeners["mx"].bind == ("127.0.0.1:25",)
    assert config.settings.smtp.max_recipients == 1000
    assert config.settings.log.level == "info"
    assert config.origin("log.level").source == "default"
    assert str(config.origin("listeners.mx.bind[0]")) == "hub.yaml:4"


def test_errors_in_yaml_have_lines(faults: Callable[..., list[str]]) -> None:
    assert faults("smtp:\n  max_sizes: 1\nsmpt:\n", "hub.yml") == [
        "hub.yml:2: smtp.max_sizes: unknown key. Did you mean 'max_size'?",
        "hub.yml:3: smpt: unknown key. Did you mean 'smtp'?",
    ]
