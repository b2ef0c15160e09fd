"""The fixture `hub` gives a plugin's author a real hub with that plugin and no configuration."""

from __future__ import annotations

import pytest

pytest_plugins = ("pytester",)

PLUGIN = '''
"""Refuse some, late."""

from pydantic import BaseModel, Field

from hub import Defer, Reject, hookimpl


class Settings(BaseModel):
    name: str = Field(default="nobody", description="Whose mail is refused.")


@hookimpl
async def smtp_rcpt(plugin, recipient):
    if recipient.local == plugin.settings(Settings).name:
        return Reject("5.1.1", "not here")
    if plugin.clock.monotonic() > 60:
        return Defer("4.3.0", "too late")


@hookimpl
async def message_delivered(uid):
    if uid > 1:
        raise KeyError("two")
'''
TESTS = """
import pytest


async def test_one_sends_turns_the_clock_and_looks_at_calls_and_spans(hub):
    assert (await hub.send())[0] == 250
    assert await hub.send(to="nobody@example.test") == (550, "5.1.1 not here")
    await hub.clock.turn(61)
    assert (await hub.send())[0] == 450
    first, second, third = hub.called("smtp_rcpt")
    assert (first.plugin, first.arguments["recipient"].local, first.result) == ("late", "alice", None)
    assert second.result.code == "5.1.1"
    assert third.seconds < 1
    [told] = await hub.until_called("message_delivered")
    assert told.arguments == {"uid": 1}
    assert hub.failures == []
    assert [span.outcome for span in hub.spans if span.name == "smtp_rcpt"][:2] == ["-", "reject"]


@pytest.mark.hub(settings={"name": "bob"}, accounts=["bob@example.test"])
async def test_settings_and_accounts_are_the_tests(hub):
    assert (await hub.send(to="bob@example.test"))[0] == 550
    assert (await hub.send(to="alice@example.test"))[0] == 550


async def test_a_failure_is_kept(hub):
    for _ in range(2):
        assert (await hub.send())[0] == 250
    await hub.until_called("message_delivered", 2)
    [failed] = hub.failures
    assert failed.failure.reason == "KeyError: 'two'"


async def test_a_reload_takes_what_is_saved(hub, request):
    path = request.path.parent / "late.py"
    text = path.read_text()
    path.write_text(text.replace("nobody", "alice"))
    report = await hub.reload()
    assert report["errors"] == []
    assert (await hub.send())[0] == 550
    path.write_text("import nonsense")
    report = await hub.reload()
    assert "No module named 'nonsense'" in report["errors"][0]
    assert (await hub.send())[0] == 550
    path.write_text(text)


async def test_a_dialogue_lies_beside_the_test(hub):
    await hub.dialogue("x.smtp")
    with pytest.raises(AssertionError, match="wrong.smtp:3: S: 221 …"):
        await hub.dialogue("wrong.smtp")
"""
DIALOGUE = """\
# The one who is not here.
listener smtp
S: 220 …
C: EHLO there
S~ 250 HELP
C: MAIL FROM:<a@b.example>
S: 250 …
C: RCPT TO:<nobody@example.test>
S: 550 5.1.1 not here
C: QUIT
S: 221 …
S! closed
"""
WRONG = """\
S: 220 …
C: EHLO there
S: 221 …
"""


def test_a_plugins_tests_need_no_configuration(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(late=PLUGIN, test_late=TESTS)
    (pytester.path / "x.smtp").write_text(DIALOGUE)
    (pytester.path / "wrong.smtp").write_text(WRONG)
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=5)
    assert "warning" not in result.stdout.str() + result.stderr.str()


def test_a_test_of_no_plugin_is_told_so(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_thing="async def test_it(hub):\n    pass\n")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*belongs to no plugin: there is none in the nearest*no thing.py beside it*"]
    )


def test_a_wrong_word_in_the_marker_is_told(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        thing='"""A thing."""\n',
        test_thing="import pytest\n\n@pytest.mark.hub(setings={})\nasync def test_it(hub):\n    pass\n",
    )
    result = pytester.runpytest_subprocess()
    result.stdout.fnmatch_lines(["*@pytest.mark.hub takes settings, tables and accounts, not setings*"])
