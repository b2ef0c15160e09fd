"""Sizes, durations, addresses and keys are read as operators write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.config.key import Key, format_key, nearest, parse_key
from hub.config.units import parse_address, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (0, 0), (7, 7), ("7", 7), ("7b", 7), ("25MB", 25_000_000), ("25 mb", 25_000_000), ("25M", 25_000_000),
        ("1kB", 1000), ("1KiB", 1024), ("1Ki", 1024), ("1.5GiB", 3 << 29), ("2T", 2 * 10**12),
        (" 1 MiB ", 1 << 20),
    ],
)  # fmt: skip
def test_sizes(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "MB", "-1", -1, "1.5", "1.5b", "1iB", "1PB", "1e3", "٣MB", True, 1.0, None, [],
             "9" * 30, 1 << 61, "9" * 19 + "T"]
)  # fmt: skip
def test_what_is_no_size(text: object) -> None:
    with pytest.raises(ValueError, match="should be a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(0, 0), (1.5, 1.5), ("90", 90), ("90s", 90), ("5m", 300), ("5 min", 300), ("1.5h", 5400), ("2D", 172800),
     ("1w", 604800), ("250ms", 0.25)],
)  # fmt: skip
def test_durations(text: object, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "s", "-1", -1, "1 year", True, None, float("nan"), float("inf"), 1e300, "9" * 30]
)
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="should be a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:25", ("127.0.0.1", 25)), ("[::]:0", ("::", 0)), ("[0:0::1]:65535", ("::1", 65535)),
        ("localhost:25", ("localhost", 25)), ("mail.example.org:25", ("mail.example.org", 25)),
    ],
)  # fmt: skip
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text", ["", ":25", "25", "host", "host:", "host:-1", "host:٢", "host:65536", "[::1]", "::1:25",
             "[1.2.3.4]:25",             "1.2.3:25", "*:25", "a b:25", "-a:25", "[::1:25"],
)  # fmt: skip
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"should|has no valid"):
        parse_address(text)


NAMES = st.text(st.characters(exclude_categories=["Cs"]))


@given(NAMES, st.lists(NAMES | st.integers(0, 10**9 - 1)))
def test_a_written_key_reads_back_the_same(first: str, rest: list[str | int]) -> None:
    key: Key = (first, *rest)
    assert parse_key(format_key(key)) == key


def test_quotes_stand_where_toml_wants_them() -> None:
    assert format_key(("plugins", "deny-list", "by name", 3, "é")) == 'plugins.deny-list."by name"[3]."é"'
    assert parse_key("a.'b.c'") == ("a", "b.c")


def test_spelling_is_forgiven_before_likeness_is_weighed() -> None:
    assert nearest("Max-Size", ["max_sizes", "max_size"]) == "max_size"
    assert nearest("maxsize", ["timeout", "max_size"]) == "max_size"
    assert nearest("zzz", ["timeout", "max_size"]) is None
