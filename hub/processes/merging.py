"""The answers of all workers as one: sums, what all of them say, and who says otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias, cast

Fields: TypeAlias = Mapping[str, object]
"""One JSON object."""

OWN: Final = "generation"
"""What differs from worker to worker and says nothing: each counts its own from its start."""


def status(answers: Mapping[int, Fields], workers: Sequence[Fields], pid: int, uptime: float) -> Fields:
    """The hub's: sessions, what drains and waiting writes are sums, the generation is the highest."""
    first = next(iter(answers.values()))
    storage = dict(cast(Fields, first["storage"]))
    for key, value in storage.items():
        if type(value) is int:
            storage[key] = sum(cast(int, cast(Fields, each["storage"])[key]) for each in answers.values())
    return {
        **first,
        "pid": pid,
        "uptime": uptime,
        "generation": max(cast(int, each["generation"]) for each in answers.values()),
        "rolled_back": any(each["rolled_back"] for each in answers.values()),
        "sessions": sum(cast(int, each["sessions"]) for each in answers.values()),
        "draining": sum(cast(int, each["draining"]) for each in answers.values()),
        "unwell": _unwell(answers),
        "plugins": _healths(answers),
        "dependencies": _dependencies(answers),
        "storage": storage,
        "workers": workers,
    }


def _unwell(answers: Mapping[int, Fields]) -> dict[str, str]:
    said: dict[str, list[str]] = {}
    for number, answer in answers.items():
        for name, health in cast(Mapping[str, str], answer["unwell"]).items():
            said.setdefault(name, []).append(f"{health} (worker {number})")
    return {name: "; ".join(healths) for name, healths in said.items()}


def _healths(answers: Mapping[int, Fields]) -> dict[str, dict[str, int]]:
    """Plugin → the sums of what is wrong inside of it."""
    sums: dict[str, dict[str, int]] = {}
    for answer in answers.values():
        for name, numbers in cast(Mapping[str, Mapping[str, int]], answer["plugins"]).items():
            own = sums.setdefault(name, {})
            for key, value in numbers.items():
                own[key] = own.get(key, 0) + value
    return sums


def _dependencies(answers: Mapping[int, Fields]) -> list[Fields]:
    """Each once, with the troubles of all workers."""
    said: dict[tuple[object, object], list[str]] = {}
    for number, answer in answers.items():
        for each in cast(Sequence[Fields], answer["dependencies"]):
            troubles = said.setdefault((each["plugin"], each["name"]), [])
            if each["trouble"] is not None:
                troubles.append(f"{each['trouble']} (worker {number})")
    return [
        {"plugin": plugin, "name": name, "trouble": "; ".join(troubles) or None}
        for (plugin, name), troubles in said.items()
    ]


def destinations(answers: Mapping[int, Sequence[Fields]]) -> list[Fields]:
    """Each destination once: counts are sums; paused for the longest, and what one worker was told of it."""
    merged: dict[object, dict[str, object]] = {}
    for each in (destination for said in answers.values() for destination in said):
        known = merged.setdefault(each["destination"], dict(each))
        if known == each:
            continue
        for key in ("waiting", "connections", "most", "usual", "sent", "deferred"):
            known[key] = cast(int, known[key]) + cast(int, each[key])
        known["paused"] = max(cast(float, known["paused"]), cast(float, each["paused"]))
        known["trouble"] = known["trouble"] or each["trouble"]
    return list(merged.values())


def plugins(answers: Mapping[int, Sequence[Fields]]) -> list[Fields]:
    """Every plugin once; `differs`, if there is one: worker → in what it is not like the first worker."""
    by_worker = {number: {str(each["name"]): each for each in said} for number, said in answers.items()}
    merged = []
    for name in _names(by_worker.values()):
        number, shown = next((n, found[name]) for n, found in by_worker.items() if name in found)
        differs = {
            str(other): _difference(shown, found.get(name))
            for other, found in by_worker.items()
            if other != number and not _alike(shown, found.get(name))
        }
        merged.append({**shown, "differs": differs} if differs else shown)
    return merged


def hooks(answers: Mapping[int, Mapping[str, Sequence[Fields]]]) -> dict[str, list[Fields]]:
    """Hook → its steps; a step that not all workers have carries `workers`, the numbers of those that do."""
    merged: dict[str, list[Fields]] = {}
    for hook in dict.fromkeys(hook for said in answers.values() for hook in said):
        steps: list[tuple[Fields, list[int]]] = []
        for number, said in answers.items():
            for step in said.get(hook, ()):
                known = next((have for each, have in steps if each == step), None)
                if known is None:
                    steps.append((step, [number]))
                else:
                    known.append(number)
        merged[hook] = [
            step if len(have) == len(answers) else {**step, "workers": have} for step, have in steps
        ]
    return merged


def latest(answers: Mapping[int, Sequence[Fields]], count: int) -> list[Fields]:
    """What happened in all of them, by its `at`: the last of it."""
    found = [each for said in answers.values() for each in said]
    return sorted(found, key=lambda each: cast(float, each["at"]))[-count:]


def report(reports: Sequence[Fields], errors: Iterable[str], seconds: float) -> Fields:
    """One report of a reload for all; `errors` are those of the workers that refused."""
    return {
        "generation": max((cast(int, each["generation"]) for each in reports), default=0),
        "changed": {
            name: what for each in reports for name, what in cast(Mapping[str, str], each["changed"]).items()
        },
        "errors": list(dict.fromkeys(errors)),
        "warnings": _once(reports, "warnings"),
        "restart_needed": _once(reports, "restart_needed"),
        "rolled_back": any(each["rolled_back"] for each in reports),
        "config": _once(reports, "config"),
        "new_start": _once(reports, "new_start"),
        "seconds": seconds,
    }


def _once(reports: Sequence[Fields], key: str) -> list[str]:
    return list(dict.fromkeys(line for each in reports for line in cast(Sequence[str], each[key])))


def _names(groups: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(name for names in groups for name in names))


def _alike(one: Fields, other: Fields | None) -> bool:
    return other is not None and all(one[key] == other[key] for key in one if key != OWN)


def _difference(one: Fields, other: Fields | None) -> str:
    if other is None:
        return "does not have it"
    return ", ".join(f"{key} {other[key]}" for key in one if key != OWN and one[key] != other[key])
