"""What is loaded, in the plain values that the control socket carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from hub.loading.catalogue import Catalogue
from hub.loading.reload import Lineup, Member, Report
from hub.loading.scope import Scope


class PluginInfo(TypedDict):
    """One plugin for `hub plugins`.

    generation: the one that it came with; health: `ok`, or what is wrong; on_disk: `same` if what serves is
    what is there, else `other` or `gone`.
    """

    name: str
    version: str
    summary: str
    kind: str
    source: str
    generation: int
    health: str
    on_disk: str
    drives: list[str]
    hooks: list[str]
    shadowed: list[str]


class Health(TypedDict):
    """One plugin for `status`, as numbers that add up over workers.

    breaker_open: 1 if it is; threads_hung and facts_dropped: how many.
    """

    breaker_open: int
    threads_hung: int
    facts_dropped: int


class StepInfo(TypedDict):
    """One step for `hub hooks`. timeout: seconds; max_size: octets."""

    plugin: str
    on_failure: str
    timeout: float
    max_size: int | None
    place: str


def plugins(lineup: Lineup, catalogue: Catalogue, on_disk: Mapping[str, str]) -> list[PluginInfo]:
    """Every plugin that serves, in run order. on_disk: name → digest of what was last found there."""
    return [
        _plugin(member, lineup, catalogue, on_disk.get(member.wish.name))
        for member in lineup.members.values()
    ]


def _plugin(member: Member, lineup: Lineup, catalogue: Catalogue, digest: str | None) -> PluginInfo:
    source = member.wish.loaded.source
    on_disk = "gone" if digest is None else "same" if digest == member.wish.loaded.digest else "other"
    return PluginInfo(
        name=source.name,
        version=source.version,
        summary=member.wish.loaded.summary,
        kind=str(source.kind),
        source=str(source.location),
        generation=member.since,
        health=_health(member.scope),
        on_disk=on_disk,
        drives=list(member.wish.drives),
        hooks=[
            hook
            for hook, plan in lineup.generation.plans.items()
            if any(step.plugin == source.name for step in plan.steps)
        ],
        shadowed=[
            f"{each.source.kind} {each.source.location}"
            for each in catalogue.shadowed
            if each.source.name == source.name
        ],
    )


def healths(lineup: Lineup) -> dict[str, Health]:
    """Plugin → what is wrong inside of it."""
    return {name: _numbers(member.scope) for name, member in lineup.members.items()}


def _numbers(scope: Scope) -> Health:
    return Health(
        breaker_open=int(scope.breaker.open),
        threads_hung=scope.threads.hung,
        facts_dropped=scope.notifier.dropped,
    )


def _health(scope: Scope) -> str:
    found = _numbers(scope)
    wrong = []
    if found["breaker_open"]:
        wrong.append("breaker open")
    if found["threads_hung"]:
        wrong.append(f"{found['threads_hung']} threads hang")
    if found["facts_dropped"]:
        wrong.append(f"{found['facts_dropped']} facts dropped")
    return ", ".join(wrong) or "ok"


def dependencies(lineup: Lineup) -> list[Mapping[str, str | None]]:
    """What the plugins need outside, and what is wrong with it: `plugin`, `name`, `trouble`."""
    return [
        {"plugin": name, "name": each, "trouble": trouble}
        for name, member in lineup.members.items()
        for each, trouble in sorted(member.scope.dependencies.items())
    ]


def hooks(lineup: Lineup) -> Mapping[str, Sequence[StepInfo]]:
    """Hook → its steps in the order in which they run."""
    return {
        name: [
            StepInfo(
                plugin=step.plugin,
                on_failure=step.on_failure.name,
                timeout=step.timeout,
                max_size=step.max_size,
                place=lineup.members[step.plugin].wish.loaded.source.shown(step.function.__code__.co_filename)
                + f":{step.function.__code__.co_firstlineno}",
            )
            for step in plan.steps
        ]
        for name, plan in lineup.generation.plans.items()
    }


def described(report: Report) -> dict[str, object]:
    """What a reload did; of the configuration nothing yet."""
    return {
        "generation": report.generation,
        "changed": {name: what for name, what in report.changed.items() if what != "kept"},
        "errors": list(map(str, report.errors)),
        "warnings": list(map(str, report.warnings)),
        "restart_needed": list(report.restart_needed),
        "seconds": report.seconds,
        "rolled_back": report.rolled_back,
        "config": [],
        "new_start": [],
    }
