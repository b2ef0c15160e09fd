"""Rules, alerts and what sinks are told, in a hub whose clock the test turns."""

import asyncio
import base64
import json
import shutil
import smtplib
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result
from hub_plugin_alerts.keeping import Keeper, fire, silence, unsilence
from hub_plugin_alerts.settings import DEFAULTS

from hub import Address, Alert, Attempt, Plugin, Severity
from hub.testing.clock import ManualClock
from hub.testing.http_peer import Answer, http_peer
from hub.testing.running import RunningHub, running_hub

SINK = '''"""Hands on what it is told."""
from hub import StashKey, hookimpl

TOLD = StashKey()

@hookimpl
async def send_alert(plugin, alert):
    told, answers = plugin.stash.setdefault(TOLD, lambda: ([], []))
    told.append(alert)
    answer = answers.pop(0) if answers else None
    if isinstance(answer, Exception):
        raise answer
    return answer
'''


NOT_ABOUT_SINKS = {"dependency-down": {"enabled": False}}


@dataclass
class Alerting:
    """The plugin in a running hub, looked at when the test says so."""

    hub: RunningHub
    clock: ManualClock
    read: dict[str, int] = field(default_factory=dict)

    def scope(self, name: str = "alerts") -> Plugin:
        return self.hub.hub.kernel.generations.current.plugins[name]

    def _sink(self, name: str) -> tuple[list[Alert], list[object]]:
        scope = self.scope(name)
        key = vars(sys.modules[f"hub_plugin_{name.replace('-', '_')}"])["TOLD"]
        return cast("tuple[list[Alert], list[object]]", scope.stash.setdefault(key, lambda: ([], [])))

    def will_answer(self, *answers: object, sink: str = "sink") -> None:
        self._sink(sink)[1].extend(answers)

    def told(self, sink: str = "sink") -> list[str]:
        """What the sink was told since this was asked last."""
        alerts = self._sink(sink)[0]
        new, self.read[sink] = alerts[self.read.get(sink, 0) :], len(alerts)
        return [f"{alert.status} {alert.key}: {alert.summary}" for alert in new]

    def last(self, sink: str = "sink") -> Alert:
        return self._sink(sink)[0][-1]

    async def happened(self, fact: str, times: int = 1, **arguments: object) -> None:
        """An event, as the hub tells it."""
        scope = self.scope()
        for number in range(times):
            await scope.call(fact, **arguments)
            if number % 500 == 499:
                await self.drain()
        await self.drain()

    async def drain(self) -> None:
        await cast(Any, self.scope()).notifier.drain(10)

    async def look(self, seconds: float = 0) -> list[str]:
        """Let time pass and look at the rules; what the sink was told."""
        from hub_plugin_alerts.evaluating import evaluate  # the module that the hub has loaded

        await self.clock.turn(seconds)
        await evaluate(self.scope())
        return self.told()


@asynccontextmanager
async def alerting(
    folder: Path,
    clock: ManualClock,
    *,
    sinks: Sequence[str] = ("sink",),
    timers: bool = False,
    **settings: object,
) -> AsyncIterator[Alerting]:
    plugins_dir = folder / "plugins.d"
    plugins_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    for sink in sinks:
        (plugins_dir / f"{sink}.py").write_text(SINK)
    known = (folder / "data").exists()
    async with running_hub(
        folder,
        plugins=["alerts"],
        tables={"plugins": {"alerts": settings}},
        accounts=() if known else ("alice@example.test",),
        clock=clock,
    ) as hub:
        alerts = Alerting(hub, clock)
        if not timers:
            await cast(Any, alerts.scope()).stop_timers()
        yield alerts


def only(**rules: Mapping[str, object]) -> dict[str, object]:
    """These rules and none of the default ones."""
    return {**{name: {"enabled": False} for name in DEFAULTS}, **rules}


async def opened(hub: Alerting, name: str = "clamav", times: int = 1) -> None:
    await hub.happened("breaker_opened", times, name=name, hook="check_message", reason="no answer")


