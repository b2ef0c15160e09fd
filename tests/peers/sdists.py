"""Source distributions that tests take their data from: fetched once, checked by their hash, never run."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Final

import pytest

CACHE: Final = Path(sys.prefix) / "sdists"


def unpacked(name: str, version: str, sha256: str) -> Path:
    """The folder of a distribution, in the virtual environment. Without a registry the test fails."""
    folder = CACHE / f"{name}-{version}"
    if not folder.is_dir():
        CACHE.mkdir(exist_ok=True)
        wanted = CACHE / f"{name}.txt"
        wanted.write_text(f"{name}=={version} --hash=sha256:{sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--no-binary", ":all:", "--require-hashes", "--dest", str(CACHE)]
        done = subprocess.run([*command, "-r", str(wanted)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.fail(f"{name} {version} cannot be fetched, and the test needs its data: {done.stderr}")
        with tarfile.open(next(CACHE.glob(f"{name}-{version}.tar.*"))) as archive:
            archive.extractall(CACHE, filter="data")
    return folder
