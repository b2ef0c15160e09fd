"""Session-wide rules of the test suite, for `tests/`, the plugins and the examples alike."""

import logging
import os
import sys
from collections.abc import Iterator

import pytest

pytest_plugins = [
    "tests.heap",
    "tests.soak",
    "tests.longest",
    "tests.migrated",
    "tests.peers.postgres",
    "tests.peers.dovecot",
]

NO_SKIPS = "HUB_NO_SKIPS"
WITHOUT_DDTRACE = "-p no:ddtrace"


def pytest_configure(config: pytest.Config) -> None:
    """With HUB_NO_SKIPS=1 in the environment a skipped test fails the session.

    Whatever pytest a test starts leaves out ddtrace's plugin as this one does: loading it takes 2.5 seconds.
    Whatever Python it starts keeps what it has compiled: a hub that does so anew takes 0.4 seconds for it.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    options = os.environ.get("PYTEST_ADDOPTS", "")
    if WITHOUT_DDTRACE not in options:
        os.environ["PYTEST_ADDOPTS"] = f"{options} {WITHOUT_DDTRACE}".lstrip()
    if os.environ.get(NO_SKIPS) == "1":
        config.pluginmanager.register(SkipsFail(), "hub-skips-fail")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Whoever configures the log, as the command does, does so for one test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    if "structlog" in sys.modules:
        sys.modules["structlog"].reset_defaults()


@pytest.fixture(autouse=True)
def _umask_as_it_was() -> Iterator[None]:
    """Verbs that open the store see to it that nobody else reads what they make, for one test."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


class SkipsFail:
    """Collects what was skipped and lists it below the results of a session that fails for it."""

    def __init__(self) -> None:
        self.skipped: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.skipped.append(_described(report))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        expected_to_fail = hasattr(report, "wasxfail")
        if report.skipped and not expected_to_fail:
            self.skipped.append(_described(report))

    # Before the terminal's own implementation, whose closing line and colour follow the exit status.
    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skipped and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.skipped:
            terminalreporter.section(f"{NO_SKIPS}=1, but {len(self.skipped)} skipped", red=True)
            for line in self.skipped:
                terminalreporter.line(line)


def _described(report: pytest.CollectReport | pytest.TestReport) -> str:
    """Its node id with the reason that the skip gave."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    return f"{report.nodeid}: {reason}"