@pytest.mark.proves("alerting: ten thousand identical events make one page, and one message when it is over")
async def test_ten_thousand_identical_events_make_one_page(tmp_path: Path, manual_clock: ManualClock) -> None:
    async with alerting(tmp_path, manual_clock) as hub:
        await opened(hub, times=10_000)
        message = (
            "firing breaker-opened/clamav: the plugin clamav failed too often and is not asked for a while"
        )
        assert await hub.look() == [message]
        alert = hub.last()
        assert (alert.count, alert.severity, alert.labels) == (10_000, "error", {"plugin": "clamav"})
        assert alert.details["said last"] == "no answer"
        assert alert.source == "mail.example.test"
        for _ in range(5):
            await opened(hub)
            assert await hub.look(60) == []
        told = [line for _ in range(14) for line in await hub.look(60)]
        assert told == [message.replace("firing", "resolved", 1)]
        assert await Keeper(hub.scope().kv).alerts() == {}


@pytest.mark.proves("alerting: a storm of ten thousand different alerts is grouped, and stays bounded")
async def test_a_storm_of_different_alerts_is_bounded_and_grouped(
    tmp_path: Path, manual_clock: ManualClock
) -> None:
    async with alerting(tmp_path, manual_clock, max_notices=5) as hub:
        for number in range(10_000):
            await hub.scope().call("breaker_opened", name=f"p{number}", hook="smtp_rcpt", reason="x")
            if number % 500 == 499:
                await hub.drain()
        await hub.drain()
        assert len(await hub.look()) == 5  # of eleven, for the others are not to be heard in this storm
        alerts = await Keeper(hub.scope().kv).alerts()
        assert len(alerts) == 11
        others = alerts["breaker-opened/others"]
        assert others.value == "91 more"  # of a hundred kinds that are told apart, and one for the rest
        assert len(others.written()) < 2_000


async def test_failed_logins_page_by_client_and_only_above_a_threshold(
    tmp_path: Path, manual_clock: ManualClock
) -> None:
    rule = {"event": "login_failed", "count": 3, "window": "2min", "by": ["client"], "quiet": 0}
    async with alerting(tmp_path, manual_clock, rules=only(logins=rule)) as hub:

        def fail(client: smtplib.SMTP) -> None:
            client.ehlo("client.example.test")
            shown = base64.b64encode(b"\0alice@example.test\0wrong").decode()
            assert client.docmd("AUTH", f"PLAIN {shown}")[0] == 535

        for expected in ([], [], ["firing logins/127.0.0.1: logins: 3"]):
            await hub.hub.smtp(fail, "submission")
            await hub.drain()
            assert await hub.look() == expected
        assert await hub.look(60) == []
        assert await hub.look(60) == ["resolved logins/127.0.0.1: logins: 3"]


async def test_deferred_messages_are_a_share_of_all(tmp_path: Path, manual_clock: ManualClock) -> None:
    async with alerting(tmp_path, manual_clock) as hub:
        session = SimpleNamespace(protocol="smtp")
        accepted = {"session": session, "envelope": None, "size": 10}
        refused = {"session": session, "envelope": None, "text": "4.3.0 later"}
        await hub.happened("message_accepted", 300, **accepted)
        await hub.happened("message_refused", 30, code=451, **refused)
        await hub.happened("message_refused", 900, code=554, **refused)
        assert await hub.look() == []
        await hub.happened("message_refused", 170, code=451, **refused)
        assert await hub.look() == [
            "firing deferral-rate: 14% of the messages were put off within 10 min (200)"
        ]


async def test_a_domain_that_finds_us_on_a_list_is_an_alert_and_a_rule_may_look_at_any_class(
    tmp_path: Path, manual_clock: ManualClock
) -> None:
    rules = {"spam": {"event": "message_deferred", "where": {"bounce": "spam"}, "by": ["domain"]}}
    async with alerting(tmp_path, manual_clock, rules=rules) as hub:
        said: dict[str, Any] = {
            "message_id": "m",
            "sender": None,
            "reverse_path": None,
            "host": "mx",
            "enhanced": "",
            "code": 550,
            "text": "ann@big.example: no",
            "attempts": 1,
            "seconds": 1.0,
            "recipient": Address("ann", "big.example"),
        }
        await hub.happened("message_sent", **said)
        await hub.happened("message_bounced", 9, bounce="quota", **said)
        await hub.happened("message_bounced", 4, bounce="reputation", **said)
        await hub.happened("message_deferred", bounce="rate", due_at=1.0, **said)
        assert await hub.look() == []
        await hub.happened("message_bounced", bounce="reputation", **said)
        await hub.happened("message_deferred", bounce="spam", due_at=1.0, **said)
        fired = await hub.look()
    assert sorted(each.partition(":")[0] for each in fired) == [
        "firing listed/big.example",
        "firing spam/big.example",
    ]


