"""What reads configurations gives values or its own error, in time in proportion to the text."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hub.config.environment import parse_value
from hub.config.errors import ConfigError, ConfigErrors
from hub.config.key import format_key, nearest, parse_key
from hub.config.load import load
from hub.config.parse import parse_file
from hub.config.units import parse_address, parse_duration, parse_size
from tests.property.growth import assert_linear, few, many, repeated

WORDS = (
    "hub", "smtp", "plugins", "listeners", "max_size", "hostname", "include", "bind", "tls", "timeout",
    "data_dir",
    "=", ".", "[", "]", "[[", "]]", "{", "}", ",", "\n", "\n", "\r\n", " ", "  ", "\t", "#", '"', "'",
    '"""', "'''",
    "\\", "\\u0041", "1", "0", "-", "+", "e5", "inf", "nan", "0x", "true", "no", "null", "~", "2026-01-01",
    "12:00",
    ":", "- ", "? ", "|", ">", "&a", "*a", "!", "!!python/object", "%", "---", "...", "é", "\ufeff", "\0",
    "\u2028",
    "25MB", "5m", "127.0.0.1:25", "[::1]:25", "secret://env/HOME", "secret://file/x", "secret://",
    "conf.d/*.toml",
)  # fmt: skip
TEXT = st.lists(st.sampled_from(WORDS) | st.text(max_size=2), max_size=25).map("".join)
PIECE = st.lists(st.sampled_from(WORDS), max_size=4).map("".join)
ASSIGNED = st.tuples(
    st.sampled_from(
        ("smtp.max_size", "hub.hostname", "hub.plugins", "smtp.timeout", "listeners.a.bind", "tls.key", "x.y")
    ),
    TEXT,
).map(" = ".join)


@pytest.mark.parametrize("suffix", ["toml", "yaml"])
def test_any_file_is_loaded_or_refused_with_its_faults(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"hub.{suffix}"

    @many
    @given(st.one_of(TEXT.map(str.encode), st.binary(max_size=30), ASSIGNED.map(str.encode)))
    @example(b"\xff\xfe")
    @example(b"a = " + b"9" * 5000)
    @example(b"a: " + b"[" * 1000)
    def check(octets: bytes) -> None:
        path.write_bytes(octets)
        faults: tuple[ConfigError, ...] = ()
        try:
            load(path, environ={"HOME": str(tmp_path)}, cwd=tmp_path)
        except ConfigErrors as refused:
            faults = refused.errors
        assert not any("\n" in str(fault) or "\x1b" in str(fault) for fault in faults)

    check()


def test_any_variable_is_an_override_or_refused(tmp_path: Path) -> None:
    @many
    @given(st.lists(st.sampled_from(("HUB", "SMTP", "MAX_SIZE", "_", "__", "x", "é"))).map("".join), TEXT)
    def check(name: str, value: str) -> None:
        with suppress(ConfigErrors):
            load(None, environ={"HOME": str(tmp_path), f"HUB__{name}": value}, cwd=tmp_path)

    check()


def key(text: str) -> None:
    with suppress(ValueError):
        assert parse_key(format_key(parse_key(text))) == parse_key(text)


def units(text: str) -> None:
    for parse in (parse_size, parse_duration, parse_address):
        with suppress(ValueError):
            parse(text)


def near(text: str) -> None:
    assert nearest(text, ("max_size", "hostname")) in (None, "max_size", "hostname")


READERS: tuple[Callable[[str], object], ...] = (key, units, near, parse_value)


@pytest.mark.parametrize("reader", READERS)
def test_any_text_is_read_or_refused(reader: Callable[[str], object]) -> None:
    @many
    @given(TEXT)
    def check(text: str) -> None:
        reader(text)

    check()


@pytest.mark.parametrize("reader", READERS)
def test_four_times_the_text_takes_four_times_the_work(reader: Callable[[str], object]) -> None:
    @few
    @given(repeated(PIECE))
    def check(make: Callable[[int], str]) -> None:
        assert_linear(reader, make)

    check()


def read(path: Path) -> Callable[[str], None]:
    """Parses a text as a file and looks a line up, which is what an error does."""

    def parse(text: str) -> None:
        path.write_text(text, newline="")
        with suppress(ConfigErrors):
            parse_file(path, path.name).lines()

    return parse


@pytest.mark.parametrize("suffix", ["toml", "yaml"])
def test_four_times_the_file_takes_four_times_the_work(tmp_path: Path, suffix: str) -> None:
    @settings(few, max_examples=10)  # PyYAML reads a character at a time
    @given(repeated(PIECE))
    def check(make: Callable[[int], str]) -> None:
        assert_linear(read(tmp_path / f"hub.{suffix}"), make)

    check()


TRAPS: tuple[Callable[[int], str], ...] = (
    lambda size: "a." * (size // 2) + "b = 1",
    lambda size: "[" + "a." * (size // 2) + "b]",
    lambda size: "x = {" + "a." * (size // 2) + "b = 1}",
    lambda size: "x = " + "[" * (size // 2) + "]" * (size // 2),
    lambda size: "x = " + "{a=" * (size // 4) + "}" * (size // 4),
    lambda size: "x = [" + "1," * (size // 2) + "]",
    lambda size: "x = [" + "{a=1}," * (size // 6) + "]",
    lambda size: "[[a]]\n" * (size // 6),
    lambda size: "".join(f"[a{number}]\nb = 1\n" for number in range(size // 12)),
    lambda size: "".join(f"a.b{number} = 1\n" for number in range(size // 12)),
    lambda size: "x = " + "9" * size,
    lambda size: "x = 1." + "9" * size,
    lambda size: 'x = "' + "\\u0041" * (size // 6) + '"',
    lambda size: 'x = """' + '""\\\n' * (size // 4) + '"""',
    lambda size: "x = '''" + "''a" * (size // 3) + "'''",
    lambda size: 'x = "' + "a." * (size // 2) + '"',
    lambda size: "#" * size,
    lambda size: "\n" * size,
    lambda size: "x: " + "9" * size,
    lambda size: "x: 1." + "9" * size,
    lambda size: "x: " + "[" * size,
    lambda size: "x: [" + "a," * (size // 2) + "]",
    lambda size: "? " * (size // 2),
    lambda size: "- " * (size // 2),
    lambda size: "x:\n" + "- a\n" * (size // 4),
    lambda size: 'x: "' + "\\x41" * (size // 4) + '"',
    lambda size: "x: |\n" + " a\n" * (size // 3),
    lambda size: "x: a" + "\n\n  b" * (size // 5),
    lambda size: "".join(f"k{number}: 1\n" for number in range(size // 8)),
    lambda size: "%TAG ! a\n" * (size // 9),
)


@pytest.mark.parametrize("suffix", ["toml", "yaml"])
@pytest.mark.parametrize("trap", TRAPS)
def test_traps_for_parsers_take_linear_time(trap: Callable[[int], str], suffix: str, tmp_path: Path) -> None:
    assert_linear(read(tmp_path / f"hub.{suffix}"), trap)
