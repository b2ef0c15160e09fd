"""Messages whose header fields are odd: addresses of every make, comments, folds, eight bits, and sizes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final


def _with(*fields: str) -> bytes:
    return "\r\n".join(fields).encode() + b"\r\n\r\nwords\r\n"


def _addressed(value: str) -> bytes:
    return _with(f"From: {value}", "Subject: addresses", f"To: {value}")


_ADDRESSES: Final = {
    "bare": "ann@example.org",
    "in brackets": "<ann@example.org>",
    "with a name": "Ann Example <ann@example.org>",
    "with a quoted name": '"Example, Ann" <ann@example.org>',
    "with quotes in the name": '"Ann \\"A\\" Example" <ann@example.org>',
    "with an empty name": '"" <ann@example.org>',
    "with a comment behind": "ann@example.org (Ann Example)",
    "with a comment before": "(Ann) ann@example.org",
    "with comments everywhere": "(a)Ann(b) <(c)ann(d)@(e)example.org(f)>(g)",
    "with nested comments": "ann@example.org (Ann (of (all)) people)",
    "with an open comment": "ann@example.org (Ann",
    "with a dot in the name": "Ann E. Example <ann@example.org>",
    "with an encoded name": "=?utf-8?Q?J=C3=B6rg?= <joerg@example.org>",
    "with an eight-bit name": "Jörg <joerg@example.org>",
    "with an eight-bit address": "jörg@exämple.org",
    "with a quoted local part": '"ann example"@example.org',
    "with a quoted local part that needs none": '"ann"@example.org',
    "with a literal domain": "ann@[192.0.2.1]",
    "with a route": "<@relay.example.com,@other.example.com:ann@example.org>",
    "without a domain": "ann",
    "without a domain in brackets": "Ann <ann>",
    "without a local part": "@example.org",
    "without a local part in brackets": "Ann <@example.org>",
    "of nothing": "",
    "of blanks": "   ",
    "empty brackets": "<>",
    "name with empty brackets": "Ann <>",
    "with two at signs": "ann@b@example.org",
    "with blanks around the at sign": "ann @ example.org",
    "with blanks around dots": "ann . b @ example . org",
    "with dots at the ends": ".ann.@example.org.",
    "with two dots": "ann..b@example.org",
    "with brackets left open": "Ann <ann@example.org",
    "with a bracket too much": "Ann <ann@example.org>>",
    "with words behind": "<ann@example.org> Ann",
    "list": "ann@example.org, bob@example.net,eve@example.com",
    "list with empty places": ", ann@example.org,, bob@example.net,",
    "list with semicolons": "ann@example.org; bob@example.net",
    "list over lines": "ann@example.org,\r\n bob@example.net,\r\n\teve@example.com",
    "group": "Friends: ann@example.org, Bob <bob@example.net>;",
    "empty group": "undisclosed-recipients:;",
    "empty group with blanks": "undisclosed-recipients : ;",
    "group without its end": "Friends: ann@example.org",
    "group and others": "eve@example.com, Friends: ann@example.org;, zoe@example.org",
    "two groups": "A: ann@example.org;, B: bob@example.net;",
    "group in quotes": '"My: friends": ann@example.org;',
    "group in a group": "A: B: ann@example.org;;",
    "colon in a name": "Re: Ann <ann@example.org>",
    "with an old-style name": "ann at example.org",
    "UUCP": "a!b!ann",
    "X.400": "/S=Ann/C=DE/@example.org",
    "with a mailto": "mailto:ann@example.org",
    "with an encoded comment": "ann@example.org (=?utf-8?Q?J=C3=B6rg?=)",
    "with a quoted pair outside": "Ann\\, Example <ann@example.org>",
    "long name": f"{'Ann ' * 300}<ann@example.org>",
    "many": ", ".join(f"person{number}@example.org" for number in range(200)),
}

_DATE: Final = "Date: Mon, 2 Feb 2026 10:00:00 +0100"

HEADERS: Final[Mapping[str, bytes]] = MappingProxyType(
    {
        **{f"address {name}": _addressed(value) for name, value in _ADDRESSES.items()},
        "every field of an envelope": _with(
            _DATE,
            "Subject: all",
            "From: from@example.org",
            "Sender: sender@example.org",
            "Reply-To: reply@example.org",
            "To: to@example.org",
            "Cc: cc@example.org",
            "Bcc: bcc@example.org",
            "In-Reply-To: <1@example.org>",
            "Message-ID: <2@example.org>",
        ),
        "no field of an envelope": _with("X-Nothing: here"),
        "sender that is nothing": _with("From: ann@example.org", "Sender:", "Reply-To: ", "Subject: x"),
        "fields twice": _with(
            "Subject: one",
            "Subject: two",
            "From: a@example.org",
            "From: b@example.org",
            "To: c@d.example",
            "To: e@f.example",
            _DATE,
            "Date: x",
            "Message-ID: <1@a>",
            "Message-ID: <2@a>",
        ),
        "names in capitals": _with("SUBJECT: x", "FROM: ann@example.org", "MESSAGE-ID: <1@example.org>"),
        "blank before the colon": _with("Subject : x", "From : ann@example.org"),
        "no blank behind the colon": _with("Subject:x", "From:ann@example.org"),
        "blanks around a value": _with("Subject:    x   ", "Message-ID:\t<1@example.org>\t"),
        "folded": _with("Subject: one\r\n two\r\n\tthree", "From: Ann\r\n <ann@example.org>"),
        "folded at once": _with(
            "Subject:\r\n one", "From:\r\n\tann@example.org", "Message-ID:\r\n <1@example.org>"
        ),
        "folded to nothing": _with("Subject: one\r\n  \r\n two", "From: ann@example.org"),
        "subject of eight bits": _with("Subject: Grüße aus Köln", "From: ann@example.org"),
        "subject in latin-1": b"Subject: Gr\xfc\xdfe\r\nFrom: J\xf6rg <joerg@example.org>\r\n\r\nwords\r\n",
        "subject with NUL": b"Subject: a\x00b\r\nFrom: ann@example.org\r\n\r\nwords\r\n",
        "subject with quotes": _with('Subject: "a" \\ b', "From: ann@example.org"),
        "subject with control characters": b"Subject: a\x07b\x1b[0m\r\n\r\nwords\r\n",
        "subject of nothing": _with("Subject:", "From: ann@example.org"),
        "subject of blanks": _with("Subject:    ", "From: ann@example.org"),
        "subject of encoded words": _with("Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n =?utf-8?B?IGF1cw==?="),
        "subject of broken encoded words": _with("Subject: =?utf-8?Q?a=ZZ?= =?x?B?b?= =?utf-8?Q?open"),
        "subject of a thousand octets": _with(f"Subject: {'long ' * 200}"),
        "subject of ten thousand octets": _with(f"Subject: {'x' * 10_000}"),
        "folded a thousand times": _with("Subject: x" + "\r\n x" * 1000),
        "a thousand fields": _with(
            *(f"X-Field-{number}: {number}" for number in range(1000)), "Subject: behind them"
        ),
        "a field of a hundred thousand octets": _with("X-Large: " + "y" * 100_000, "Subject: behind it"),
        "line without a colon": _with("Subject: one", "this is no field", "From: ann@example.org"),
        "line without a colon first": _with("this is no field", "Subject: one"),
        "first line from an mbox": _with("From ann@example.org Mon Feb  2 10:00:00 2026", "Subject: one"),
        "first line continues nothing": _with(" folded", "Subject: one"),
        "colon alone": _with(": nothing", "Subject: one"),
        "date that is none": _with("Date: yesterday", "Subject: x"),
        "date of nothing": _with("Date:", "Subject: x"),
        "date with a comment": _with("Date: Mon, 2 Feb 2026 10:00:00 +0100 (CET)", "Subject: x"),
        "date without a day": _with("Date: 2 Feb 2026 10:00 GMT", "Subject: x"),
        "date of two digits": _with("Date: Mon, 2 Feb 26 10:00:00 EST", "Subject: x"),
        "message-id without brackets": _with(
            "Message-ID: 1@example.org", "In-Reply-To: your message of Monday"
        ),
        "message-ids in a row": _with(
            "Message-ID: <1@a> <2@a>", "In-Reply-To: <3@a> <4@a>", "References: <5@a>"
        ),
        "in many tongues": _with(
            "Subject: =?koi8-r?B?8NLJ18XU?= =?iso-2022-jp?B?GyRCJDMkcyRLJEEkTxsoQg==?= =?gb2312?B?xOO6ww==?=",
            "From: =?big5?B?p0Gmbg==?= <a@example.org>",
        ),
    }
)
