"""Finding and parsing load nothing that they do not need, and no line is looked for in vain."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from hub.config import toml_lines
from hub.config.key import Key
from hub.config.load import Config


@pytest.mark.parametrize("module", ["find", "include", "environment", "secrets", "errors", "units", "key"])
def test_only_the_models_need_pydantic(module: str) -> None:
    code = f"import hub.config.{module}, sys; print({{'pydantic', 'yaml', 'click'}} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert ran.stdout == "set()\n"


def test_a_right_configuration_is_not_searched_for_lines(
    load_text: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[str] = []
    locate = toml_lines.locate

    def noted(text: str) -> dict[Key, int]:
        searched.append(text)
        return locate(text)

    monkeypatch.setattr(toml_lines, "locate", noted)
    config = load_text("[smtp]\nmax_size = 5\n")
    assert searched == []
    assert config.origin("smtp.max_size").line == 2
    assert config.origin("smtp").line == 1
    assert searched == ["[smtp]\nmax_size = 5\n"]
