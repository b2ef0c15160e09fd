"""Implementations are checked against the hookspecs, and whoever wrote a wrong one reads what is right."""

from pathlib import Path
from types import ModuleType

import pytest

from hub import Reject
from hub.config.tables.plugins import PluginOptions
from hub.dispatch.plan import CollectPlan, FirstPlan, NotifyPlan
from hub.hooks.areas import SPECS
from hub.hooks.markers import OnFailure
from hub.loading.catalogue import scan
from hub.loading.compile import Compiled, Part, compile_plans, hooks
from hub.mail.verdict import Accept, Defer, Finding
from hub.testing.plugin import PluginScope

HEAD = "from hub import hookimpl, Reject\nimport asyncio, functools\n"


class Compile:
    """Compiles modules from texts, in the order given."""

    def __init__(self, folder: Path, plugin_scope: PluginScope) -> None:
        self.folder = folder
        self.plugin_scope = plugin_scope
        self.options: dict[str, PluginOptions] = {}

    def __call__(self, **texts: str) -> Compiled:
        parts = [self.part(name, text) for name, text in texts.items()]
        return compile_plans(parts, hooks())

    def part(self, name: str, text: str) -> Part:
        file = self.folder / f"{name}.py"
        file.write_text(text)
        module = ModuleType(name)
        module.__file__ = str(file)
        exec(compile(text, file, "exec"), vars(module))
        options = self.options.get(name, PluginOptions())
        return Part(scan([self.folder], [], []).sources[name], module, self.plugin_scope(name), options)


@pytest.fixture
def compiled(tmp_path: Path, plugin_scope: PluginScope) -> Compile:
    folder = tmp_path / "plugins.d"
    folder.mkdir()
    return Compile(folder, plugin_scope)


OFFERS = "It offers: plugin, session, envelope, recipient"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "async def smtp_rcpt(rcpt): ...",
            f"nobody.py:4: smtp_rcpt has no argument 'rcpt'. {OFFERS}. "
            "Did you mean 'recipient'?  See: hub hooks smtp_rcpt",
        ),
        (
            "async def smtp_rcpt(recipient, *, x): ...",
            f"nobody.py:4: smtp_rcpt has no argument 'x'. {OFFERS}. See: hub hooks smtp_rcpt",
        ),
        (
            "async def smtp_rctp(recipient): ...",
            "nobody.py:4: there is no hook 'smtp_rctp'. Did you mean 'smtp_rcpt'?  See: hub hooks smtp_rcpt",
        ),
        ("async def zzzzz(): ...", "nobody.py:4: there is no hook 'zzzzz'. See: hub hooks"),
        (
            "async def smtp_rcpt(**kwargs): ...",
            "nobody.py:4: smtp_rcpt must name its arguments, '**kwargs' does not. See: hub hooks smtp_rcpt",
        ),
        (
            "async def smtp_rcpt(*args): ...",
            "nobody.py:4: smtp_rcpt must name its arguments, '*args' does not. See: hub hooks smtp_rcpt",
        ),
        (
            "async def smtp_rcpt(recipient, /): ...",
            "nobody.py:4: smtp_rcpt must name its arguments, 'recipient' does not. See: hub hooks smtp_rcpt",
        ),
        (
            "async def smtp_rcpt(recipient):\n    yield",
            "nobody.py:4: smtp_rcpt yields; a hook returns its one answer. See: hub hooks smtp_rcpt",
        ),
        (
            "def smtp_rcpt(recipient):\n    yield",
            "nobody.py:4: smtp_rcpt yields; a hook returns its one answer. See: hub hooks smtp_rcpt",
        ),
        (
            "async def plugin_handover(plugin, old): ...",
            "nobody.py:4: plugin_handover must be a plain def: it is called while nothing else runs. "
            "See: hub hooks plugin_handover",
        ),
    ],
)
async def test_a_wrong_implementation_teaches_the_right_one(compiled: Compile, text: str, error: str) -> None:
    result = compiled(nobody=f"{HEAD}@hookimpl\n{text}")
    assert [str(each) for each in result.errors] == [error]
    assert not result.plans


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("max_size=1", "smtp_rcpt has no message, so max_size means nothing"),
        ('mechanisms=("PLAIN",)', "smtp_rcpt is shown no credentials, so mechanisms means nothing"),
        ("timeout=0", "smtp_rcpt: timeout=0 leaves no time"),
        ("specname='smtp_rctp'", "there is no hook 'smtp_rctp'. Did you mean 'smtp_rcpt'?"),
    ],
)
async def test_so_do_wrong_options(compiled: Compile, options: str, error: str) -> None:
    result = compiled(nobody=f"{HEAD}@hookimpl({options})\nasync def smtp_rcpt(): ...")
    assert f"nobody.py:4: {error}" in str(result.errors[0])


async def test_a_mechanism_that_no_protocol_knows_is_an_error(compiled: Compile) -> None:
    text = f'{HEAD}@hookimpl(mechanisms=("XOAUTH", "XOAUTH2"))\nasync def authenticate(): ...'
    (error,) = compiled(nobody=text).errors
    assert "authenticate: there is no mechanism 'XOAUTH'" in str(error)


async def test_every_mistake_of_every_plugin_is_found_at_once(compiled: Compile) -> None:
    wrong = f"{HEAD}@hookimpl\nasync def smtp_rcpt(a, b): ...\n@hookimpl\nasync def nope(): ..."
    assert len(compiled(aaa=wrong, bbb=wrong).errors) == 6


