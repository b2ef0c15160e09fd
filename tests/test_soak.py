"""Loops are short here and long in `make soak`, whose report says what they found."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

LOOP = """
import pytest

@pytest.mark.soak
def test_loop(soak):
    soak.found("turns", str(soak.times(2, soak=5)))
"""


@pytest.mark.parametrize(("option", "turns"), [((), "2"), (("--soak",), "5")])
def test_a_loop_is_as_long_as_the_option_says(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, option: tuple[str, ...], turns: str
) -> None:
    monkeypatch.setattr("tests.soak.KEPT", pytester.path / "soak.md")
    pytester.makepyfile(LOOP)
    result = pytester.inline_run("-p", "tests.soak", *option)
    result.assertoutcome(passed=1)
    kept = pytester.path / "soak.md"
    assert kept.exists() == bool(option)
    if option:
        assert f"| turns | {turns} |" in kept.read_text()
