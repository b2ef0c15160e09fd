"""What a refusal means: replies of mail servers, sorted into a few classes by code and by words.

Servers disagree about codes: `550 5.7.1` is said of spam, of relaying and of users who are not there. So a
code that means one thing decides; of the others the words do, and only then what the code is usually said of.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias, get_args

BounceClass: TypeAlias = Literal[
    "unknown-user",  # nobody has that address
    "inactive",  # somebody had, and it takes no mail
    "unknown-domain",  # there is no such domain, or it takes no mail
    "quota",  # the mailbox, or the disk behind it, is full
    "size",  # the message is too large
    "content",  # its form: a header, an attachment, eight-bit octets
    "spam",  # what is in it, or who sends it, is taken for spam
    "reputation",  # our address is on a list
    "authentication",  # SPF, DKIM, DMARC, reverse DNS
    "policy",  # not wanted for another reason: relaying, closed lists
    "rate",  # too much at once
    "greylist",  # come back later
    "tls",  # encryption: demanded, or it fails
    "dns",  # a lookup fails, theirs or ours
    "network",  # nobody answers, or the connection breaks
    "loop",  # the mail goes in circles
    "protocol",  # a command that it did not like
    "system",  # something is wrong there
    "hard",  # 5xx, and nothing is known besides
    "soft",  # 4xx, and nothing is known besides
]
"""Why mail was refused or put off."""

CLASSES: Final[tuple[str, ...]] = get_args(BounceClass)

_CODES: Final[dict[str, BounceClass]] = {
    "1.1": "unknown-user",
    "1.2": "unknown-domain",
    "1.3": "unknown-user",
    "1.4": "unknown-user",
    "1.6": "inactive",
    "1.8": "authentication",
    "2.2": "quota",
    "2.3": "size",
    "2.4": "policy",
    "3.1": "quota",
    "3.4": "size",
    "4.1": "network",
    "4.2": "network",
    "4.3": "dns",
    "4.4": "dns",
    "4.5": "rate",
    "4.6": "loop",
    "4.7": "network",
    "4.14": "loop",
    "4.312": "dns",
    "4.316": "network",
    "7.2": "policy",
    "7.4": "tls",
    "7.5": "tls",
    "7.10": "tls",
    "7.13": "inactive",
    "7.17": "inactive",
    "7.20": "authentication",
    "7.21": "authentication",
    "7.22": "authentication",
    "7.23": "authentication",
    "7.24": "authentication",
    "7.25": "authentication",
    "7.26": "authentication",
    "7.27": "authentication",
    "7.28": "rate",
    "7.29": "authentication",
    "7.30": "tls",
    "7.509": "authentication",
    "7.606": "reputation",
    "7.708": "reputation",
}
"""Subject and detail of codes that are said of one thing only (RFC 3463, RFC 7372, RFC 7505, and custom)."""

_USUALLY: Final[dict[str, BounceClass]] = {
    "1": "unknown-user",
    "2": "inactive",
    "3": "system",
    "4": "network",
    "5": "protocol",
    "6": "content",
    "7": "policy",
}
"""What a subject is usually said of, where neither the detail nor the words say more."""

_SAID: Final[tuple[tuple[BounceClass, str], ...]] = (
    ("greylist", r"gr[ae]y ?-?list|first time sender|try again in \d+ (?:second|minute)"),
    ("loop", r"\bloop|too many hops|hop count|too many received"),
    ("tls", r"\btls\b|starttls|encryption (?:is )?(?:required|needed)|certificate"),
    (
        "authentication",
        r"\bspf\b|dkim|dmarc|unauthenticated|sender policy framework|reverse dns|\bptr\b|\brdns\b"
        r"|sender (?:address |domain )?(?:rejected|verif|must exist)|domain of sender",
    ),
    (
        "rate",
        r"too many|rate[ -]?limit|throttl|too fast|exceeded the rate|message rate"
        r"|receiving mail at a rate|unusual rate|deferred due to user complaints|concurrent"
        r"|connection limit",
    ),
    (
        "reputation",
        r"black ?-?list|block ?-?list|\bdnsbl\b|\brbl\b|spamhaus|spamcop|barracuda|sorbs|blocked using"
        r"|poor reputation|reputation|listed (?:at|in|by|on)\b|your ip|banned sending ip"
        r"|client host .*blocked",
    ),
    (
        "quota",
        r"(?:over|exceed\w*|out of) ?-?(?:the |its |his |her |storage )*(?:quota|storage)"
        r"|quota ?exceed|mailbox (?:is )?full|mailbox size|inbox is full"
        r"|insufficient (?:system )?(?:disk )?(?:storage|space)|not enough (?:disk )?space",
    ),
    (
        "size",
        r"(?:message|mail|file|content).{0,20} (?:too (?:large|big)|exceeds)|size limit|maximum size",
    ),
    (
        "unknown-domain",
        r"(?:domain|host) (?:name )?(?:not found|unknown|does(?: not|n't) exist)|unknown (?:domain|host)"
        r"|no such domain|does not accept mail|null ?mx|unrouteable|there is no domain",
    ),
    (
        "inactive",
        r"(?:account|mailbox|user|recipient|address).{0,30}(?:disabled|inactive|suspended|deactivated|expired"
        r"|not active|no longer (?:active|in use|available|accepts?|valid))|discontinued|has been closed"
        r"|dormant",
    ),
    (
        "unknown-user",
        r"(?:user|recipient|mailbox|account|address).{0,40}(?:unknown"
        r"|not (?:found|exist|known|here|listed|valid)|does(?: not|n't) exist"
        r"|doesn't have|unavailable|invalid|not available|undeliverable)"
        r"|(?:unknown|invalid|no such|nonexistent|non-existent) (?:local )?(?:user|recipient|mailbox"
        r"|account|address|person|local[ -]part)|no mailbox|nobody (?:of|by|has|with)"
        r"|not our customer|not a valid"
        r"|no (?:user|recipient) (?:here|by|with|found)|recipnotfound|unknown (?:or illegal )?alias",
    ),
    (
        "spam",
        r"spam|virus|malware|phish|junk|unsolicited|bulk mail|looks like|content (?:rejected|denied)"
        r"|suspicious|message (?:was )?(?:rejected|blocked).{0,20} content|surbl|uribl|bad url",
    ),
    ("policy", r"relay|policy|not permitted|denied|not authori[sz]ed|prohibited|access|administrative"),
    ("dns", r"\bdns\b|name server|resolv|mx record|no mail exchanger"),
    ("content", r"header|mime|attachment|bare lf|bare cr|8bit|smtputf8|encoding|invalid message|format"),
    ("network", r"cannot connect|time(?:d)? ?-?out|connection (?:refused|lost|dropped|reset)|hung up"),
    ("system", r"temporar\w+ (?:server|local)|system|internal|local error|queue|out of memory|overload"),
)
"""In this order: what is said of something in particular comes before what is said of much."""

_WORDS: Final = tuple((name, re.compile(words)) for name, words in _SAID)


def classify_bounce(code: int, enhanced: str, text: str) -> BounceClass:
    """The class of a reply of 4xx or 5xx.

    code: the basic code, 0 if it is not known. enhanced: of RFC 3463, empty or `5.0.0` if there was none.
    """
    severity, _, status = enhanced.partition(".")
    known = _CODES.get(status)
    if known is not None:
        return known
    said = text.lower()
    for name, words in _WORDS:
        if words.search(said):
            return name
    subject, _, detail = status.partition(".")
    if status and (subject, detail) != ("0", "0") and subject in _USUALLY:
        return _USUALLY[subject]
    permanent = code >= 500 or severity == "5"
    return "hard" if permanent else "soft"
