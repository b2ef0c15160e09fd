"""Every area with tiny numbers: real servers, real load. Whether a round counts is up to the machine."""

import socket
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench import (
    checks,
    growth,
    hooks,
    hub_server,
    imap,
    imap_rows,
    latency,
    memory,
    postfix,
    reload,
    rounds,
    smtp,
    smtp_source,
    startup,
)
from bench.__main__ import AREAS, main
from bench.figure import HUB
from bench.idle import Idle
from bench.options import Options
from bench.report import Report
from bench.server import NotStarted
from tests.nursery import Forked, fork_hub

needs_load = pytest.mark.skipif(smtp_source.find() is None, reason="smtp-source is not installed")
needs_postfix = pytest.mark.skipif(postfix.missing() is not None, reason=str(postfix.missing()))


@pytest.fixture(autouse=True)
def _hubs_start_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long they take is for the area `startup`, which starts other commands."""

    def start(hub: hub_server.Hub) -> Forked:
        hub.log.write_bytes(b"")
        return fork_hub("--config", hub.config, "serve", log=hub.log, folder=hub.folder)

    monkeypatch.setattr(hub_server, "start", start)


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> Iterator[Options]:
    """Below a folder that Postfix's own users can pass through, as they cannot through tmp_path."""
    monkeypatch.setattr(rounds, "ATTEMPTS", 1)
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


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a peer, as for somebody who is not root."""
    monkeypatch.setattr(postfix, "missing", lambda: "only root starts it")


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
def test_two_workers_are_measured_beside_one_and_without_a_peer(options: Options, alone: None) -> None:
    report = smtp.measure(replace(options, workers=2))
    assert list(report.setups) == ["hub", "hub, 1 worker"]
    assert [setup["workers"][0] for setup in report.setups.values()] == ["2", "1"]
    assert "Without a peer: only root starts it." in report.notes


@needs_load
def test_latency_is_measured_at_half_the_peak(options: Options, alone: None) -> None:
    report = latency.measure(options)
    [percentiles] = report.charts
    assert [figure.name for figure in report.figures[:4]] == ["p50", "p95", "p99", "p99.9"]
    for each in report.figures[0].rounds:
        found = each.samples["hub"].values
        assert 0 < found["p50"] <= found["p95"] <= found["p99"] <= found["p99.9"] <= found["slowest"]
    assert percentiles.name == "percentiles"


@needs_load
def test_memory_is_measured_idle_and_sustained(options: Options, alone: None) -> None:
    report = memory.measure(options)
    for each in report.figures[0].rounds:
        found = each.samples["hub"].values
        assert {"SMTP", "IMAP", "SMTP with TLS", "IMAP with TLS", "IMAP in IDLE"} < found.keys()
        assert 20 < found["peak"] < 1000
        assert found["after 1"] > 20_000
    assert [chart.name for chart in report.charts] == ["idle", "sustained"]
    assert [figure.goal for figure in report.figures[:3]] == [memory.GOAL, memory.GOAL, None]


@needs_load
def test_growth_is_measured_over_rows_and_accounts_and_leaves_the_mailbox_as_it_was(
    options: Options, alone: None
) -> None:
    # A mailbox that had kept the mail of the round before would have more messages than FETCH is to tell of.
    report = growth.measure(replace(options, rounds=2))
    names = [figure.name for figure in report.figures]
    assert names[0] == "CPU per mail, 20 rows against 10"
    assert "4 accounts: delivery" in names
    for each in report.figures[0].rounds:
        found = each.samples["hub"].values
        assert all(found[f"{key} 20 rows"] > 0 for key in ("rate", "select", "flags"))
        assert found["rate 4 accounts"] > 0


@needs_load
def test_checks_side_by_side_cost_about_what_the_slowest_costs(options: Options) -> None:
    """Others use this machine: what is asserted is that they are not one after the other."""
    report = checks.measure(options)
    values = {figure.key: figure.value(figure.rounds[0], "hub") for figure in report.figures}
    assert values["none"] is not None
    assert values["slowest"] is not None
    assert values["all"] is not None
    assert values["slowest"] > values["none"]
    assert values["all"] < sum(checks.WAITS) * 1000


def test_hooks_are_measured_with_plugins_that_are_really_called(
    options: Options, alone: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "COUNTS", (0, 2))
    monkeypatch.setattr(hooks, "MAIL_PATH", {"smtp_rcpt": "recipient"})
    report = hooks.measure(options)
    assert [figure.name for figure in report.figures] == [
        "a mail with 0 plugins",
        "a mail with 2 plugins",
        "a step, 2 plugins on every hook",
        "a step of smtp_rcpt, 2 plugins",
    ]


@needs_load
def test_imap_reads_the_whole_mailbox(options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap_rows, "APPENDS", 20)
    monkeypatch.setattr(imap_rows, "TIMES", 2)
    report = imap.measure(options)
    assert "30 messages" in report.title
    by_key = {figure.key: figure for figure in report.figures}
    del by_key["idle"]  # of few sessions, which is noise
    indexed = by_key.pop("text indexed")  # Dovecot has no index
    assert all(each.samples[HUB].values[indexed.key] for each in indexed.rounds)
    assert min(values(replace(report, figures=list(by_key.values())))) > 0


def test_reload_waits_until_the_plugin_judges_and_every_worker_has_it(
    options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "SAVES", 2)
    report = reload.measure(replace(options, workers=2))
    assert list(report.setups) == ["hub", "hub, 1 worker"]
    assert "35" in report.title
    assert min(values(report)) > 0


@needs_load
@needs_postfix
def test_an_idle_client_costs_postfix_a_process(options: Options) -> None:
    with postfix.running(options.folder) as server:
        assert memory.per_connection(server, Idle(server.port, 5), first=0) > 200


def test_the_command_goes_on_after_an_area_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(options: Options) -> Report:
        raise NotStarted("nothing greets")

    monkeypatch.setitem(AREAS, "imap", fails)
    monkeypatch.setattr(startup, "COMMANDS", {"true": ("true",)})
    result = CliRunner().invoke(main, ["--rounds", "1", "--only", "imap", "--only", "startup"])
    assert result.exit_code == 2
    assert "imap failed: nothing greets" in result.output
    assert "true, ms" in result.output


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
