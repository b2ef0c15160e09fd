"""Reads the list, checks it, and writes the folder."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import cast

from hub.registry.index import FILE, TIERS, Index, Listed, Release, Tier
from hub_registry import entries, pages, project, simple, tiers, wheels
from hub_registry.describing import describe
from hub_registry.entries import RegistryFault
from hub_registry.project import Project
from hub_registry.tiers import Subject
from hub_registry.wheels import Wheel

HERE = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Published:
    """One plugin of the registry as it is shown. wheels: its releases, the newest first."""

    project: Project
    listed: Listed
    wheels: Sequence[Wheel]


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 1 if something is wrong with the registry or with a plugin of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--registry", type=Path, default=HERE / "registry.toml", help="the list of plugins")
    parser.add_argument(
        "--output", type=Path, default=HERE.parent / "build" / "registry", help="the folder to write"
    )
    parser.add_argument(
        "--up-to", choices=TIERS, default="proven", help="the highest tier to run the checks of"
    )
    parser.add_argument("--check", action="store_true", help="build and write nothing, only look at the list")
    options = parser.parse_args(arguments)
    try:
        listed = entries.read(options.registry)
        projects = [project.read(entry) for entry in listed.entries]
        faults = [*listed.problems(), *(fault for each in projects for fault in project.problems(each))]
        if not faults and not options.check:
            build(projects, options.output, cast(Tier, options.up_to))
    except RegistryFault as error:
        faults = [str(error)]
    for fault in faults:
        print(f"plugin-registry: {fault}", file=sys.stderr)
    return 1 if faults else 0


def build(projects: Sequence[Project], output: Path, up_to: Tier) -> None:
    """Build and check all plugins, two at once, and write the pages and the index. RegistryFault."""
    files = output / "files"
    files.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda each: _publish(each, files, up_to), projects))
    index = Index(plugins=tuple(each.listed for each in found))
    shutil.rmtree(output / "simple", ignore_errors=True)
    simple.write(output, {each.project.distribution: each.wheels for each in found})
    pages.write(output, index, {each.project.name: each.project.readme for each in found})
    (output / FILE).write_text(index.model_dump_json(indent=1), "utf-8")
    print(f"{len(found)} plugins in {output}")


def _publish(plugin: Project, files: Path, up_to: Tier) -> Published:
    began = perf_counter()
    built = wheels.publish(plugin, files)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "plugins"
        folder.mkdir(mode=0o700)
        unpacked = folder / plugin.name
        built.unpack(unpacked)
        subject = Subject(plugin, unpacked, describe(folder))
        outcomes = tiers.outcomes(subject, up_to=up_to)
    releases = wheels.releases(plugin.distribution, files)
    listed = Listed(
        name=plugin.name,
        summary=plugin.summary,
        licence=plugin.licence,
        tags=plugin.entry.tags,
        tier=tiers.earned(outcomes),
        outcomes=tuple(outcomes),
        hooks=subject.description.hooks,
        drives=subject.description.drives,
        settings=subject.description.settings,
        releases=tuple(map(_release, releases)),
    )
    print(f"{plugin.name} {built.version}: {listed.tier} ({perf_counter() - began:.1f} s)", flush=True)
    return Published(plugin, listed, releases)


def _release(wheel: Wheel) -> Release:
    fields = wheel.fields
    return Release(
        version=str(wheel.version),
        file=f"files/{wheel.path.name}",
        sha256=wheel.sha256,
        requires_python=str(fields["Requires-Python"] or ""),
        requires=tuple(map(str, fields.get_all("Requires-Dist", []))),
    )
