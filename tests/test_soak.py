"""Loops are short here and long in `make soak`, whose report says what they found."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

LOOP = """
import pytest

@pytest.mark.soak
def test_loop(soak):
    soak.found("turns", str(soak.times(2, soak=5)))
    {then}
"""


@pytest.fixture(autouse=True)
def _no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed beside pytest has no say in this, and ddtrace alone takes a second to be imported."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.mark.parametrize(("option", "turns"), [((), "2"), (("--soak",), "5")])
def test_a_loop_is_as_long_as_the_option_says(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, option: tuple[str, ...], turns: str
) -> None:
    monkeypatch.setattr("tests.soak.KEPT", pytester.path / "soak.json")
    pytester.makepyfile(LOOP.format(then=""))
    result = pytester.inline_run("-p", "tests.soak", *option)
    result.assertoutcome(passed=1)
    kept = pytester.path / "soak.md"
    assert kept.exists() == bool(option)
    if option:
        assert f"| turns | {turns} |" in kept.read_text()


def test_a_test_that_fails_later_has_no_figures_any_more(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.soak.KEPT", pytester.path / "soak.json")
    kept = pytester.path / "soak.md"
    for then, name in (("", "test_one"), ("", "test_other"), ("assert False", "test_one")):
        pytester.makepyfile(**{name: LOOP.format(then=then)})
        pytester.inline_run("-p", "tests.soak", "--soak", f"{name}.py")
    assert "test_other" in kept.read_text()
    assert "test_one" not in kept.read_text()
