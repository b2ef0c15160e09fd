"""Settings, counting, observing and history by themselves."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hub_plugin_alerts.counting import MOST_KINDS, Counter, Labels, Tally, clean, without_names
from hub_plugin_alerts.history import History, Sample
from hub_plugin_alerts.measuring import count_restarts, minute_of, samples_of
from hub_plugin_alerts.observing import (
    Observation,
    Window,
    fold,
    key_of,
    observe_events,
    observe_metric,
)
from hub_plugin_alerts.settings import DEFAULTS, EVENTS, METRICS, Rule, Settings
from hub_plugin_alerts.tables import METADATA
from hub_plugin_alerts.tracking import Tracked, go_on
from hub_plugin_alerts.wording import shown, span
from pydantic import ValidationError

from hub import Severity
from hub.testing.clock import START, ManualClock
from hub.testing.running import running_hub


def test_default_rules_are_on_and_what_is_said_is_laid_over_them() -> None:
    assert Settings().rules.keys() == DEFAULTS.keys()
    assert all(rule.enabled for rule in Settings().rules.values())
    rules = {"queue-age": {"above": "2h"}, "disk-low": {"enabled": False}, "own": {"event": "login_failed"}}
    changed = Settings.model_validate({"rules": rules}).rules
    assert (changed["queue-age"].above, changed["queue-age"].metric) == (7200, "queue_age")
    assert not changed["disk-low"].enabled
    assert changed["own"].severity is Severity.WARNING
    big = Rule.model_validate({"metric": "disk_free", "below": "2GiB"})
    assert big.below == 2 << 30


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({}, "needs either an `event` or a `metric`"),
        ({"event": "login_failed", "metric": "sessions", "above": 1}, "needs either an `event` or"),
        ({"event": "login_faild"}, "there is no event 'login_faild' here: message_accepted"),
        ({"metric": "load", "above": 1}, "there is no metric 'load'"),
        ({"metric": "sessions"}, "needs either `above` or `below`"),
        ({"metric": "sessions", "above": 1, "below": 2}, "needs either `above` or `below`"),
        ({"event": "login_failed", "above": 1}, "`above` and `below` are for metrics"),
        ({"event": "login_failed", "share": 0.5}, "`share` and `of` belong together"),
        ({"event": "login_failed", "by": ["plugin"]}, "there is no label 'plugin' here: client, mechanism"),
        ({"event": "reload_refused", "where": {"x": "1"}}, "there is no label 'x' here: it has none"),
        ({"event": "login_failed", "text": "{client}"}, "`text` may name {rule}, {value}"),
        ({"event": "login_failed", "text": "{"}, "`text` has a brace too many"),
        ({"event": "login_failed", "text": "{rule.__class__}"}, "`text` may name"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_a_reason(rule: Mapping[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Rule.model_validate(rule)
    assert said in str(raised.value)


@pytest.mark.parametrize("name", ["", "a/b", "manual", "x" * 61])
def test_a_rule_has_a_name_that_fits_a_key(name: str) -> None:
    with pytest.raises(ValidationError, match="a rule has up to 60 characters"):
        Settings.model_validate({"rules": {name: {"event": "login_failed"}}})


def test_patterns_choose_and_exclude() -> None:
    rule = Rule.model_validate({"event": "login_failed", "where": {"client": "!127.*", "protocol": "imap*"}})
    assert rule.admits({"client": "192.0.2.1", "protocol": "imaps"})
    assert not rule.admits({"client": "127.0.0.1", "protocol": "imaps"})
    assert not rule.admits({"client": "192.0.2.1"})


def test_a_counter_is_bounded_and_loses_no_event() -> None:
    counter = Counter()
    for number in range(10_000):
        counter.add(START, "login_failed", {"client": f"192.0.2.{number}"}, "said\n" * 200)
    taken = counter.take()
    assert len(taken) == MOST_KINDS + 1
    assert sum(tally.count for tally in taken.values()) == 10_000
    assert taken[minute_of(START), "login_failed", ()].count == 10_000 - MOST_KINDS
    assert max(len(tally.text) for tally in taken.values()) <= 400
    counter.add(START, "login_failed", {"client": "192.0.2.0"})
    counter.give_back(taken)
    again = counter.take()
    assert len(again) == MOST_KINDS + 1
    assert sum(tally.count for tally in again.values()) == 10_001
    assert clean("a\x00b\ud800\n c" + "x" * 1000) == "a?b? c" + "x" * 74


def test_a_window_forgets_minute_by_minute() -> None:
    window = Window(3)
    for minute in range(10):
        window.add([((minute, "reload_refused", ()), Tally(1))])
        window.go_to(minute)
        assert window.sums["reload_refused", ()].count == min(minute + 1, 3)
    window.go_to(20)
    assert window.sums == {}


def test_keys_are_short_and_differ() -> None:
    assert key_of("rule", ()) == "rule"
    assert key_of("rule", ("a", "b")) == "rule/a/b"
    assert len(key_of("rule", ("x" * 300,))) < 60
    assert key_of("rule", ("x" * 300,)) != key_of("rule", ("x" * 301,))
    assert key_of("rule", ("others",)) != "rule/others"


def test_a_share_needs_enough_events_and_the_worst_sample_of_a_group_counts() -> None:
    rule = Rule.model_validate(
        {
            "event": "message_refused",
            "of": ["message_accepted", "message_refused"],
            "share": 0.5,
            "count": 3,
            "by": ["protocol"],
        }
    )
    smtp, lmtp = (("protocol", "smtp"),), (("protocol", "lmtp"),)
    sums: dict[tuple[str, Labels], Tally] = {
        ("message_refused", smtp): Tally(3),
        ("message_accepted", smtp): Tally(2),
        ("message_refused", lmtp): Tally(2),
    }
    assert list(observe_events("r", rule, sums)) == ["r/smtp"]
    metric = Rule.model_validate({"metric": "dependency_down", "above": 0, "where": {"plugin": "a*"}})
    samples = [
        Sample("dependency_down", (("plugin", name), ("dependency", "x")), value, name)
        for name, value in (("a", 1), ("ab", 2), ("b", 3))
    ]
    assert observe_metric("m", metric, samples)["m"].text == "ab"


def test_what_is_known_is_kept_when_there_is_too_much() -> None:
    seen = {f"r/{n}": Observation(f"r/{n}", {"l": str(n)}, str(n), n, float(n)) for n in range(1, 9)}
    kept = fold("r", seen, {"r/1": None}, 3)
    assert list(kept) == ["r/1", "r/8", "r/7", "r/others"]
    assert (kept["r/others"].count, kept["r/others"].text) == (2 + 3 + 4 + 5 + 6, "6, 5, 4, 3, 2")


def test_a_flapping_condition_is_one_alert() -> None:
    rule = Rule.model_validate({"event": "reload_refused", "quiet": 60})
    seen = {"r": Observation("r", {}, "1", 1, 1.0)}
    known: dict[str, Tracked] = {}
    for now, sees, state in (
        (0, seen, "firing"),
        (10, {}, "firing"),
        (69, seen, "firing"),
        (80, {}, "firing"),
        (140, {}, "resolved"),
        (150, seen, "firing"),
    ):
        for key, after in go_on("r", rule, sees, known, now).items():
            assert after is not None
            known[key] = Tracked.read(after.written())
        assert known["r"].state == state
    assert known["r"].fired == 0


@pytest.mark.parametrize("metric", METRICS)
def test_values_are_shown_with_their_units(metric: str) -> None:
    assert shown(metric, 7200.0) in ("2 h", "7.03 KiB", "7200.0 %", "7200")
    assert (span(90), span(86400 * 3), span(0.4)) == ("90 s", "3 d", "0.4 s")


@pytest.fixture(params=["sqlite", "postgresql"])
async def scope(
    request: pytest.FixtureRequest, tmp_path: Path, manual_clock: ManualClock
) -> AsyncIterator[Any]:
    """The plugin's own, in a hub whose store is real."""
    storage = {} if request.param == "sqlite" else {"url": request.getfixturevalue("postgres_url")}
    tables = {"plugins": {"storage-sql": storage}}
    async with running_hub(
        tmp_path, plugins=["alerts"], tables=tables, accounts=(), clock=manual_clock
    ) as hub:
        yield hub.hub.kernel.generations.current.plugins["alerts"]


