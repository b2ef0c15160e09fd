"""What is counted, and what is kept of it, without a hub."""

import json
import re
from pathlib import Path

import pytest
from hub_plugin_prometheus import metrics
from hub_plugin_prometheus.counts import Counts, merged
from hub_plugin_prometheus.exposition import exposition, gauges
from hub_plugin_prometheus.recording import count
from hub_plugin_prometheus.slots import Slot
from prometheus_client.parser import text_string_to_metric_families

from hub import TraceRecord

README = Path(__file__).parent.parent / "README.md"


def strange(number: int) -> list[TraceRecord]:
    """Records in which all that a stranger can choose is something else each time."""
    word = f"d{number}.example"
    return [
        (0, word, "session", word, None, "opened", 0, word),
        (0, word, "command", word, None, word, 1000, word),
        (0, word, "command", "DATA", None, f"{number % 10}50 {word}", 1000, word),
        (0, word, "hook", f"hook{number % 300}", f"plugin{number % 400}", word, number, word),
        (0, word, "hook", "check_message", f"plugin{number % 400}", word, number, word),
        (0, word, "commit", word, None, "durable", number, f"{number} octets"),
        (0, word, "delivery", word, None, "delivered", 0, word),
        (0, word, "note", "login", None, word, 0, word),
        (0, word, "note", "checks", None, word, 0, word),
        (0, word, "note", word, None, word, 0, word),
    ]


async def test_a_million_domains_stay_under_five_thousand_series() -> None:
    assert sum(metric.series for metric in metrics.ALL) < 5000
    counts = Counts()
    for number in range(100_000):  # ten names in each
        count(counts, ("smtp", "imap", "http")[number % 3], strange(number), 0)
    text = (await exposition(counts, gauges({}))).decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    assert len(samples) < 5000
    assert not re.search(r"d\d+\.example", text)


def test_what_cannot_be_told_apart_any_more_is_still_counted() -> None:
    counts = Counts()
    for number in range(1000):
        counts.add(metrics.BREAKER_OPENED, f"plugin{number}")
    rows = counts.rows[metrics.BREAKER_OPENED.name]
    assert len(rows) == metrics.BREAKER_OPENED.limit + 1
    assert rows["other",] == [1000.0 - metrics.BREAKER_OPENED.limit]


def test_a_value_is_in_the_bucket_that_it_fits_into() -> None:
    counts = Counts()
    for value in (1.0, 1000.0, 1001.0, 1e9):
        counts.observe(metrics.MESSAGE_BYTES, value)
    row = counts.rows[metrics.MESSAGE_BYTES.name][()]
    assert (row[0], row[1], row[-2], row[-1]) == (2, 1, 1, 1e9 + 2002)


def test_an_lmtp_message_that_some_recipients_refuse_counts_once() -> None:
    counts = Counts()
    kept = (0, "m", "commit", "b", None, "durable", 1, "10 octets")
    refused = (0, "m", "command", "DATA", None, "552 5.2.2", 0, "")
    out_of_order = (0, "m", "command", "DATA", None, "503 5.5.1", 0, "")
    count(counts, "lmtp", [kept, refused], 0)
    count(counts, "lmtp", [refused, refused], 0)
    count(counts, "lmtp", [out_of_order], 3)
    assert counts.rows[metrics.MESSAGES.name] == {("lmtp", "accepted"): [1], ("lmtp", "refused"): [1]}
    assert counts.rows[metrics.RECORDS_LOST.name] == {(): [3]}


def test_who_starts_after_a_death_goes_on_with_what_was_counted_there(tmp_path: Path) -> None:
    first, second = Slot(tmp_path), Slot(tmp_path)
    with first, second:
        assert (first.number, second.number) == (0, 1)
        first.counts.add(metrics.RELOADS, "served", by=3)
        second.counts.add(metrics.RELOADS, "served", by=2)
        second.counts.add(metrics.BREAKER_OPENED, "x", by=5)
        second.write(second.counts.plain())
        assert len(first.others({0})) == 1
    with Slot(tmp_path) as third, Slot(tmp_path) as fourth:
        assert third.counts.rows == first.counts.rows
        whole = merged([third.counts.plain(), *third.others({third.number})])
        assert whole.rows[metrics.RELOADS.name] == {("served",): [3]}  # every worker sees each
        assert fourth.counts.rows[metrics.BREAKER_OPENED.name] == {("x",): [5]}


@pytest.mark.parametrize(
    "text",
    [
        "", "[", "[]", "null", '{"unknown": [[["x"], [1]]]}', '{"hub_reloads_total": [[["a", "b"], [1]]]}',
        '{"hub_message_bytes": [[[], [1, 2]]]}',
    ],
)  # fmt: skip
def test_what_another_version_left_is_no_trouble(tmp_path: Path, text: str) -> None:
    (tmp_path / "0.json").write_text(text)
    with Slot(tmp_path) as slot:
        assert slot.counts.rows == Counts().rows


def test_a_whole_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    counts = Counts()
    count(counts, "smtp", strange(1), 0)
    again = merged([json.loads(json.dumps(counts.plain()))])
    assert again.rows == counts.rows


def test_the_readme_lists_every_metric_and_no_other() -> None:
    row = re.compile(r"^\| `(hub_\w+)` \| (\w+) \| ([^|]*) \| ([^|]+) \|$", re.MULTILINE)
    assert [tuple(map(str.strip, cells)) for cells in row.findall(README.read_text())] == [
        (metric.name, metric.kind, ", ".join(metric.labels), metric.help) for metric in metrics.ALL
    ]
