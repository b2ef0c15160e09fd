"""The example package goes through pip into a plugin folder, and from there into a running hub."""

import shutil
import subprocess
import sys
from pathlib import Path

from hub.testing.running import running_hub

PACKAGE = Path(__file__).parents[2] / "examples" / "minimal_package"


async def test_the_package_is_live_once_pip_has_put_it_into_the_plugin_folder(tmp_path: Path) -> None:
    source = shutil.copytree(PACKAGE, tmp_path / "source")  # builds leave files behind
    target = tmp_path / "plugins.d" / "first-contact"
    target.mkdir(parents=True)
    target.parent.chmod(0o700)
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--no-build-isolation"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(source)]
    subprocess.run(command, check=True)
    async with running_hub(tmp_path) as hub:
        assert hub.hub.loader.generations.current.plugins["first-contact"].version == "1.0"
        assert (await hub.send())[0] == 250
        [message] = await hub.mailbox()
        assert b"\r\nX-First-Contact: yes\r\n" in message
