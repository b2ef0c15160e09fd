"""The front page of the kept reports: every goal of every area, and whether it is reached."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from bench.figure import HUB
from bench.report import number, table

NAME: Final = "README.md"
_VERDICTS: Final = {True: "reached", False: "**missed**", None: "not known"}


def front_page(folder: Path) -> str:
    """Markdown over what the JSON files in the folder say; they were kept, perhaps, by different runs."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    reports = [each for each in found if "area" in each]  # the soak's has its own page
    soak = "`make soak` has run the long loops: [soak.md](soak.md)." if (folder / "soak.md").exists() else ""
    lines = [
        "# Measured",
        "",
        "`make bench ARGS=--keep` writes these pages: the hub, as `hub serve` starts by default, beside its",
        'peers on one machine, in one run, in interleaved rounds; `ARGS="--full --keep"` takes the largest',
        'sizes, `ARGS="--only smtp --keep"` one area. What stands in the way of a missed goal is written by',
        "hand in [notes.md](notes.md) and is part of its area's page.",
        "",
        *table(("area", "figure", HUB, "beside it", "goal", ""), _goals(reports)),
        "",
        "Pages: " + ", ".join(f"[{report['area']}]({report['area']}.md)" for report in reports) + f". {soak}",
    ]
    return "\n".join(lines).rstrip() + "\n"


def _goals(reports: list[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for report in reports:
        area = report["area"]
        for figure in report["figures"]:
            if figure["goal"] is None:
                continue
            peers = [
                f"{peer} {number(value)}"
                for peer, value in figure["medians"].items()
                if peer != HUB and value
            ]
            ratios = [f"{ratio:.2f} × {peer}" for peer, ratio in figure["ratios"].items() if ratio]
            yield (
                f"[{area}]({area}.md)",
                f"{figure['name']}, {figure['unit']}",
                number(figure["medians"][HUB]),
                "; ".join((*peers, *ratios)),
                figure["goal"],
                _VERDICTS[figure["reached"]],
            )
