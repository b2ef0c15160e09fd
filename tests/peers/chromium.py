"""Chromium without a window, driven through its debugging pipe (Chrome DevTools Protocol)."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final

import pytest

AXE: Final = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"

FLAGS: Final = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)  # fmt: skip


class Browser:
    """One page; every call waits for its answer."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands = commands
        self._answers = answers
        self._unread = b""
        self._numbers = count(1)
        self._session: str | None = None
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = str(self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        self._ask("Page.enable")

    def look(self, width: int = 1200, height: int = 1000, *, dark: bool = False) -> None:
        """From now on have a window of this size, and a system that prefers light or dark."""
        self._ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])

    def scripts(self, *, on: bool) -> None:
        """Whether the scripts of pages run."""
        self._ask("Emulation.setScriptExecutionDisabled", value=not on)

    def open(self, url: str) -> None:
        """Go to a page and wait until it is loaded."""
        answer = self._ask("Page.navigate", url=url)
        assert "errorText" not in answer, answer
        while self._read().get("method") != "Page.loadEventFired":
            pass

    def run(self, script: str) -> object:
        """The value of a JavaScript expression, awaited."""
        answer = self._ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        result = answer["result"]
        assert isinstance(result, dict)
        return result.get("value")

    def screenshot(self, file: Path) -> None:
        """What is seen, as PNG."""
        answer = self._ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(str(answer["data"])))

    def axe(self) -> list[str]:
        """What axe finds on the page that is serious or critical: rule, and the elements."""
        self.run(f"{AXE.read_text('utf-8')}; true")
        found = self.run(
            "axe.run().then(r => r.violations.map(v => [v.impact, v.id, v.nodes.map(n => n.html)]))"
        )
        assert isinstance(found, list)
        return [f"{rule}: {nodes}" for impact, rule, nodes in found if impact in ("serious", "critical")]

    def _ask(self, method: str, **parameters: object) -> Mapping[str, object]:
        number = next(self._numbers)
        said: dict[str, object] = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            said["sessionId"] = self._session
        content = json.dumps(said).encode() + b"\0"
        while content:
            content = content[os.write(self._commands, content) :]
        while (answer := self._read()).get("id") != number:
            pass
        assert "result" in answer, answer
        result = answer["result"]
        assert isinstance(result, dict)
        return result

    def _read(self) -> Mapping[str, object]:
        while b"\0" not in self._unread:
            more = os.read(self._answers, 1 << 20)
            assert more, "chromium has ended"
            self._unread += more
        line, _, self._unread = self._unread.partition(b"\0")
        said: Mapping[str, object] = json.loads(line)
        return said


@contextmanager
def running_chromium(folder: Path) -> Iterator[Browser]:
    """A browser with a profile of its own in the folder, ended with all its processes."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed: tests/peers/install.sh installs it as root")
    heard, commands = os.pipe()
    answers, said = os.pipe()
    # The browser reads its third descriptor and writes its fourth.
    command = f'exec "$@" 3<&{heard} 4>&{said}'
    process = subprocess.Popen(
        ["bash", "-c", command, "bash", program, *FLAGS, f"--user-data-dir={folder}", "about:blank"],
        pass_fds=(heard, said),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(heard)
    os.close(said)
    try:
        yield Browser(commands, answers)
    finally:
        os.close(commands)
        os.close(answers)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