async def test_what_must_hold_for_a_while_is_pending_until_then(
    tmp_path: Path, manual_clock: ManualClock
) -> None:
    async with alerting(tmp_path, manual_clock) as hub:
        hub.scope().dependency("db", "no route to it")
        assert await hub.look() == []
        assert await hub.look(60) == []
        hub.scope().dependency("db", None)
        assert await hub.look(60) == []
        assert await Keeper(hub.scope().kv).alerts() == {}
        hub.scope().dependency("db", "no route to it")
        assert [*await hub.look(), *await hub.look(119)] == []
        assert await hub.look(1) == ["firing dependency-down/alerts/db: alerts cannot use db"]
        assert hub.last().details["said last"] == "no route to it"
        hub.scope().dependency("db", None)
        assert await hub.look(10) == []
        assert await hub.look(60) == ["resolved dependency-down/alerts/db: alerts cannot use db"]


async def test_metrics_come_from_the_status(tmp_path: Path, manual_clock: ManualClock) -> None:
    rules = only(
        disk={"metric": "disk_free", "below": "1000TB", "severity": "critical"},
        percent={"metric": "disk_free_percent", "below": 101, "text": "{value} free"},
        queue={"metric": "queue_age", "above": "1h"},
        sessions={"metric": "sessions", "above": 0},
    )
    async with alerting(tmp_path, manual_clock, rules=rules) as hub:
        told = await hub.look()
        assert [line.split(":")[0] for line in told] == ["firing disk", "firing percent"]
        assert told[1].endswith(" % free")
        _, writer = await asyncio.open_connection("127.0.0.1", hub.hub.port())
        while not hub.hub.hub.kernel.connections:
            await asyncio.sleep(0.01)
        assert await hub.look() == ["firing sessions: sessions: 1"]
        writer.close()


@pytest.mark.proves("alerting: what fires and what is silenced survives a restart, and nobody is paged twice")
@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_state_survives(tmp_path: Path, manual_clock: ManualClock, how: str) -> None:
    folder = tmp_path / "first"
    async with alerting(folder, manual_clock) as hub:
        await opened(hub)
        assert len(await hub.look()) == 1
        await silence(hub.scope(), "reload-*", {}, 3600, "at work")
        if how == "killed":  # the disk as it is at this moment
            shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("*.sock"))
            folder = tmp_path / "copy"
        else:
            await opened(hub, "dnsbl")  # counted, and not looked at any more
    async with alerting(folder, manual_clock) as hub:
        told = [line.split(":")[0] for line in await hub.look()]
        assert told == (["firing breaker-opened/dnsbl"] if how == "stopped" else [])
        await hub.happened("reload_refused", errors=("a.py:1: no",))
        assert await hub.look() == []
        over = [*await hub.look(700), *await hub.look(61)]
        assert "resolved breaker-opened/clamav" in [line.split(":")[0] for line in over]


async def test_silencing_what_was_told_acknowledges_it(tmp_path: Path, manual_clock: ManualClock) -> None:
    async with alerting(tmp_path, manual_clock) as hub:
        await opened(hub)
        await opened(hub, "dnsbl")
        assert len(await hub.look()) == 2
        made = await silence(hub.scope(), "breaker-opened", {"plugin": "clam*"}, 300, "known")
        assert [line.split(":")[0] for line in await hub.look()] == ["acknowledged breaker-opened/clamav"]
        assert await hub.look() == []
        await unsilence(hub.scope(), made.id)
        assert [line.split(":")[0] for line in await hub.look()] == ["firing breaker-opened/clamav"]
        with pytest.raises(LookupError, match="there is no silence"):
            await unsilence(hub.scope(), made.id)


async def test_a_sink_that_fails_is_tried_again_later_and_the_others_are_told_at_once(
    tmp_path: Path, manual_clock: ManualClock
) -> None:
    async with alerting(tmp_path, manual_clock, sinks=("sink", "other")) as hub:
        hub.will_answer(ValueError("broken"), Attempt("HTTP 429", again=True, after=90))
        await opened(hub)
        assert len(await hub.look()) == 1
        assert len(hub.told("other")) == 1
        assert await hub.look(9) == []
        assert len(await hub.look(1)) == 1  # 429: it asks for 90 seconds
        assert await hub.look(89) == []
        assert len(await hub.look(1)) == 1
        assert await hub.look(100) == []
        assert hub.told("other") == []


