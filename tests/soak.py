"""Long loops: short in `make test`, as long as promised in `make soak`, which keeps what they found."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

KEPT: Final = Path(__file__).parents[1] / "docs" / "benchmarks" / "soak.md"


class Soak:
    """How often a test repeats, and where it says what it found.

    >>> for _ in soak.times(100, soak=1000): ...
    >>> soak.found("reloads", "1,000 of 1,000 live, slowest 80 ms")
    """

    def __init__(self, *, long: bool) -> None:
        self.long = long
        self.lines: list[tuple[str, str, str]] = []
        self._test = ""

    def times(self, short: int, *, soak: int) -> int:
        """The first number in `make test`, the second in `make soak`."""
        return soak if self.long else short

    def found(self, what: str, figure: str) -> None:
        """A line of the report; without `make soak` it is printed with the test's output."""
        self.lines.append((self._test, what, figure))

    def begin(self, test: str) -> None:
        """Lines from here on are this test's."""
        self._test = test


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--soak`, which `make soak` gives."""
    parser.addoption("--soak", action="store_true", help="run long loops at full length")


def pytest_configure(config: pytest.Config) -> None:
    """Make the session's one `Soak`, and its marker known."""
    config.addinivalue_line("markers", "soak: a loop that `make soak` runs at full length")
    config.stash[_SOAK] = Soak(long=config.getoption("--soak"))
    config.stash[_BEGAN] = time.monotonic()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """At full length a loop may take many minutes."""
    if config.getoption("--soak"):
        for item in items:
            if item.get_closest_marker("soak"):
                item.add_marker(pytest.mark.timeout(2400), append=False)


@pytest.fixture
def soak(request: pytest.FixtureRequest) -> Iterator[Soak]:
    """How often to repeat, and where to say what was found; its tests carry `@pytest.mark.soak`."""
    found = request.config.stash[_SOAK]
    found.begin(request.node.nodeid)
    seen = len(found.lines)
    yield found
    for _, what, figure in found.lines[seen:]:
        print(f"{what}: {figure}")  # noqa: T201 (pytest shows it with the test)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Keep the report of a run at full length that went well."""
    found = session.config.stash[_SOAK]
    if not (found.long and found.lines and exitstatus == pytest.ExitCode.OK):
        return
    minutes = (time.monotonic() - session.config.stash[_BEGAN]) / 60
    lines = [
        "# Soak: long loops at full length",
        "",
        f"Made by `make soak` in {minutes:.0f} minutes on Python {platform.python_version()}; all passed.",
        "",
        "| test | what | found |",
        "|---|---|---|",
        *(f"| `{test}` | {what} | {figure} |" for test, what, figure in found.lines),
    ]
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    KEPT.write_text("\n".join(lines) + "\n")


_SOAK: Final = pytest.StashKey[Soak]()
_BEGAN: Final = pytest.StashKey[float]()