async def test_a_plugin_that_was_refused_spoils_no_later_build(compiled: Compile) -> None:
    assert compiled(nobody=f"{HEAD}@hookimpl\nasync def smtp_rcpt(rcpt): ...").errors
    result = compiled(nobody=f"{HEAD}@hookimpl\nasync def smtp_rcpt(recipient): ...")
    assert [step.plugin for step in result.plans["smtp_rcpt"].steps] == ["nobody"]


async def test_every_hook_has_a_plan_and_that_of_nobody_is_false(compiled: Compile) -> None:
    plans = compiled(nobody=f"{HEAD}@hookimpl\nasync def smtp_rcpt(): ...").plans
    assert plans.keys() == SPECS.keys()
    assert [name for name, plan in plans.items() if plan] == ["smtp_rcpt"]
    assert isinstance(plans["smtp_mail"], FirstPlan)
    assert isinstance(plans["check_message"], CollectPlan)
    assert isinstance(plans["message_accepted"], NotifyPlan)


async def test_steps_run_in_the_order_given_but_for_tryfirst_and_trylast(compiled: Compile) -> None:
    plain = HEAD + "@hookimpl\nasync def smtp_rcpt(): ..."
    order = compiled(
        late=HEAD + "@hookimpl(trylast=True)\nasync def smtp_rcpt(): ...",
        aaa=plain,
        zzz=plain,
        mmm=plain,
        early=HEAD + "@hookimpl(tryfirst=True)\nasync def smtp_rcpt(): ...",
    ).plans["smtp_rcpt"]
    assert [step.plugin for step in order.steps] == ["early", "aaa", "zzz", "mmm", "late"]


async def test_one_plugin_may_answer_one_hook_twice_under_other_names(compiled: Compile) -> None:
    plan = compiled(
        nobody=HEAD + "@hookimpl(specname='smtp_rcpt')\nasync def a(): ...\n"
        "@hookimpl(specname='smtp_rcpt')\nasync def b(): ..."
    ).plans["smtp_rcpt"]
    assert {step.function.__name__ for step in plan.steps} == {"a", "b"}


async def test_a_hook_that_this_hub_lacks_may_be_optional(compiled: Compile) -> None:
    result = compiled(nobody=HEAD + "@hookimpl(optionalhook=True)\nasync def smtp_etrn(): ...")
    assert not result.errors


async def test_a_function_that_was_not_marked_is_pointed_out(compiled: Compile) -> None:
    result = compiled(nobody="\nasync def smtp_rcpt(recipient): ...")
    assert not result.errors
    assert [str(warning) for warning in result.warnings] == [
        "nobody.py:2: smtp_rcpt is not marked with @hookimpl and will not run"
    ]


async def test_a_decorated_implementation_is_taken_as_it_is(compiled: Compile) -> None:
    text = """
def twice(function):
    @functools.wraps(function)
    async def twice(**arguments):
        await function(**arguments)
        return await function(**arguments)
    return twice

@hookimpl
@twice
async def smtp_rcpt(recipient):
    return Reject("5.1.1", recipient)
"""
    result = compiled(nobody=HEAD + text)
    assert not result.errors
    (step,) = result.plans["smtp_rcpt"].steps
    assert step.accepts == ("recipient",)
    assert await step.run(None, {"recipient": "bob", "session": None}) == Reject("5.1.1", "bob")


async def test_an_argument_with_a_default_need_not_be_the_hook_s(compiled: Compile) -> None:
    result = compiled(nobody=HEAD + "@hookimpl\nasync def smtp_rcpt(recipient, cache={}): ...")
    assert not result.errors
    assert result.plans["smtp_rcpt"].steps[0].accepts == ("recipient",)


async def test_a_step_has_the_rule_deadline_and_results_of_its_hook(compiled: Compile) -> None:
    plans = compiled(
        nobody=HEAD
        + "@hookimpl\nasync def smtp_rcpt(plugin): ...\n@hookimpl\ndef check_message(message): ..."
    ).plans
    (rcpt,), (check,) = plans["smtp_rcpt"].steps, plans["check_message"].steps
    assert (rcpt.on_failure, rcpt.timeout, rcpt.returns) == (OnFailure.TEMPFAIL, 30, (Accept, Reject, Defer))
    assert (rcpt.is_async, rcpt.takes_plugin, rcpt.accepts) == (True, True, ())
    assert (check.is_async, check.takes_plugin, check.returns) == (False, False, (Finding,))


async def test_the_author_and_above_him_the_operator_may_say_otherwise(compiled: Compile) -> None:
    text = HEAD + "@hookimpl(timeout=2, max_size=9)\nasync def check_message(message): ..."
    (step,) = compiled(nobody=text).plans["check_message"].steps
    assert (step.timeout, step.max_size, step.on_failure) == (2, 9, OnFailure.TEMPFAIL)
    compiled.options["nobody"] = PluginOptions(on_failure="skip", timeout=7)
    (step,) = compiled(nobody=text).plans["check_message"].steps
    assert (step.timeout, step.max_size, step.on_failure) == (7, 9, OnFailure.SKIP)


def test_wrapping_hooks_is_refused_when_they_are_marked() -> None:
    from hub import hookimpl

    with pytest.raises(TypeError, match="hooks are not wrapped"):
        hookimpl(hookwrapper=True)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="no such option"):
        hookimpl(last=True)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="marks functions, not a type"):
        hookimpl(Compile)


async def test_a_module_may_hold_anything_and_use_the_plain_marker(compiled: Compile) -> None:
    text = """
import pluggy
class Nasty:
    def __getattr__(self, name):
        raise RuntimeError(name)
nasty = Nasty()
@pluggy.HookimplMarker("hub")
async def smtp_rcpt(): ...
"""
    (step,) = compiled(nobody=text).plans["smtp_rcpt"].steps
    assert step.timeout == 30
