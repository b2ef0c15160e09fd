"""Verbs that need no hub, and what they say when there is none."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hub.cli.main import VERBS, main
from hub.config.load import load
from hub.mail.envelope import Envelope
from hub.trace.record import Trace
from hub.trace.ring import TraceRing, line


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "hub.toml"
    path.write_text(f'hub.data_dir = "{tmp_path / "data"}"\n')
    return path


def hub(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments])


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    result = hub(verb, "--help")
    assert result.exit_code == 0, result.output
    assert f"hub {verb}" in result.output or f"main {verb}" in result.output


def test_a_misspelt_verb_is_answered_with_the_nearest() -> None:
    result = hub("staus")
    assert result.exit_code == 2
    assert "Did you mean 'status'?" in result.output


@pytest.mark.parametrize("verb", [["status"], ["reload"], ["plugins"], ["plugins", "rollback"]])
def test_verbs_about_a_running_hub_say_that_there_is_none(config: Path, verb: list[str]) -> None:
    result = hub("-c", config, *verb)
    assert result.exit_code == 1
    assert "no hub is running on " in result.output


def test_the_manual_of_a_hook_needs_no_hub(config: Path) -> None:
    result = hub("-c", config, "hooks", "smtp_rcpt")
    assert result.exit_code == 0, result.output
    assert "smtp_rcpt(plugin, session, envelope, recipient)" in result.output
    assert "Reject answers 550, Defer 450, for this recipient alone." in result.output
    assert "no hub is running" in result.output
    wrong = hub("-c", config, "hooks", "smtp_rctp")
    assert wrong.exit_code == 1
    assert "Did you mean 'smtp_rcpt'?" in wrong.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_each_shell(shell: str) -> None:
    assert "_HUB_COMPLETE" in hub("completion", shell).output


def test_a_trace_is_a_tree_even_without_a_hub(config: Path, tmp_path: Path) -> None:
    trace = Trace("session-1", "smtp from 192.0.2.1:4711")
    envelope = Envelope("01m8356ek8qtkndhch", None)
    trace.begin(envelope)
    trace.add("hook", "smtp_rcpt", "reject", plugin="deny-list", seconds=0.002, detail="5.7.1 [not] here")
    trace.add("command", "RCPT", "550 5.7.1", detail="TO:<alice@example.test>")
    trace.add("note", "message-id", "", detail="<1@example.test>")
    TraceRing(tmp_path / "data" / "trace", 1 << 20).append(line(trace))
    for name in (envelope.id, "<1@example.test>"):
        result = hub("-c", config, "trace", name)
        assert result.exit_code == 0, result.output
        assert re.search(r"smtp from 192\.0\.2\.1:4711", result.output)
        assert re.search(r"├──.*RCPT.*550 5\.7\.1.*\n│ +└──.*smtp_rcpt deny-list.*reject", result.output)
        assert "[not] here" in result.output
    records = json.loads(hub("-c", config, "trace", envelope.id, "--json").output)[0]["records"]
    assert [record["name"] for record in records] == ["smtp_rcpt", "RCPT", "message-id"]
    assert hub("-c", config, "trace", "01m8356ek8qtkndhcx").exit_code == 1


@pytest.mark.parametrize("certified", [False, True])
def test_init_writes_a_configuration_that_is_right_and_a_unit(tmp_path: Path, certified: bool) -> None:
    etc = tmp_path / "etc"
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.touch()
    key.touch()
    options: list[str | Path] = ["--certificate", certificate, "--key", key] if certified else []
    arguments: list[str | Path] = [
        "init",
        "--directory",
        etc,
        "--hostname",
        "mx.example.org",
        "--data",
        tmp_path / "data",
        *options,
    ]
    result = hub(*arguments)
    assert result.exit_code == 0, result.output
    config = load(etc / "hub.toml", environ={})
    assert config.settings.hub.hostname == "mx.example.org"
    assert ("imaps" in config.settings.listeners) == certified
    elsewhere = [
        host
        for listener in config.settings.listeners.values()
        for host, _ in listener.addresses
        if listener.protocol != "smtp" and listener.tls == "none" and not host.startswith(("127.", "::1"))
    ]
    assert elsewhere == [], "nobody logs in without TLS from elsewhere"
    unit = (etc / "hub.service").read_text()
    assert f"--config {etc / 'hub.toml'} serve" in unit
    assert f"ReadWritePaths={tmp_path / 'data'}" in unit
    assert "account add postmaster@example.org" in result.output
    again = hub(*arguments)
    assert again.exit_code == 1
    assert "--force overwrites it" in again.output


def test_the_queue_of_a_new_hub_is_empty(config: Path) -> None:
    result = hub("-c", config, "queue", "list")
    assert result.exit_code == 0, result.output
    assert "The queue is empty." in result.output
    assert json.loads(hub("-c", config, "queue", "list", "--json").output) == []
