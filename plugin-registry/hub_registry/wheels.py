"""Wheels: built from the source tree without the network, the same bytes every time, and kept for good."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from hub_registry.entries import RegistryFault
from hub_registry.project import Project

EPOCH: Final = "1580601600"
"""The time that stands in every wheel (SOURCE_DATE_EPOCH), hatchling's own when there is none."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """One wheel of the registry. metadata: its METADATA file, as it is."""

    path: Path
    sha256: str
    metadata: bytes

    @property
    def version(self) -> Version:
        """By its file name."""
        return parse_wheel_filename(self.path.name)[1]

    @property
    def fields(self) -> Message:
        """The fields of METADATA."""
        return BytesParser().parsebytes(self.metadata)

    def unpack(self, folder: Path) -> None:
        """Lay it out in a folder as pip would with `--target`."""
        with zipfile.ZipFile(self.path) as archive:
            archive.extractall(folder)


def read(path: Path) -> Wheel:
    """A wheel file. RegistryFault if it is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
            return Wheel(path, hashlib.sha256(path.read_bytes()).hexdigest(), archive.read(name))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise RegistryFault(f"{path} is no wheel: {error}") from None


def publish(project: Project, files: Path) -> Wheel:
    """Build the project's wheel into the folder of all wheels. RegistryFault.

    What was published is never changed, for somebody may have installed it and its hash.
    """
    with tempfile.TemporaryDirectory() as temporary:
        built = build(project, Path(temporary))
        published = files / built.path.name
        if not published.exists():
            new = published.with_suffix(".new")
            new.write_bytes(built.path.read_bytes())
            new.rename(published)
        elif hashlib.sha256(published.read_bytes()).hexdigest() != built.sha256:
            raise RegistryFault(
                f"{project.entry.shown}: {project.distribution} {built.version} has other content than is "
                f"published: give it a new version, or remove {published} if nobody has it"
            )
    return read(published)


def build(project: Project, folder: Path) -> Wheel:
    """One wheel, in a process of its own. RegistryFault with what hatchling says."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=project.entry.source,
        env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH, "PYTHONHASHSEED": "0"},
        umask=0o022,
        capture_output=True,
        text=True,
        check=False,
    )
    built = list(folder.glob("*.whl"))
    if done.returncode or len(built) != 1:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise RegistryFault(
            f"{project.entry.shown} cannot be built: {said[-1] if said else 'no wheel came out'}"
        )
    return read(built[0])


def releases(distribution: str, files: Path) -> list[Wheel]:
    """All wheels of a distribution, the newest first."""
    found = [
        read(path)
        for path in files.glob("*.whl")
        if parse_wheel_filename(path.name)[0] == canonicalize_name(distribution)
    ]
    return sorted(found, key=lambda wheel: wheel.version, reverse=True)
