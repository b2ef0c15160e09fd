"""Which distributions a plugin needs besides what is there already, found by pip, changing nothing.

pip resolves against what is there (`--dry-run --report`), every version of it pinned, so that nothing that
runs already is replaced. The plugin's own wheel is named by URL and hash: no other index can stand in for it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from hub.registry.index import PREFIX, Listed, RegistryError, Release
from hub.registry.installed import Present

Found: TypeAlias = Mapping[str, Present]


@dataclass(frozen=True, slots=True)
class Needed:
    """One wheel to install. requires: its requirements, as its metadata has them."""

    name: str
    version: str
    url: str
    sha256: str
    requires: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def locked(self) -> str:
        """Its line in a requirements file, which fits this wheel and no other."""
        return f"{self.name} @ {self.url} --hash=sha256:{self.sha256}"


def resolve(plugin: Listed, release: Release, base: str, there: Found) -> list[Needed]:
    """The plugin's wheel, and the libraries that the hub itself does not have. RegistryError.

    base: the URL of the registry's folder; there: what can be imported now, the plugin itself left out. What
    another plugin has brought is brought again, in the same version, for that plugin may go.
    """
    wheel = f"{plugin.distribution} @ {base}{release.file}#sha256={release.sha256}"
    pins = [f"{each.name}=={each.version}" for each in there.values()]
    done, needed = _dry_run(wheel, pins)
    if done.returncode:
        reason = _said(done.stderr)
        if "ResolutionImpossible" in reason:
            planned = _dry_run(wheel, ())[1] or _dry_run(wheel, (), "--no-deps")[1]
            reason = "\n".join(conflicts(planned, there)) or reason
        raise RegistryError(f"{plugin.name} {release.version} cannot be installed: {reason}")
    for each in needed:
        other = canonicalize_name(each.name)
        if other.startswith(PREFIX) and other != canonicalize_name(plugin.distribution):
            raise RegistryError(f"{plugin.name} requires {other}, but a plugin brings no other along")
    return needed


def conflicts(planned: Sequence[Needed], there: Found) -> list[str]:
    """A sentence for each requirement of a plan that what is there does not meet, and who needs that."""
    found = []
    for each in planned:
        for wish in _wishes(each.requires):
            now = there.get(canonicalize_name(wish.name))
            if now is None or wish.specifier.contains(now.version, prereleases=True):
                continue
            holds = [
                f"{other} requires {its}"
                for other in there.values()
                for its in _wishes(other.requires)
                if canonicalize_name(its.name) == canonicalize_name(wish.name) and its.specifier
            ]
            owner = f"the plugin folder {now.folder.name}" if now.folder else "the hub's own environment"
            because = f", and {', '.join(holds)}" if holds else ""
            found.append(f"{each} requires {wish}, but {now} is in {owner}{because}")
    return found


def stage(needed: Sequence[Needed], folder: Path) -> None:
    """Install exactly these wheels into an empty folder. RegistryError."""
    with tempfile.TemporaryDirectory() as temporary:
        locked = Path(temporary) / "locked.txt"
        locked.write_text("".join(f"{each.locked}\n" for each in needed), "utf-8")
        done = _pip(["--no-deps", "--require-hashes", "--target", str(folder), "--requirement", str(locked)])
    if done.returncode:
        raise RegistryError(f"pip cannot install it: {_said(done.stderr)}")


def _dry_run(
    wheel: str, pins: Sequence[str], *options: str
) -> tuple[subprocess.CompletedProcess[str], list[Needed]]:
    with tempfile.TemporaryDirectory() as temporary:
        report, constraints = Path(temporary) / "report.json", Path(temporary) / "there.txt"
        constraints.write_text("".join(f"{pin}\n" for pin in pins), "utf-8")
        done = _pip(["--dry-run", "--report", str(report), "--constraint", str(constraints), *options, wheel])
        if done.returncode:
            return done, []
        return done, [_needed(each) for each in json.loads(report.read_text("utf-8"))["install"]]


def _needed(item: Mapping[str, object]) -> Needed:
    """One entry of pip's installation report."""
    match item:
        case {
            "metadata": {"name": str(name), "version": str(version), **more},
            "download_info": {"url": str(url), "archive_info": {"hashes": {"sha256": str(digest)}}},
        }:
            requires = more.get("requires_dist")
            lines = tuple(map(str, requires)) if isinstance(requires, list) else ()
            return Needed(name, version, url.partition("#")[0], digest, lines)
    raise RegistryError("pip reports a distribution without URL or hash")


def _wishes(requires: Sequence[str]) -> Iterator[Requirement]:
    """The requirements that hold here."""
    for line in requires:
        with contextlib.suppress(InvalidRequirement):
            wish = Requirement(line)
            if wish.marker is None or wish.marker.evaluate({"extra": ""}):
                wish.marker = None
                yield wish


def _pip(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """`pip install`, of wheels alone: building one would run code of its author."""
    if importlib.util.find_spec("pip") is None:
        raise RegistryError(
            f"pip is not in the hub's environment: run {sys.executable} -m ensurepip, or install it there"
        )
    usual = ["install", "--only-binary", ":all:", "--quiet", "--disable-pip-version-check", "--no-input"]
    # Others must be able to read what is installed, and nobody else to write it, whoever runs this.
    return subprocess.run(
        [sys.executable, "-P", "-m", "pip", *usual, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        umask=0o022,
        env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore", "PYTHONWARNINGS": "ignore"},
        check=False,
    )


def _said(stderr: str) -> str:
    """What pip says is wrong, without its advice."""
    lines = [line.removeprefix("ERROR: ").strip() for line in stderr.splitlines() if line.strip()]
    wrong = [line for line in lines if not re.match(r"(WARNING|DEPRECATION|\[notice\])", line)]
    return " ".join(wrong[:6]) or "it does not say why"
