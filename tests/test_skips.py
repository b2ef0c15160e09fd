"""HUB_NO_SKIPS=1 is what keeps a green run in CI from hiding tests that never ran."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CASES = {
    "skipped": "import pytest\n\ndef test_a():\n    pytest.skip('no peer')\n",
    "module_skipped": "import pytest\n\npytest.skip('no peer', allow_module_level=True)\n",
    "xfailed": "import pytest\n\n@pytest.mark.xfail\ndef test_a():\n    assert False\n",
    "passed": "def test_a():\n    pass\n",
}


def run_pytest(folder: Path, case: str, no_skips: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text((ROOT / "conftest.py").read_text())
    (folder / f"test_{case}.py").write_text(CASES[case])
    (folder / "pytest.ini").write_text("[pytest]\n")
    # What is installed beside pytest has no say in this, and ddtrace alone takes a second to be imported.
    environment = {**os.environ, "HUB_NO_SKIPS": no_skips, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("case", ["skipped", "module_skipped"])
def test_a_skip_fails_the_session_and_is_named(tmp_path: Path, case: str) -> None:
    result = run_pytest(tmp_path, case, no_skips="1")
    assert result.returncode == pytest.ExitCode.TESTS_FAILED, result.stdout
    assert f"test_{case}.py" in result.stdout
    assert "no peer" in result.stdout


@pytest.mark.parametrize("case", ["passed", "xfailed"])
def test_what_ran_does_not_fail_the_session(tmp_path: Path, case: str) -> None:
    result = run_pytest(tmp_path, case, no_skips="1")
    assert result.returncode == pytest.ExitCode.OK, result.stdout


def test_skips_are_fine_where_peers_may_be_missing(tmp_path: Path) -> None:
    result = run_pytest(tmp_path, "skipped", no_skips="")
    assert result.returncode == pytest.ExitCode.OK, result.stdout
