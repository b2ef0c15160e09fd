"""What is kept and shown of made-up figures."""

import io
import json
from pathlib import Path

from rich.console import Console

from bench.figure import Figure, Goal
from bench.report import Report, as_markdown, keep, number
from bench.rounds import Round, Sample
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


def test_numbers_keep_three_digits() -> None:
    assert [number(value) for value in (12345.6, 99.94, 1.234, None)] == ["12,346", "99.9", "1.23", "—"]
