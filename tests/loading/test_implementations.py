"""A plugin that calls the implementations of a hook one by one, and reads the hub's status."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.mail.alert import Alert, AlertStatus, Attempt, Severity
from hub.testing.plugin import PluginScope
from hub.testing.running import running_hub

ALERT = Alert("k", "r", Severity.INFO, AlertStatus.FIRING, "s", "mail.example.test", 0.0)
SINK = '''"""A sink."""
from hub import Attempt, hookimpl

@hookimpl
async def send_alert(alert):
    {body}
'''


async def test_each_implementation_answers_or_fails_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "plugins.d"
    folder.mkdir(mode=0o700)
    (folder / "good.py").write_text(SINK.format(body="return Attempt(alert.summary)"))
    (folder / "bad.py").write_text(SINK.format(body="return 'text'"))
    async with running_hub(tmp_path, accounts=()) as hub:
        scope = hub.hub.kernel.generations.current.plugins["good"]
        found = scope.implementations("send_alert")
        assert list(found) == ["bad", "good"]
        assert await found["good"](alert=ALERT) == Attempt("s")
        with pytest.raises(RuntimeError, match="bad failed in send_alert: it returned str"):
            await found["bad"](alert=ALERT)
        with pytest.raises(TypeError, match="send_alert takes alert"):
            await found["good"](alarm=ALERT)
        for wrong in ("send_alerts", "message_accepted"):
            with pytest.raises(LookupError, match=wrong):
                scope.implementations(wrong)
        status = await scope.status()
        assert status["hostname"] == "mail.example.test"


async def test_without_a_hub_there_is_nobody_to_ask(plugin_scope: PluginScope) -> None:
    scope = plugin_scope("alone")
    with pytest.raises(LookupError, match="no plugin is running"):
        scope.implementations("send_alert")
    with pytest.raises(RuntimeError, match="there is no hub around"):
        await scope.status()
