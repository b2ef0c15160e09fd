"""From what was found to what becomes of the message."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from hub import Finding, Junk, Quarantine, Reject, states_result
from hub_plugin_mail_auth.judging import Judgement
from hub_plugin_mail_auth.settings import Settings

MAX_EXPLANATION: Final = 200


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done. disposition: of DMARC, in the end; override: why it is not what the domain wants.

    These are the words of aggregate reports (RFC 7489 appendix C).
    """

    finding: Finding
    disposition: str = "none"
    override: str = ""


def decide(found: Judgement, settings: Settings) -> Decision:
    """The score, the action and the reasons; header fields are added by others."""
    override = _override(found, settings)
    disposition = "none" if override else found.dmarc.disposition
    if not override and found.dmarc.softened == "pct":
        override = "sampled_out"
    action: Reject | Junk | Quarantine | None = None
    if found.dmarc.result == "fail" and disposition == "reject":
        action = _dmarc_reject(found)
    elif disposition == "quarantine":
        action = Junk() if settings.quarantine == "junk" else Quarantine()
    excused = found.dmarc.result == "pass" or override in ("mailing_list", "trusted_forwarder")
    if action is None and not excused and settings.spf_fail == "reject" and found.spf.result == "fail":
        action = _spf_reject(found)
    outcomes = () if settings.policy == "headers" else tuple(_outcomes(found, excused=excused))
    scored = [(each, settings.score_of(each)) for each in dict.fromkeys(outcomes)]
    reasons = tuple(f"{outcome} ({score:+g})" for outcome, score in scored if score)
    if disposition != found.dmarc.disposition:
        reasons += (f"dmarc=fail is overridden: {override}",)
    elif action is not None:
        reasons += (f"{found.dmarc.policy_domain or found.spf.domain} wants it: {type(action).__name__}",)
    return Decision(Finding(sum(score for _, score in scored), action, reasons), disposition, override)


def _override(found: Judgement, settings: Settings) -> str:
    """Why a failed DMARC does not count, in the words of reports; empty if it does."""
    dmarc = found.dmarc
    if dmarc.result != "fail":
        return ""
    passed = {*found.signers, *([found.spf.domain.lower()] if found.spf.result == "pass" else [])}
    if any(_among(each, settings.mailing_lists) for each in passed):
        return "mailing_list"
    if _sealed(found, settings.sealers):
        return "trusted_forwarder"
    return "" if settings.policy == "honour" else "local_policy"


def _sealed(found: Judgement, sealers: Collection[str]) -> bool:
    """Whether those who sealed last, all of them believed, saw DMARC pass (RFC 8617 §7.2.1)."""
    if not sealers or found.arc.status != "pass":
        return False
    for domain, results in zip(reversed(found.arc.domains), reversed(found.arc.results), strict=True):
        if not _among(domain, sealers):
            return False
        if states_result(results, "dmarc", "pass"):
            return True
    return False


def _among(domain: str, domains: Collection[str]) -> bool:
    return any(domain == each or domain.endswith(f".{each}") for each in map(str.lower, domains))


def _outcomes(found: Judgement, *, excused: bool) -> Iterator[str]:
    """`method=result` of what may count: who is shown to be the author owes nothing for single methods."""
    yield f"iprev={found.iprev.result}"
    yield f"dmarc={found.dmarc.result}" if not excused or found.dmarc.result != "fail" else "dmarc=none"
    if found.arc.status != "none":
        yield f"arc={found.arc.status}"
    if excused:
        return
    yield f"spf={found.spf.result}"
    statuses = [each.status for each in found.dkim]
    if "pass" in statuses or not statuses:
        yield "dkim=pass" if statuses else "dkim=none"
    else:
        yield from (f"dkim={each}" for each in statuses)


def _dmarc_reject(found: Judgement) -> Reject:
    text = f"{found.dmarc.domain} wants no mail taken that neither SPF nor DKIM shows to be its own"
    return Reject("5.7.26", text)


def _spf_reject(found: Judgement) -> Reject:
    said = "".join(each for each in found.spf.explanation[:MAX_EXPLANATION] if " " <= each <= "~")
    text = f"the domain of the sender does not let {found.iprev.address} send its mail"
    return Reject("5.7.23", f"{text}; it says: {said}" if said else text)