async def test_history_adds_up_and_is_bounded(scope: Any) -> None:
    history = History(await scope.tables(METADATA))
    minute = minute_of(START)
    labels = (("client", '"\\“ü'),)
    for number in range(10):
        kind = (minute + number, "login_failed", labels)
        # As two workers do.
        await asyncio.gather(history.add({kind: Tally(1, "first")}), history.add({kind: Tally(2)}))
        await history.measure(START + 60 * number, [Sample("sessions", (), float(number), "said")])
        await history.measure(START + 60 * number + 30, [Sample("sessions", (), 99.0)])
    entries = await history.events(minute + 5)
    assert [kind for kind, _ in entries] == [(minute + n, "login_failed", labels) for n in range(5, 10)]
    assert entries[0][1] == Tally(3, "first")
    values = [(at, each.value) for at, each in await history.samples(minute + 8, "sessions")]
    assert values == [(minute + 8, 8.0), (minute + 9, 9.0)]
    await history.forget(minute + 2)
    assert len(await history.events(0)) == 8
    await history.forget(0, most=3)
    assert [kind[0] - minute for kind, _ in await history.events(0)] == [7, 8, 9]


@pytest.mark.parametrize("scope", ["sqlite"], indirect=True)
async def test_what_cannot_be_measured_is_left_out(scope: Any) -> None:
    status = await scope.status()
    assert {each.metric for each in samples_of(status)} >= {"disk_free", "queue_rows", "dependency_down"}
    broken = {**status, "store": {"trouble": "x"}, "queue": {"trouble": "x"}, "unwell": {"p": "breaker open"}}
    assert {each.metric for each in samples_of(broken)} == {
        "sessions",
        "set_aside",
        "plugin_unwell",
        "dependency_down",
    }


