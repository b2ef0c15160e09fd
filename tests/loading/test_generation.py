"""Which generation a transaction works with, and when nobody does any more."""

import pytest

from hub.dispatch.failure import HookFailed
from hub.dispatch.plan import Plan
from hub.hooks.areas import SPECS
from hub.hooks.lifecycle import plugin_start
from hub.hooks.message import check_message
from hub.hooks.observe import session_opened
from hub.hooks.smtp import smtp_rcpt
from hub.loading.generation import Generation, Generations


def generation(number: int) -> Generation:
    return Generation(number, {}, {name: Plan(name, frozenset(), ()) for name in SPECS})


def test_a_pin_gives_the_plans_of_its_generation_by_their_hookspec() -> None:
    first = generation(1)
    pin = Generations(first).pin()
    assert pin.first(smtp_rcpt) is first.plans["smtp_rcpt"]
    assert pin.collect(check_message) is first.plans["check_message"]
    assert pin.notify(session_opened) is first.plans["session_opened"]
    assert pin.chain(plugin_start) is first.plans["plugin_start"]


def test_a_replaced_generation_is_empty_with_its_last_pin() -> None:
    emptied: list[int] = []
    generations = Generations(generation(1), lambda gone: emptied.append(gone.number))
    one, two = generations.pin(), generations.pin()
    one.release()
    one.release()
    assert generations.pinned(two.generation) == 1
    old = generations.swap(generation(2))
    assert (old.number, generations.current.number, emptied) == (1, 2, [])
    newer = generations.pin()
    two.release()
    assert emptied == [1]
    newer.release()
    assert emptied == [1]  # the one that serves is never empty


def test_past_the_grace_period_hooks_fail_and_facts_do_not() -> None:
    emptied: list[int] = []
    generations = Generations(generation(1), lambda gone: emptied.append(gone.number))
    pin = generations.pin()
    old = generations.swap(generation(2))
    generations.expire(old)
    for accessor in (pin.first, pin.collect, pin.chain):
        with pytest.raises(HookFailed, match="outlived the grace period"):
            accessor(smtp_rcpt)
    assert pin.notify(session_opened) is old.plans["session_opened"]
    pin.release()
    assert emptied == []
    assert generations.pinned(old) == 0