async def test_of_a_sink_that_is_down_the_others_are_told(tmp_path: Path, manual_clock: ManualClock) -> None:
    async with alerting(tmp_path, manual_clock, sinks=("sink", "other")) as hub:
        hub.will_answer(*(Attempt("HTTP 503", again=True) for _ in range(5)))
        await opened(hub)
        told = [line for _ in range(14) for line in (await hub.look(10), hub.told("other"))[1]]
        assert [line.split(":")[0] for line in told] == [
            "firing breaker-opened/clamav",
            "firing dependency-down/alerts/sink",
        ]
        told = [line for _ in range(26) for line in (await hub.look(10), hub.told("other"))[1]]
        assert told == ["resolved dependency-down/alerts/sink: alerts cannot use sink"]


async def test_a_notice_that_a_sink_refuses_is_given_up_and_said(
    tmp_path: Path, manual_clock: ManualClock
) -> None:
    async with alerting(tmp_path, manual_clock, rules=NOT_ABOUT_SINKS) as hub:
        hub.will_answer(Attempt("HTTP 400: invalid key"))
        await opened(hub)
        assert len(await hub.look()) == 1
        assert await hub.look(60) == []
        (alert,) = (await Keeper(hub.scope().kv).alerts()).values()
        assert tuple(alert.refused["sink"]) == ("firing", "HTTP 400: invalid key")
        assert (await Keeper(hub.scope().kv).sinks())["sink"].trouble == "HTTP 400: invalid key"
        status = await hub.scope().status()
        assert {"plugin": "alerts", "name": "sink", "trouble": "HTTP 400: invalid key"} in cast(
            "list[object]", status["dependencies"]
        )
        await hub.look(700)
        assert await hub.look(61) == []
        assert await Keeper(hub.scope().kv).alerts() == {}


async def test_routes_choose_by_rule_and_severity(tmp_path: Path, manual_clock: ManualClock) -> None:
    routes = {"sink": {"least": "error"}, "other": {"rules": ["reload-*"]}}
    async with alerting(tmp_path, manual_clock, sinks=("sink", "other"), routes=routes) as hub:
        await opened(hub)
        await hub.happened("reload_refused", errors=("a.py:1: no",))
        assert [line.split(":")[0] for line in await hub.look()] == ["firing breaker-opened/clamav"]
        assert [line.split(":")[0] for line in hub.told("other")] == ["firing reload-refused"]


async def test_an_alert_by_hand_ends_by_itself(tmp_path: Path, manual_clock: ManualClock) -> None:
    async with alerting(tmp_path, manual_clock) as hub:
        made = await fire(hub.scope(), "only a test", Severity.CRITICAL, 60)
        assert await hub.look() == [f"firing {made.key}: only a test"]
        assert await hub.look(59) == []
        assert await hub.look(2) == [f"resolved {made.key}: only a test"]


async def test_a_rule_that_is_gone_resolves_its_alerts(tmp_path: Path, manual_clock: ManualClock) -> None:
    async with alerting(tmp_path, manual_clock) as hub:
        await opened(hub)
        assert len(await hub.look()) == 1
    async with alerting(tmp_path, manual_clock, rules=only()) as hub:
        assert [line.split(":")[0] for line in await hub.look()] == ["resolved breaker-opened/clamav"]


async def test_what_was_counted_outlives_a_change_of_the_rules(
    tmp_path: Path, manual_clock: ManualClock
) -> None:
    async with alerting(tmp_path, manual_clock, max_alerts=7) as hub:
        await opened(hub)
        old, path = hub.scope(), tmp_path / "hub.toml"
        path.write_text(path.read_text().replace("max_alerts = 7", "max_alerts = 8"))
        report = await hub.hub.hub.reload()
        assert report is not None
        assert report["changed"] == {"alerts": "replaced"}
        assert hub.scope() is not old
        async with asyncio.timeout(20):
            while not (told := await hub.look()):  # the old scope writes down what it has as it closes
                await asyncio.sleep(0.01)
        assert told[0].startswith("firing breaker-opened/clamav")


async def test_the_timers_look_without_being_asked(tmp_path: Path, manual_clock: ManualClock) -> None:
    async with alerting(tmp_path, manual_clock, timers=True) as hub:
        await opened(hub)
        async with asyncio.timeout(20):
            while not (told := hub.told()):
                await manual_clock.turn(10)
                await asyncio.sleep(0.01)
        assert told[0].startswith("firing breaker-opened/clamav")


