"""Every area with tiny numbers: real servers, real load. Whether a round counts is up to the machine."""

import socket
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench import imap, latency, postfix, reload, smtp, smtp_source
from bench.__main__ import main
from bench.options import Options
from bench.report import Report

needs_load = pytest.mark.skipif(smtp_source.find() is None, reason="smtp-source is not installed")
needs_postfix = pytest.mark.skipif(postfix.missing() is not None, reason=str(postfix.missing()))


@pytest.fixture
def options() -> Iterator[Options]:
    """Below a folder that Postfix's own users can pass through, as they cannot through tmp_path."""
    with tempfile.TemporaryDirectory(prefix="hub-bench-", dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Options(
            rounds=1,
            messages=24,
            mailbox=30,
            workers=1,
            seconds=0.5,
            connections=24,
            costly=12,
            rows=(10, 20),
            accounts=(1, 4),
            folder=Path(name) / "area",
            say=lambda line: None,
        )


def values(report: Report) -> list[float]:
    """All that was measured, rejected rounds included."""
    return [
        sample.values[figure.key]
        for figure in report.figures
        for each in figure.rounds
        for sample in each.samples.values()
    ]


@needs_load
@needs_postfix
def test_smtp_is_measured_beside_postfix(options: Options) -> None:
    report = smtp.measure(options)
    assert list(report.setups) == ["hub", "Postfix"]
    assert report.setups["Postfix"]["version"] != "unknown"
    assert [figure.key for figure in report.figures] == ["rate", "cpu", "load cpu"] * 6
    for figure in report.figures[::3]:
        assert all(sample.values["rate"] > 0 for each in figure.rounds for sample in each.samples.values())
    [master] = options.folder.rglob("master.pid")
    assert not Path("/proc", master.read_text().strip()).exists()


@needs_load
def test_smtp_is_measured_alone_where_postfix_cannot_run(
    options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postfix, "missing", lambda: "only root starts it")
    report = smtp.measure(options)
    assert list(report.setups) == ["hub"]
    assert "Without a peer: only root starts it." in report.notes


@needs_load
def test_two_workers_are_measured_beside_one(options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postfix, "missing", lambda: "only root starts it")
    report = smtp.measure(replace(options, workers=2))
    assert list(report.setups) == ["hub", "hub, 1 worker"]
    assert [setup["workers"][0] for setup in report.setups.values()] == ["2", "1"]


@needs_load
def test_latency_counts_from_when_a_mail_was_due(options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postfix, "missing", lambda: "only root starts it")
    report = latency.measure(options)
    [percentiles] = report.charts
    assert [figure.name for figure in report.figures[:4]] == ["p50", "p95", "p99", "p99.9"]
    for each in report.figures[0].rounds:
        found = each.samples["hub"].values
        assert 0 < found["p50"] <= found["p95"] <= found["p99"] <= found["p99.9"] <= found["slowest"]
    assert percentiles.name == "percentiles"


@needs_load
def test_imap_reads_the_whole_mailbox(options: Options) -> None:
    report = imap.measure(options)
    assert "30 messages" in report.title
    assert min(values(report)) > 0


def test_reload_waits_until_the_plugin_judges(options: Options) -> None:
    assert min(values(reload.measure(options))) > 0


def test_the_command_shows_what_it_measured() -> None:
    result = CliRunner().invoke(main, ["--rounds", "1", "--only", "startup"])
    assert result.exit_code in (0, 1), result.output
    assert ("kept the machine busy" in result.output) == (result.exit_code == 1)
    for name in ("import hub, ms", "hub --help, ms", "fdatasync"):
        assert name in result.output


@needs_load
def test_a_load_that_is_not_answered_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_source, "PATIENCE", 0.2)
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        pytest.raises(smtp_source.LoadFailed, match=r"within 0\.2 s"),
    ):
        smtp_source.send(smtp_source.Load(1, 64), mute.getsockname()[1])
