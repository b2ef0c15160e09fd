"""What is kept and shown of made-up figures."""

import io
import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bench.figure import Figure, Goal
from bench.index import front_page
from bench.report import Report, as_json, as_markdown, keep, number, section
from bench.rounds import Round, Sample
from bench.svg import Bars, svg
from bench.terminal import show

ROUNDS = [
    Round({"hub": Sample({"rate": 4000.5}, 0.01), "Postfix": Sample({"rate": 500.0}, 0.0)}),
    Round({"hub": Sample({"rate": 10.0}, 0.5), "Postfix": Sample({"rate": 500.0}, 0.0)}),
]
REPORT = Report(
    area="smtp",
    title="SMTP",
    setups={"hub": {"version": "1"}, "Postfix": {"version": "3.7"}},
    figures=[Figure("4 KiB, reused", "mails/s", "rate", ROUNDS, Goal(10, "Postfix"))],
    notes=["Loopback."],
)
ROW = ["4 KiB, reused, mails/s", "4,000", "500", "8.00", "≥ 10 × Postfix missed", "1, 1 rejected"]


def test_the_page_has_the_medians_the_ratio_and_the_rejected_rounds() -> None:
    page = as_markdown(REPORT, {"cores": "2"})
    assert f"| {' | '.join(ROW)} |" in page.splitlines()
    for line in ("- cores: 2", "- Loopback.", "- version: 3.7"):
        assert line in page.splitlines()


def test_the_terminal_shows_the_same_row() -> None:
    output = io.StringIO()
    show(REPORT, Console(file=output, width=160))
    assert " ".join(" ".join(ROW).split()) in [
        " ".join(line.split()) for line in output.getvalue().splitlines()
    ]


def test_what_is_kept_is_named_after_its_area_and_has_every_round(tmp_path: Path) -> None:
    paths = keep(REPORT, {"cores": "2"}, tmp_path / "benchmarks")
    assert [path.name for path in paths] == ["smtp.json", "smtp.md"]
    kept = json.loads(paths[0].read_text())
    assert kept["machine"] == {"cores": "2"}
    [figure] = kept["figures"]
    assert (figure["medians"], figure["ratios"]) == ({"hub": 4000.5, "Postfix": 500.0}, {"Postfix": 8.001})
    assert [(each["accepted"], each["values"]["hub"]) for each in figure["rounds"]] == [
        (True, 4000.5),
        (False, 10.0),
    ]


def test_charts_are_kept_beside_the_page_that_shows_them(tmp_path: Path) -> None:
    chart = Bars("rate", "Mail taken", "mails/s", ["4 KiB"], {"hub": [4000.0]})
    paths = keep(replace(REPORT, charts=[chart]), {}, tmp_path)
    assert [path.name for path in paths] == ["smtp.json", "smtp.md", "smtp-rate.svg"]
    assert "![Mail taken](smtp-rate.svg)" in paths[1].read_text().splitlines()
    assert paths[2].read_text() == svg(chart)


def test_what_is_written_by_hand_of_an_area_is_on_its_page(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text(
        "# Notes\n\n## smtp\n\nThe *disk*.\n\n- And more.\n\n## smtp2\n\nElse.\n"
    )
    page = keep(REPORT, {}, tmp_path)[1].read_text()
    assert "## What stands in the way\n\nThe *disk*.\n\n- And more.\n\n**hub**" in page
    assert "Else" not in page
    assert "stands in the way" not in as_markdown(REPORT, {})


def test_a_section_ends_where_the_next_begins() -> None:
    text = "## one\n1\n### deeper\n2\n## two\n3"
    assert [section(text, title) for title in ("one", "two", "three")] == ["1\n### deeper\n2", "3", ""]


def test_the_front_page_has_every_goal_of_every_area(tmp_path: Path) -> None:
    reached = Figure("p99", "ms", "rate", ROUNDS, Goal(5000))
    keep(REPORT, {}, tmp_path)
    keep(
        Report("latency", "Latency", {"hub": {}}, [reached, Figure("p50", "ms", "rate", ROUNDS)]),
        {},
        tmp_path,
    )
    (tmp_path / "soak.json").write_text("{}")  # it is no area's
    lines = front_page(tmp_path).splitlines()
    assert "| [latency](latency.md) | p99, ms | 4,000 |  | ≤ 5000 | reached |" in lines
    assert (
        "| [smtp](smtp.md) | 4 KiB, reused, mails/s | 4,000 | Postfix 500; 8.00 × Postfix | ≥ 10 × Postfix | "
        "**missed** |"
    ) in lines
    assert not any("p50" in line for line in lines)
    assert "soak.md" not in front_page(tmp_path)


def test_a_subject_that_was_measured_otherwise_has_a_dash() -> None:
    figure = Figure(
        "idle", "KiB", "idle", [Round({"hub": Sample({"idle": 4.0}, 0), "Postfix": Sample({}, 0)})]
    )
    report = replace(REPORT, figures=[figure])
    assert "| idle, KiB | 4.00 | — | — |  | 1 |" in as_markdown(report, {}).splitlines()
    assert json.loads(as_json(report, {}))["figures"][0]["rounds"][0]["values"] == {"hub": 4.0}


def test_numbers_keep_three_digits() -> None:
    assert [number(value) for value in (12345.6, 99.94, 1.234, None)] == ["12,346", "99.9", "1.23", "—"]
