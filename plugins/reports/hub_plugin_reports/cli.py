"""`hub reports`: what others say of our mail and our servers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click

from hub import CommandContext, Plugin, show_table
from hub_plugin_reports import keeping
from hub_plugin_reports.keeping import Question
from hub_plugin_reports.tables import METADATA

NAME: Final = "reports"
DAY: Final = 86400.0

_days = click.option(
    "--days", type=click.IntRange(1, 4000), default=30, show_default=True, help="So many back."
)
_domain = click.option("--domain", help="Only what was reported of this domain of yours.")
_json = click.option("--json", "as_json", is_flag=True, help="As JSON.")


@click.group()
def reports() -> None:
    """Show what others report of your domains: DMARC of your mail, TLS of your servers."""


@reports.command()
@_days
@_domain
@click.option("--kind", type=click.Choice(["dmarc", "tls"]), help="Only reports of this kind.")
@click.option("--most", type=click.IntRange(1, 1000), default=10, show_default=True, help="Failures to show.")
@_json
@click.pass_obj
def summary(
    context: CommandContext, days: int, domain: str | None, kind: str | None, most: int, as_json: bool
) -> None:
    """Sum them up: how much passed, and what did not."""

    async def work(plugin: Plugin, question: Question) -> tuple[Sequence[Any], Sequence[Any]]:
        tables = await plugin.tables(METADATA)
        return await keeping.summary(tables, question), await keeping.failures(tables, question, most)

    async def read() -> tuple[Sequence[Any], Sequence[Any]]:
        async with context.open_plugin(NAME) as plugin:
            return await work(plugin, Question(plugin.clock.time() - days * DAY, kind, domain))

    found, failed = context.run(read())
    if as_json:
        said = {"domains": list(map(_mapping, found)), "failures": list(map(_mapping, failed))}
        click.echo(json.dumps(said, indent=2, ensure_ascii=False))
        return
    if not found:
        click.echo(f"Nothing was reported of the last {days} days.")
        return
    show_table(
        ("report", "domain", "reports", "from", "counted", "passed"),
        [
            (
                each.kind,
                each.domain,
                f"{each.reports:,}",
                f"{each.reporters:,}",
                f"{each.total:,}",
                _share(each),
            )
            for each in found
        ],
    )
    if failed:
        click.echo("What did not pass, the most first:")
        show_table(
            ("report", "domain", "source", "count", "outcome", "detail"),
            [
                (each.kind, each.domain, each.source, f"{each.total:,}", each.outcome, each.detail)
                for each in failed
            ],
        )


@reports.command("list")
@_days
@_domain
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="At most so many."
)
@_json
@click.pass_obj
def list_reports(context: CommandContext, days: int, domain: str | None, limit: int, as_json: bool) -> None:
    """List the reports, the newest first, with who sent them."""

    async def read() -> Sequence[Any]:
        async with context.open_plugin(NAME) as plugin:
            question = Question(plugin.clock.time() - days * DAY, None, domain)
            return await keeping.kept(await plugin.tables(METADATA), question, limit)

    found = context.run(read())
    if as_json:
        click.echo(json.dumps(list(map(_mapping, found)), indent=2, ensure_ascii=False))
    elif not found:
        click.echo(f"Nothing was reported of the last {days} days.")
    else:
        show_table(
            ("until", "report", "domain", "reporter", "sent by", "id"),
            [
                (
                    f"{datetime.fromtimestamp(each.end, UTC):%Y-%m-%d}",
                    each.kind,
                    each.domain,
                    each.reporter,
                    each.sender if each.authentic else f"{each.sender} (not shown to be)",
                    each.identity,
                )
                for each in found
            ],
        )


def _share(row: Any) -> str:
    return f"{100 * row.passed / row.total:.1f} %" if row.total else ""


def _mapping(row: Any) -> dict[str, object]:
    return dict(row._mapping)
