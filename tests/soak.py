"""Long loops: short in `make test`, as long as promised in `make soak`, which keeps what they found.

Each test's last run that passed is kept by itself, so that one that failed can be run again alone:
`pytest --soak -m soak -k reload`. A test that fails has no figures. What measures time or memory says
`soak(alone=True)` and has the machine to itself; the others run side by side.
"""

from __future__ import annotations

import fcntl
import json
import platform
from collections.abc import Generator, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

KEPT: Final = Path(__file__).parents[1] / "docs" / "benchmarks" / "soak.json"
"""By test: when it ran, for how many seconds, and what it found; the page beside it is made from that."""


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
    config.addinivalue_line("markers", "soak(alone=False): a loop that `make soak` runs at full length")
    config.stash[_SOAK] = Soak(long=config.getoption("--soak"))


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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what a test at full length has found, if it passed."""
    report = yield
    found = item.config.stash[_SOAK]
    if found.long and item.get_closest_marker("soak") and (call.when == "call" or report.failed):
        row = {
            "ended": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
            "python": platform.python_version(),
            "seconds": round(report.duration),
            "found": [[what, figure] for test, what, figure in found.lines if test == item.nodeid],
        }
        _keep(item.nodeid, row if report.passed else None)
    return report


def _keep(test: str, row: Mapping[str, Any] | None) -> None:
    """Put a row in the place of the one before, or take that away. Others may run side by side."""
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    with KEPT.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        kept: dict[str, Mapping[str, Any]] = json.loads(file.read() or "{}")
        kept.pop(test, None)
        if row is not None:
            kept[test] = row
        kept = dict(sorted(kept.items()))
        file.truncate(0)
        file.write(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
        _write_page(kept)


def _write_page(kept: Mapping[str, Mapping[str, Any]]) -> None:
    minutes = sum(each["seconds"] for each in kept.values()) / 60
    lines = [
        "# Soak: long loops at full length",
        "",
        "Made by `make soak`, which runs what measures neither time nor memory side by side. The rows add up "
        f"to {minutes:.0f} minutes; each is of a last run that passed.",
        "",
        "| test | ended (UTC) | seconds | what | found |",
        "|---|---|---|---|---|",
    ]
    for test, each in kept.items():
        about = f"`{test}` | {each['ended']} | {each['seconds']:,}"
        for what, figure in each["found"]:
            lines.append(f"| {about} | {what} | {figure} |")
            about = " | | "
    KEPT.with_suffix(".md").write_text("\n".join(lines) + "\n")


_SOAK: Final = pytest.StashKey[Soak]()