async def test_the_heartbeat_goes_out_only_while_rules_are_looked_at(
    tmp_path: Path, manual_clock: ManualClock
) -> None:
    async with http_peer(usual=lambda _: Answer(200, {}, "ok")) as watchman:
        heartbeat = {"url": f"{watchman.url}/beat/secret", "every": 60}
        async with alerting(tmp_path, manual_clock, heartbeat=heartbeat) as hub:
            await hub.look()
            assert watchman.received[0].path == "/beat/secret"
            assert watchman.received[0].json() == {"source": "mail.example.test", "time": manual_clock.time()}
            await hub.look(59)
            assert len(watchman.received) == 1
            await hub.look(1)
            assert len(watchman.received) == 2
            cast(Any, hub.scope())._around.status = broken
            with pytest.raises(RuntimeError, match="no store"):
                await hub.look(60)
            assert len(watchman.received) == 2


async def broken() -> Mapping[str, object]:
    raise RuntimeError("no store")


@pytest.mark.proves("alerting: `hub alerts test RULE --days N` says when a rule would have fired")
async def test_a_rule_is_tried_on_the_last_days(tmp_path: Path) -> None:
    clock = ManualClock(time.time() - 2 * 86400)
    rules = {"breaker-opened": {"count": 2}, "slow": {"metric": "sessions", "above": -1, "for": "10min"}}
    async with alerting(tmp_path, clock, rules=rules) as hub:
        began = int(clock.time())
        await opened(hub)
        await hub.look()
        await hub.look(86400)
        await opened(hub, times=5)
        told = [line for _ in range(13) for line in await hub.look(60)]
        assert [line.split(":")[0] for line in told] == [
            "firing breaker-opened/clamav",
            "resolved breaker-opened/clamav",
        ]
        said = json.loads((await command(tmp_path, "test", "breaker-opened", "--days", "3", "--json")).output)
        (firing,) = said["firings"]
        assert firing["key"] == "breaker-opened/clamav"
        assert began + 86400 - 60 <= firing["began"] <= began + 86400 + 60
        assert 600 <= firing["ended"] - firing["began"] <= 780
        shown = await command(tmp_path, "test", "slow", "--days", "3")
        assert shown.output.startswith("slow would have fired 1 times in the last 3 days\n")
        assert "slow: 0" in shown.output
        assert (
            "would have fired 0 times"
            in (await command(tmp_path, "test", "breaker-opened", "--days", "0.1")).output
        )
        unknown = await command(tmp_path, "test", "nothing")
        assert (
            unknown.exit_code,
            "there is no rule 'nothing'; there are account-alarmed" in unknown.output,
        ) == (1, True)


@pytest.mark.proves(
    "alerting: `hub alerts list | silence | unsilence | fire`, beside a hub that runs or does not"
)
async def test_the_command_lists_silences_and_fires(tmp_path: Path) -> None:
    clock = ManualClock(time.time())
    async with alerting(tmp_path, clock, rules=NOT_ABOUT_SINKS) as hub:
        assert (await command(tmp_path, "list")).output == "no alerts\n"
        await opened(hub)
        hub.will_answer(Attempt("HTTP 400: no"))
        await hub.look()
        made = json.loads(
            (
                await command(
                    tmp_path, "silence", "breaker-*", "--where", "plugin=clam*", "--for", "1h", "--json"
                )
            ).output
        )
        listed = (await command(tmp_path, "list")).output
        assert "firing (silenced)" in listed
        assert "sink: did not take it: HTTP 400: no" in listed
        assert made["id"] in listed
        assert (await command(tmp_path, "unsilence", made["id"])).output == "breaker-* is silent no more\n"
        assert (await command(tmp_path, "unsilence", made["id"])).exit_code == 1
        fired = (
            await command(tmp_path, "fire", "does it arrive?", "--severity", "critical", "--for", "1min")
        ).output
        assert fired.endswith(" fires for 60 s\n")
        assert len(await hub.look(1)) == 1
    said = json.loads((await command(tmp_path, "list", "--json")).output)
    assert sorted(each["state"] for each in said["alerts"]) == ["firing", "firing"]
    assert said["silences"] == []
    assert (await command(tmp_path, "silence", "x", "--for", "soon")).exit_code == 2
    assert (await command(tmp_path, "silence", "x", "--where", "plugin")).exit_code == 2


async def command(folder: Path, *arguments: str) -> Result:
    """`hub alerts …` as from a shell."""
    (script,) = entry_points(group="console_scripts", name="hub")
    words = ["--config", str(folder / "hub.toml"), "alerts", *arguments]
    return await asyncio.to_thread(CliRunner().invoke, script.load(), words)