@pytest.mark.parametrize("scope", ["sqlite"], indirect=True)
async def test_each_replaced_worker_is_counted_once(scope: Any) -> None:
    def status(pid: int, *restarts: int) -> dict[str, object]:
        workers = [
            {"number": n, "restarts": r, "last_death": "signal SIGKILL"} for n, r in enumerate(restarts)
        ]
        return {"pid": pid, "workers": workers}

    counter = Counter()
    counted = []
    for said in (
        status(1, 0, 0),
        status(1, 1, 0),
        status(1, 1, 0),
        status(1, 1, 3),
        status(2, 0, 1),
        {"pid": 2},
    ):
        await count_restarts(scope, counter, said)
        counted.append(sum(tally.count for tally in counter.take().values()))
    assert counted == [0, 1, 0, 3, 1, 0]
    rule = Settings().rules["worker-replaced"]
    assert rule.admits({"worker": "1", "why": "signal SIGKILL"})
    assert not rule.admits({"worker": "1", "why": "hub reload --workers"})
    assert set(EVENTS) >= {rule.event for rule in Settings().rules.values() if rule.event}


def test_of_an_address_only_the_domain_leaves_the_hub() -> None:
    text = "ValueError: <bob.o'neil+x@example.org> and alice@[192.0.2.1], 5 @ 3, user@"
    shown = without_names(text)
    assert shown == "ValueError: <…@example.org> and …@[192.0.2.1], 5 @ 3, user@"
