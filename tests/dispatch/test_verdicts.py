"""Many findings, one decision."""

import pytest

from hub.dispatch.failure import Failure
from hub.dispatch.plan import Answer
from hub.dispatch.step import describe
from hub.dispatch.verdicts import CLEAN, Decision, decide
from hub.mail.verdict import Accept, Action, Defer, Finding, Junk, Quarantine, Reject, Trust

NO, LATER = Reject("5.7.1", "no"), Defer("4.7.1", "later")
FAILED, TOO_HIGH = Defer("4.3.0", "a check failed"), Reject("5.7.1", "too much")


def decided(*said: Finding | Failure) -> Decision:
    answers: list[Answer[Finding]] = [
        Answer("p", None, each) if isinstance(each, Failure) else Answer("p", each) for each in said
    ]
    return decide(answers, junk_score=5, reject_score=15, failed=FAILED, too_high=TOO_HIGH)


def acts(action: Action, score: float = 0) -> Finding:
    return Finding(score=score, action=action)


def failure() -> Failure:
    return Failure("check_message", "p", "boom")


def test_nothing_found_is_clean() -> None:
    assert decided() == decided(Finding()) == CLEAN


@pytest.mark.parametrize(
    ("said", "answer", "place"),
    [
        ([Finding(4.9)], None, "inbox"),
        ([Finding(3), Finding(2)], None, "junk"),
        ([Finding(20), Finding(-16)], None, "inbox"),
        ([Finding(15)], TOO_HIGH, "junk"),
        ([acts(LATER), acts(NO)], NO, "inbox"),
        ([failure(), acts(NO)], NO, "inbox"),
        ([failure(), Finding(20)], FAILED, "junk"),
        ([failure()], FAILED, "inbox"),
        ([acts(LATER), Finding(20)], LATER, "junk"),
        ([acts(Junk())], None, "junk"),
        ([acts(Quarantine()), acts(Junk())], None, "quarantine"),
        ([acts(Trust()), Finding(20)], None, "inbox"),
        ([acts(Trust()), acts(Junk())], None, "inbox"),
        ([acts(Trust()), acts(NO)], NO, "inbox"),
        ([acts(Trust()), failure()], FAILED, "inbox"),
        ([acts(Trust()), acts(Quarantine())], None, "quarantine"),
    ],
)
def test_reject_beats_defer_beats_score_and_trust_cancels_scores_alone(
    said: list[Finding | Failure], answer: Reject | Defer | None, place: str
) -> None:
    for order in (said, said[::-1]):
        decision = decided(*order)
        assert (decision.answer, decision.place) == (answer, place)


def test_trust_holds_whatever_the_thresholds_are() -> None:
    trusting = [Answer("p", acts(Trust()))]
    decision = decide(trusting, junk_score=-1, reject_score=0, failed=FAILED, too_high=TOO_HIGH)
    assert (decision.answer, decision.place) == (None, "inbox")


def test_reasons_name_their_plugin_and_headers_are_kept_in_order() -> None:
    decision = decided(
        Finding(1, reasons=("a", "b"), headers=(("X-One", "1"),)), Finding(2, headers=(("X-Two", "2"),))
    )
    assert decision.score == 3
    assert decision.reasons == ("p: a", "p: b")
    assert decision.headers == (("X-One", "1"), ("X-Two", "2"))


@pytest.mark.parametrize(
    ("outcome", "said"),
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
def test_the_trace_says_an_outcome_in_a_word(outcome: object, said: tuple[str, str]) -> None:
    assert describe(outcome) == said
