"""swaks, the SMTP client of those who test servers."""

from __future__ import annotations

import asyncio
import shutil

import pytest

needs_swaks = pytest.mark.skipif(
    shutil.which("swaks") is None, reason="swaks is not installed: tests/peers/install.sh"
)


async def swaks(*arguments: str) -> tuple[int, str]:
    """Run it; its exit status and what it prints."""
    process = await asyncio.create_subprocess_exec(
        "swaks", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()
