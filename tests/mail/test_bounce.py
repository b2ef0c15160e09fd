"""Replies as mail servers give them, and what they mean."""

from __future__ import annotations

import pytest

from hub.mail.bounce import CLASSES, classify_bounce
from hub.relay.answers import parse

REPLIES = [
    ("550 5.1.1 The email account that you tried to reach does not exist.", "unknown-user"),
    ("550 5.1.1 <ann@example.org>: Recipient address rejected: User unknown in a table", "unknown-user"),
    ("550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", "unknown-user"),
    ("550 Requested action not taken: mailbox unavailable", "unknown-user"),
    ("554 5.7.1 <ann@example.org>: Recipient address rejected: user unknown", "unknown-user"),
    ("550 No such user here", "unknown-user"),
    ("550 Unknown recipient", "unknown-user"),
    ("550 5.0.0 <ann@example.org>... User unknown", "unknown-user"),
    ("554 delivery error: dd This user doesn't have a mail account", "unknown-user"),
    ("550 #5.1.0 Address rejected.", "unknown-user"),
    ("553 5.3.0 <ann@example.org>... No such user", "unknown-user"),
    ("550 5.2.1 The email account that you tried to reach is disabled", "inactive"),
    ("554 5.2.1 This account has been disabled or discontinued", "inactive"),
    ("550 Account is inactive", "inactive"),
    ("550 5.7.13 the recipient's mailbox was moved and does not take mail", "inactive"),
    ("550 5.1.2 Host or domain name not found", "unknown-domain"),
    ("556 5.1.10 Recipient address has null MX", "unknown-domain"),
    ("550 Domain does not exist", "unknown-domain"),
    ("552 5.2.2 The email account that you tried to reach is over quota.", "quota"),
    ("452 4.2.2 Mailbox full", "quota"),
    ("552 Requested mail action aborted: exceeded storage allocation", "quota"),
    ("452 4.3.1 Insufficient system storage", "quota"),
    ("554 5.2.2 mailbox full; STOREDRV.Deliver; QuotaExceededException", "quota"),
    ("552 5.3.4 Message size exceeds fixed limit", "size"),
    ("552 5.2.3 message exceeds the maximum size of the mailbox", "size"),
    ("552 Message too large", "size"),
    ("550 5.7.1 Message rejected as spam by content filtering", "spam"),
    ("554 5.7.1 This message has been identified as SPAM", "spam"),
    ("550 5.7.1 Our system has detected that this message is likely unsolicited mail.", "spam"),
    ("552 5.7.0 Virus detected", "spam"),
    ("554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", "reputation"),
    ("550 5.7.1 Unfortunately, messages weren't sent: your IP is on our block list", "reputation"),
    ("550 5.7.606 Access denied, banned sending IP [192.0.2.1]", "reputation"),
    ("554 Message refused due to the sender's poor reputation", "reputation"),
    ("550 5.7.26 This mail has been blocked because the sender is unauthenticated.", "authentication"),
    ("550 5.7.23 The message was rejected because of an SPF violation", "authentication"),
    ("550 5.7.1 SPF check failed for the domain example.test", "authentication"),
    ("550 5.7.509 Access denied, sending domain does not pass DMARC verification", "authentication"),
    ("450 4.7.25 Client host rejected: cannot find your reverse hostname", "authentication"),
    ("451 4.1.8 Domain of sender address does not resolve", "authentication"),
    ("554 5.7.1 <ann@example.org>: Relay access denied", "policy"),
    ("550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", "policy"),
    ("550 5.7.133 Only members of the group may write to it", "policy"),
    ("550 Administrative prohibition", "policy"),
    ("421 4.7.0 Too many connections from your address", "rate"),
    ("450 4.2.1 The user you are trying to contact is receiving mail at a rate that is too high", "rate"),
    ("421 4.7.28 Our system has detected an unusual rate of mail from your IP address", "rate"),
    ("452 4.5.3 Too many recipients", "rate"),
    ("421 4.7.0 [TSS04] Messages temporarily deferred due to user complaints", "rate"),
    ("450 4.7.1 <ann@example.org>: Recipient address rejected: Greylisted, see later", "greylist"),
    ("451 4.7.1 Greylisting in action, please come back in 00:05:00", "greylist"),
    ("530 5.7.0 Must issue a STARTTLS command first", "tls"),
    ("550 5.7.10 Encryption needed", "tls"),
    ("450 4.7.5 no TLS with mx.example.org: certificate expired", "tls"),
    ("450 4.4.3 DNS does not say where mail for example.org goes: timeout", "dns"),
    ("550 5.4.4 mx.example.org, which takes the mail, has no address", "dns"),
    ("450 4.4.1 cannot connect to mx.example.org [192.0.2.1]: Connection refused", "network"),
    ("450 4.4.2 mx.example.org has hung up", "network"),
    ("554 5.4.6 Too many hops", "loop"),
    ("554 5.4.14 Hop count exceeded - possible mail loop", "loop"),
    ("554 5.6.0 Message headers fail syntax check", "content"),
    ("550 5.6.3 mx.example.org does not know 8BITMIME, which the message needs", "content"),
    ("554 Bare LF is not allowed", "content"),
    ("503 5.5.1 Error: need RCPT command", "protocol"),
    ("501 5.5.4 Syntax error in parameters", "protocol"),
    ("451 4.3.0 Temporary lookup failure", "system"),
    ("451 4.3.2 Please try again later", "system"),
    ("451 Temporary local problem, please try later", "system"),
    ("550 no", "hard"),
    ("421 later", "soft"),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "expected"), REPLIES)
def test_a_reply_has_the_class_that_a_postmaster_would_give_it(reply: str, expected: str) -> None:
    answer = parse(int(reply[:3]), [reply[4:]], "mx.example.org")
    assert classify_bounce(answer.code, answer.enhanced, answer.text) == expected


def test_every_class_is_met() -> None:
    assert {expected for _, expected in REPLIES} == set(CLASSES)


def test_words_count_where_there_is_no_code_at_all() -> None:
    assert classify_bounce(0, "", "user unknown") == "unknown-user"
    assert classify_bounce(0, "5.0.0", "") == "hard"
    assert classify_bounce(0, "", "") == "soft"


def test_no_reply_takes_long() -> None:
    for piece in ("user ", "over quota ", "too ", "message is ", "a"):
        assert classify_bounce(550, "5.0.0", piece * 200) in CLASSES
