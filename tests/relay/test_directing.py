"""Plugins say where mail goes before anybody else is asked, and hear what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from hub import Address, NextHop
from hub.relay.tally import NAMESPACE, fared
from hub.services.clock import SystemClock
from hub.testing.recorder import Recorder
from hub.testing.running import RunningHub
from tests.peers.sink import needs_sink, sinking
from tests.relay.hubs import ANN, BEN, empty, rows, sending, submit, tried, until
from tests.relay.test_sending import lead_to, reports, status

pytestmark = needs_sink

PLUGIN = '''"""Leads mail elsewhere."""

from hub import Defer, NextHop, Reject, hookimpl


@hookimpl
async def resolve_route(recipient):
    if recipient.local == "gone":
        return Reject("5.1.6", "moved away")
    if recipient.local == "later":
        return Defer("4.7.1", "not today")
    if recipient.local == "broken":
        raise ValueError(recipient)
    if recipient.local == "ben":
        return NextHop("127.0.0.1", {port})
'''


def told(running: RunningHub, recorder: Recorder, hook: str) -> list[Mapping[str, object]]:
    """With what a hook has fired."""
    return [call.arguments for call in recorder.calls(running.hub.kernel.generations) if call.hook == hook]


@pytest.mark.proves("plugins: say for each recipient which server mail goes to, or that it goes nowhere")
async def test_a_plugin_leads_mail_elsewhere_refuses_and_puts_off(tmp_path: Path) -> None:
    with sinking(tmp_path / "usual") as usual, sinking(tmp_path / "other") as other:
        folder = tmp_path / "hub" / "plugins.d"
        folder.mkdir(parents=True, mode=0o700)
        (folder / "leading.py").write_text(PLUGIN.format(port=other.port))
        async with sending(tmp_path / "hub", usual.port) as running:
            await submit(
                running, ANN, BEN, *(f"{name}@elsewhere.example" for name in ("gone", "later", "broken"))
            )
            (report,) = await reports(running)
            await until(lambda: only_two(running))
            await until(lambda: tried(running, 1))
            answers = {row.recipient.local: row.reply for row in await rows(running)}
    assert answers == {
        "later": "450 4.7.1 not today",
        "broken": "450 4.3.0 nobody can say now where it goes",
    }
    (failed,) = status(report)[1:]
    assert (failed["Final-Recipient"], failed["Status"]) == ("rfc822; gone@elsewhere.example", "5.1.6")
    assert failed["Diagnostic-Code"] == "x-hub; moved away"
    assert "Remote-MTA" not in failed
    (to_usual,), (to_other,) = usual.messages(), other.messages()
    assert (to_usual.count("X-Rcpt-Args"), f"X-Rcpt-Args: <{ANN}>" in to_usual) == (1, True)
    assert (to_other.count("X-Rcpt-Args"), f"X-Rcpt-Args: <{BEN}>" in to_other) == (1, True)


async def only_two(running: RunningHub) -> bool:
    return len(await rows(running)) == 2


def test_a_next_hop_is_a_name_and_a_port() -> None:
    assert str(NextHop("mx.example.org")) == "mx.example.org:25"
    assert str(NextHop("2001:db8::1", 2525)) == "[2001:db8::1]:2525"
    for host, port in (("", 25), ("a b", 25), ("mx\r\n", 25), ("mx", 0), ("mx", 65536)):
        with pytest.raises(ValueError, match="NextHop"):
            NextHop(host, port)


@pytest.mark.proves("sending: plugins are told of each recipient what became of mail, and why it was refused")
async def test_what_became_of_mail_is_told_and_counted(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "hub" / "plugins.d")
    with sinking(tmp_path / "sink", "-f", "RCPT", "-B", "552 5.2.2 over quota") as sink:
        async with sending(tmp_path / "hub", sink.port) as running:
            message = await submit(running, ANN)
            await until(lambda: empty(running))
            await running.told()
            (bounced,) = told(running, recorder, "message_bounced")
            with sinking(tmp_path / "soft", "-r", "RCPT") as soft:
                lead_to(running, soft.port)
                await submit(running, ANN)
                await until(lambda: tried(running, 1))
                await running.told()
                (deferred,) = told(running, recorder, "message_deferred")
            with sinking(tmp_path / "well") as well:
                lead_to(running, well.port)
                await submit(running, BEN)
                await until(lambda: only_one(running))
                await running.told()
                (sent,) = told(running, recorder, "message_sent")
            relay = running.hub._relay
            assert relay is not None
            await relay._delivering.tally.flush()
            counted = await fared(running.hub.kernel.services.storage.kv(NAMESPACE), 1, SystemClock().time())
    assert (bounced["message_id"], str(bounced["recipient"]), bounced["host"]) == (message, ANN, "127.0.0.1")
    assert (bounced["code"], bounced["enhanced"], bounced["text"]) == (552, "5.2.2", "over quota")
    assert (bounced["bounce"], bounced["attempts"]) == ("quota", 1)
    assert bounced["reverse_path"] == Address("alice", "example.test")
    assert bounced["sender"] is not None
    assert (deferred["code"], deferred["bounce"]) == (450, "system")
    assert (sent["code"], str(sent["recipient"])) == (250, BEN)
    assert counted == {"elsewhere.example": {"bounced quota": 1, "deferred system": 1, "sent": 1}}


async def only_one(running: RunningHub) -> bool:
    return len(await rows(running)) == 1
