"""What an area found, as the JSON and the Markdown that are kept in docs/benchmarks/."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.figure import HUB, Figure
from bench.rounds import FOREIGN_LIMIT
from bench.svg import Chart, svg

NOTES: Final = "notes.md"
"""Written by hand: per area, what stands in the way of its goals."""


@dataclass(frozen=True, slots=True)
class Report:
    """area: names the files. setups: facts by subject, the hub first. notes: what else to know.

    charts: what is drawn of it.
    """

    area: str
    title: str
    setups: Mapping[str, Mapping[str, str]]
    figures: Sequence[Figure]
    notes: Sequence[str] = ()
    charts: Sequence[Chart] = ()

    @property
    def peers(self) -> Sequence[str]:
        """Whom the hub was measured beside."""
        return [subject for subject in self.setups if subject != HUB]


def header(report: Report) -> Sequence[str]:
    """The columns of `rows`, in order."""
    peers = report.peers
    return ["", HUB, *peers, *(f"{HUB} / {peer}" for peer in peers), "goal", "rounds"]


def rows(report: Report) -> Sequence[Sequence[str]]:
    """A line of text per figure."""
    return [_row(figure, report.peers) for figure in report.figures]


def _row(figure: Figure, peers: Sequence[str]) -> Sequence[str]:
    ratios = [figure.ratio(peer) for peer in peers]
    rejected = f", {figure.rejected} rejected" if figure.rejected else ""
    return [
        f"{figure.name}, {figure.unit}",
        *(number(figure.median(subject)) for subject in (HUB, *peers)),
        *("—" if ratio is None else f"{ratio:.2f}" for ratio in ratios),
        _verdict(figure),
        f"{len(figure.accepted)}{rejected}",
    ]


def _verdict(figure: Figure) -> str:
    if figure.goal is None:
        return ""
    reached = {None: "?", True: "reached", False: "missed"}[figure.reached]
    return f"{figure.goal} {reached}"


def number(value: float | None) -> str:
    """Three or more digits of it; a dash for none."""
    if value is None:
        return "—"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def as_json(report: Report, machine: Mapping[str, str]) -> str:
    """Every round, so that others can do their own arithmetic."""
    document = {
        "area": report.area,
        "machine": machine,
        "setups": report.setups,
        "notes": report.notes,
        "figures": [_figure(figure, list(report.setups)) for figure in report.figures],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _figure(figure: Figure, subjects: Sequence[str]) -> Mapping[str, object]:
    return {
        "name": figure.name,
        "unit": figure.unit,
        "goal": figure.goal and str(figure.goal),
        "reached": figure.reached,
        "medians": {subject: figure.median(subject) for subject in subjects},
        "ratios": {subject: figure.ratio(subject) for subject in subjects if subject != HUB},
        "rounds": [
            {
                "accepted": each.accepted,
                "foreign": round(each.foreign, 4),
                "values": {
                    subject: round(value, 3)
                    for subject in each.samples
                    if (value := figure.value(each, subject)) is not None
                },
            }
            for each in figure.rounds
        ],
    }


def as_markdown(report: Report, machine: Mapping[str, str], remarks: str = "") -> str:
    """The page that people read. remarks: Markdown of what stands in the way of the missed goals."""
    columns = header(report)
    lines = [f"# {report.title}", "", f"Made by `make bench`; the rounds are in `{report.area}.json`.", ""]
    lines += [*table(columns, rows(report)), ""]
    lines += [
        f"Medians of interleaved rounds of one run; a ratio is the median of the rounds' own ratios. A round "
        f"during which others used more than {FOREIGN_LIMIT:.0%} of the machine is rejected.",
        "",
        *(f"- {note}" for note in report.notes),
        *([""] if report.notes else []),
    ]
    if remarks:
        lines += ["## What stands in the way", "", remarks, ""]
    for chart in report.charts:
        lines += [f"![{chart.title}]({picture(report, chart)})", ""]
    for subject, setup in report.setups.items():
        lines += [f"**{subject}**", "", *(f"- {key}: {value}" for key, value in setup.items()), ""]
    lines += ["**Machine**", "", *(f"- {key}: {value}" for key, value in machine.items())]
    return "\n".join(lines) + "\n"


def table(columns: Sequence[str], rows: Iterable[Iterable[str]]) -> Sequence[str]:
    """Lines of Markdown."""
    return [_line(columns), _line("---" for _ in columns), *map(_line, rows)]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def picture(report: Report, chart: Chart) -> str:
    """The name of a chart's file, beside the page."""
    return f"{report.area}-{chart.name}.svg"


def section(text: str, title: str) -> str:
    """What a Markdown text says below its second-level heading of that title; nothing without one."""
    _, _, after = f"\n{text}".partition(f"\n## {title}\n")
    return after.partition("\n## ")[0].strip()


def keep(report: Report, machine: Mapping[str, str], folder: Path) -> Sequence[Path]:
    """Write the page, its figures and its charts into the folder; the names follow from the area and charts.

    What a hand-written `notes.md` there says below a heading with the area's name goes into the page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    notes = folder / NOTES
    remarks = section(notes.read_text(), report.area) if notes.exists() else ""
    texts = {
        f"{report.area}.json": as_json(report, machine),
        f"{report.area}.md": as_markdown(report, machine, remarks),
        **{picture(report, chart): svg(chart) for chart in report.charts},
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [folder / name for name in texts]
