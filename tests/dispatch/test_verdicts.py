"""Many findings, one decision."""

from dataclasses import replace

import pytest

from hub.dispatch.failure import Failure
from hub.dispatch.plan import Answer
from hub.dispatch.step import describe
from hub.dispatch.verdicts import CLEAN, Decision, Limits, decide, settled
from hub.hooks.markers import OnFailure
from hub.mail.verdict import Accept, Action, Defer, Finding, Junk, Quarantine, Reject, Trust

from .conftest import MakeStep

NO, LATER = Reject("5.7.1", "no"), Defer("4.7.1", "later")
FAILED, TOO_HIGH = Defer("4.3.0", "a check failed"), Reject("5.7.1", "too much")


LIMITS = (5.0, 15.0)
ANY = (-1000.0, 1000.0)


def decided(*said: Finding | Failure) -> Decision:
    answers: list[Answer[Finding]] = [
        Answer("p", None, each) if isinstance(each, Failure) else Answer("p", each, limits=ANY)
        for each in said
    ]
    return decide(answers, FAILED)


def outcome(decision: Decision, limits: Limits = LIMITS) -> object:
    return decision.outcome(limits, TOO_HIGH)


def acts(action: Action, score: float = 0) -> Finding:
    return Finding(score=score, action=action)


def failure() -> Failure:
    return Failure("check_message", "p", "boom")


def test_nothing_found_is_clean() -> None:
    assert decided() == decided(Finding()) == CLEAN


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([Finding(4.9)], "inbox"),
        ([Finding(3), Finding(2)], "junk"),
        ([Finding(20), Finding(-16)], "inbox"),
        ([Finding(15)], TOO_HIGH),
        ([acts(LATER), acts(NO)], NO),
        ([failure(), acts(NO)], NO),
        ([failure(), Finding(20)], FAILED),
        ([failure()], FAILED),
        ([acts(LATER), Finding(20)], LATER),
        ([acts(Junk())], "junk"),
        ([acts(Quarantine()), acts(Junk())], "quarantine"),
        ([acts(Quarantine()), Finding(6)], "quarantine"),
        ([acts(Trust()), Finding(20)], "inbox"),
        ([acts(Trust()), acts(Junk())], "inbox"),
        ([acts(Trust()), acts(NO)], NO),
        ([acts(Trust()), failure()], FAILED),
        ([acts(Trust()), acts(Quarantine())], "quarantine"),
    ],
)
def test_reject_beats_defer_beats_score_and_trust_cancels_scores_alone(
    said: list[Finding | Failure], expected: Reject | Defer | str
) -> None:
    for order in (said, said[::-1]):
        assert outcome(decided(*order)) == expected


def test_trust_holds_whatever_the_limits_are() -> None:
    assert outcome(decided(acts(Trust())), (-1.0, 0.0)) == "inbox"


def test_each_recipient_has_limits_of_its_own() -> None:
    decision = decided(Finding(7))
    assert [outcome(decision, limits) for limits in ((5, 15), (8, 15), (1, 7))] == ["junk", "inbox", TOO_HIGH]


def test_a_score_counts_within_what_was_declared_and_below_zero_only_if_that_was() -> None:
    def score(value: float, limits: tuple[float, float] | None) -> float:
        return decide([Answer("p", Finding(value), limits=limits)], FAILED).score

    assert score(-3, None) == 0
    assert score(3, None) == 3
    assert score(-3, (-2, 0)) == -2
    assert score(9, (0, 5)) == 5


@pytest.mark.parametrize(
    ("found", "running", "expected"),
    [
        ([acts(NO)], [None], True),  # nobody takes a Reject back
        ([acts(LATER)], [None], False),  # but somebody may still reject
        ([Finding(20)], [None], False),  # or trust
        ([Finding(20)], [(-3, 3)], True),
        ([Finding(20)], [(-6, 3)], False),
        ([Finding(14)], [(0, 3)], False),
        ([Finding(6)], [(0, 3), (0, 5)], True),  # Junk in any case
        ([Finding(1)], [(0, 3)], True),
        ([Finding(1)], [(0, 4)], False),
        ([acts(Trust())], [(0, 100)], True),
    ],
)
def test_the_outcome_is_settled_when_no_check_that_runs_can_change_it(
    make_step: MakeStep,
    found: list[Finding],
    running: list[tuple[float, float] | None],
    expected: bool,
) -> None:
    async def check() -> None: ...

    def is_settled(on_failure: OnFailure) -> bool:
        steps = [replace(make_step(check, on_failure=on_failure), score=each) for each in running]
        answers = [Answer("p", each, limits=ANY) for each in found]
        return settled(answers, steps, [LIMITS], FAILED, TOO_HIGH)

    assert is_settled(OnFailure.SKIP) is expected
    assert is_settled(OnFailure.TEMPFAIL) is (found == [acts(NO)])  # its failure would defer the message


def test_the_outcome_is_settled_for_all_recipients_or_not_at_all(make_step: MakeStep) -> None:
    async def check() -> None: ...

    step = replace(make_step(check), score=(0, 3))
    answers = [Answer("p", Finding(6))]
    assert settled(answers, [step], [LIMITS], FAILED, TOO_HIGH)
    assert not settled(answers, [step], [LIMITS, (7.0, 15.0)], FAILED, TOO_HIGH)


def test_reasons_name_their_plugin_and_headers_are_kept_in_order() -> None:
    decision = decided(
        Finding(1, reasons=("a", "b"), headers=(("X-One", "1"),)), Finding(2, headers=(("X-Two", "2"),))
    )
    assert decision.score == 3
    assert decision.reasons == ("p: a", "p: b")
    assert decision.headers == (("X-One", "1"), ("X-Two", "2"))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, ("-", "")),
        (NO, ("reject", "5.7.1 no")),
        (LATER, ("defer", "4.7.1 later")),
        (Accept(), ("accept", "")),
        (Finding(2.5, reasons=("a", "b")), ("+2.5", "a; b")),
        (Finding(action=NO), ("reject +0", "")),
        (failure(), ("failed", "p failed in check_message: boom")),
    ],
)
def test_the_trace_says_an_outcome_in_a_word(found: object, said: tuple[str, str]) -> None:
    assert describe(found) == said
