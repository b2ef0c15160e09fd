"""Which hook is asked when, what its verdict becomes on the wire, and which facts are told."""

from __future__ import annotations

import pytest

from hub.config.tables.checks import ChecksTable
from hub.hooks.markers import hookimpl
from hub.hooks.session import Session
from hub.mail.address import Address
from hub.mail.envelope import Envelope
from hub.mail.login import AccountRef
from hub.mail.message import Message
from hub.mail.stash import StashKey
from hub.mail.verdict import Accept, Defer, Finding, Junk, Quarantine, Reject, Trust, Verdict
from hub.trace.record import Trace
from tests.conftest import Client, World, connected

MAIL = b"From: a@b.example\r\nSubject: hello\r\n\r\nbody\r\n"


async def test_hooks_come_in_the_order_of_the_protocol(world: World) -> None:
    seen: list[str] = []

    @hookimpl
    async def smtp_connect(session: Session) -> Verdict | None:
        seen.append(f"connect {session.protocol} {session.listener} {session.peer[0]} {session.greeting}")
        return None

    @hookimpl
    async def smtp_helo(session: Session, name: str) -> Verdict | None:
        seen.append(f"helo {name} {session.greeting}")
        return None

    @hookimpl
    async def smtp_mail(session: Session, envelope: Envelope) -> Verdict | None:
        seen.append(f"mail {envelope.reverse_path} {session.greeting}")
        return None

    @hookimpl
    async def smtp_rcpt(envelope: Envelope, recipient: Address) -> Verdict | None:
        seen.append(f"rcpt {recipient} after {[str(each) for each in envelope.recipients]}")
        return None

    @hookimpl
    async def check_message(envelope: Envelope, message: Message) -> Finding | None:
        seen.append(f"check {message.headers.get('Subject')} for {len(envelope.recipients)}")
        return None

    world.plugins(smtp_connect, smtp_helo, smtp_mail, smtp_rcpt, check_message)
    async with connected(await world.listen()) as client:
        await client.ask("MAIL FROM:<a@b.example>")
        await client.ask("RCPT TO:<alice@example.test>")
        assert (await client.ask("RCPT TO:<bob@example.test>")).startswith("250")
        await client.ask("DATA")
        await client.send(MAIL + b".\r\n")
        assert (await client.reply()).startswith("250 2.0.0 delivered")
    assert seen == [
        "connect smtp smtp 127.0.0.1 None",
        "helo client.example None",
        "mail a@b.example client.example",
        "rcpt alice@example.test after []",
        "rcpt bob@example.test after ['alice@example.test']",
        "check hello for 2",
    ]


@pytest.mark.proves("plugins: a hook per step of SMTP, its verdict is the reply")
async def test_verdicts_become_the_replies_that_the_hooks_promise(world: World) -> None:
    @hookimpl
    async def smtp_helo(name: str) -> Verdict | None:
        return Reject("5.7.0", "no such name") if name == "bad" else None

    @hookimpl
    async def smtp_mail(envelope: Envelope) -> Verdict | None:
        return Defer("4.7.1", "later") if str(envelope.reverse_path) == "later@b.example" else None

    @hookimpl
    async def smtp_rcpt(recipient: Address) -> Verdict | None:
        match recipient.local:
            case "rejected":
                return Reject("5.7.1", "not you")
            case "deferred":
                return Defer("4.2.0", "not now")
            case "nobody":
                return Accept()
        return None

    world.plugins(smtp_helo, smtp_mail, smtp_rcpt)
    async with connected(await world.listen()) as client:
        assert await client.ask("EHLO bad") == "550 5.7.0 no such name"
        assert await client.ask("MAIL FROM:<later@b.example>") == "450 4.7.1 later"
        assert await client.ask("MAIL FROM:<a@b.example>") == "250 2.1.0 OK"
        assert await client.ask("RCPT TO:<rejected@example.test>") == "550 5.7.1 not you"
        assert await client.ask("RCPT TO:<deferred@example.test>") == "450 4.2.0 not now"
        # Accept stops other plugins, not the core.
        assert (await client.ask("RCPT TO:<nobody@example.test>")).startswith("550 5.1.1")
        assert (await client.ask("RCPT TO:<x@elsewhere.example>")).startswith("550 5.7.1 Relaying")


async def test_refused_connection_is_closed_with_the_plugins_words(world: World) -> None:
    @hookimpl
    async def smtp_connect(session: Session) -> Verdict | None:
        return Reject("5.7.1", "not from there")

    world.plugins(smtp_connect)
    import asyncio

    client = Client(*await asyncio.open_connection("127.0.0.1", await world.listen()))
    assert await client.reply() == "554 5.7.1 not from there"
    assert await client.reader.read() == b""
    await client.close()


@pytest.mark.proves(
    "plugins: a plugin that fails costs a 4xx, never the mail, and its error text stays inside"
)
async def test_failed_plugin_is_a_temporary_failure_without_its_text(world: World) -> None:
    @hookimpl
    async def smtp_rcpt(recipient: Address) -> Verdict | None:
        raise RuntimeError("a secret of the plugin's")

    @hookimpl
    async def check_message(message: Message) -> Finding | None:
        raise RuntimeError("another secret")

    world.plugins(smtp_rcpt, check_message)
    async with connected(await world.listen()) as client:
        await client.ask("MAIL FROM:<a@b.example>")
        reply = await client.ask("RCPT TO:<bob@example.test>")
        assert reply.startswith("451 4.3.0")
        assert "secret" not in reply
        world.plugins(check_message)
        await client.ask("RSET")
        reply = await client.submit(MAIL)
        assert reply.startswith("451 4.7.1")
        assert "secret" not in reply
    assert not world.storage.accepted


async def test_failed_plugin_refuses_the_sender_and_tells_so(world: World) -> None:
    facts: list[tuple[Address | None, int]] = []

    @hookimpl
    async def smtp_mail(envelope: Envelope) -> Verdict | None:
        raise RuntimeError("a secret of the plugin's")

    @hookimpl
    async def recipient_refused(recipient: Address | None, code: int, text: str) -> None:
        facts.append((recipient, code))

    world.plugins(smtp_mail, recipient_refused)
    async with connected(await world.listen()) as client:
        assert (await client.ask("MAIL FROM:<a@b.example>")).startswith("451 4.3.0")
        await world.told()
    assert facts == [(None, 451)]


async def test_exception_inside_is_a_temporary_failure_without_its_text(world: World) -> None:
    async with connected(await world.listen()) as client:
        await client.ask("MAIL FROM:<a@b.example>")
        world.directory.down = True
        assert await client.ask("RCPT TO:<bob@example.test>") == (
            "451 4.3.0 Something went wrong here; try again later"
        )
        world.directory.down = False
        assert (await client.ask("RCPT TO:<bob@example.test>")).startswith("250")
        world.storage.failures += [RuntimeError("secret"), RuntimeError("secret")]
        await client.ask("DATA")
        await client.send(MAIL + b".\r\n")
        assert await client.reply() == "451 4.3.0 Something went wrong here; try again later"
        assert (await client.submit(MAIL)).startswith("250 2.0.0 delivered")


async def test_transaction_keeps_the_generation_that_it_began_with(world: World) -> None:
    @hookimpl
    async def smtp_rcpt(recipient: Address) -> Verdict | None:
        return Reject("5.7.1", "the new plugin")

    async with connected(await world.listen()) as client:
        await client.ask("MAIL FROM:<a@b.example>")
        old = world.generations.current
        world.plugins(smtp_rcpt)
        assert world.generations.pinned(old) == 1
        assert (await client.ask("RCPT TO:<bob@example.test>")).startswith("250")
        await client.ask("RSET")
        assert world.generations.pinned(old) == 0
        await client.ask("MAIL FROM:<a@b.example>")
        assert await client.ask("RCPT TO:<bob@example.test>") == "550 5.7.1 the new plugin"


async def test_transaction_that_outlives_the_grace_period_fails_for_now(world: World) -> None:
    @hookimpl
    async def check_message(message: Message) -> Finding | None:
        raise AssertionError("its scope may be closed")

    world.plugins(check_message)
    async with connected(await world.listen()) as client:
        await client.ask("MAIL FROM:<a@b.example>")
        await client.ask("RCPT TO:<bob@example.test>")
        old = world.generations.current
        world.plugins()
        world.generations.expire(old)
        assert (await client.ask("RCPT TO:<alice@example.test>")).startswith("451 4.3.0")
        await client.ask("DATA")
        await client.send(MAIL + b".\r\n")
        assert (await client.reply()).startswith("451 4.3.0")
        assert (await client.submit(MAIL)).startswith("250")


async def test_stashes_carry_from_hook_to_hook(world: World) -> None:
    in_session: StashKey[str] = StashKey()
    in_transaction: StashKey[int] = StashKey()

    @hookimpl
    async def smtp_connect(session: Session) -> Verdict | None:
        session.stash[in_session] = "kept"
        return None

    @hookimpl
    async def smtp_rcpt(session: Session, envelope: Envelope, recipient: Address) -> Verdict | None:
        envelope.stash[in_transaction] = envelope.stash.get(in_transaction, 0) + 1
        return None

    @hookimpl
    async def check_message(session: Session, envelope: Envelope, message: Message) -> Finding | None:
        value = f"{session.stash[in_session]} {envelope.stash[in_transaction]}"
        return Finding(headers=(("X-Stash", value),))

    world.plugins(smtp_connect, smtp_rcpt, check_message)
    async with connected(await world.listen()) as client:
        await client.ask("MAIL FROM:<a@b.example>")
        await client.ask("RCPT TO:<alice@example.test>")
        await client.ask("RSET")
        await client.ask("MAIL FROM:<a@b.example>")
        await client.ask("RCPT TO:<alice@example.test>")
        await client.ask("RCPT TO:<bob@example.test>")
        await client.ask("DATA")
        await client.send(MAIL + b".\r\n")
        await client.reply()
    assert b"X-Stash: kept 2\r\n" in world.message


async def test_findings_decide_where_a_message_goes(world: World) -> None:
    @hookimpl
    async def check_message(message: Message) -> Finding | None:
        match message.headers.get("Subject"):
            case "score 5":
                return Finding(5.0, headers=(("X-Score", "5"),), reasons=("five",))
            case "score 15":
                return Finding(15.0)
            case "junk":
                return Finding(action=Junk())
            case "virus":
                return Finding(action=Quarantine())
            case "trusted":
                return Finding(100.0, action=Trust())
            case "rejected":
                return Finding(action=Reject("5.7.1", "a bad mail"))
            case "deferred":
                return Finding(action=Defer("4.7.1", "come back"))
        return None

    world.plugins(check_message)
    world.settings(checks=ChecksTable(junk_score=5.0, reject_score=10.0))
    async with connected(await world.listen()) as client:

        async def send(subject: str) -> tuple[str, str]:
            reply = await client.submit(f"Subject: {subject}\r\n\r\n".encode())
            accepted = list(world.storage.accepted.values())
            return reply, accepted[-1].deliveries[0].mailbox if reply.startswith("250") else ""

        assert (await send("plain"))[1] == "INBOX"
        assert (await send("score 5"))[1] == "\\Junk"
        assert (await send("junk"))[1] == "\\Junk"
        assert (await send("virus"))[1] == "Quarantine"
        assert (await send("trusted"))[1] == "INBOX"
        assert (await send("rejected"))[0] == "554 5.7.1 a bad mail"
        assert (await send("deferred"))[0] == "451 4.7.1 come back"
        large = b"Subject: rejected\r\n\r\n" + b"x" * 400_000
        assert await client.submit(large) == "554 5.7.1 a bad mail"
        assert [spool.ended for spool in world.blobs.spools] == ["discarded"]
        assert (await send("score 15"))[0] == "554 5.7.1 The message looks too much like spam"
    scored = list(world.blobs.blobs.values())[1][0]
    assert scored.startswith(b"X-Hub-Checks: score +5; plugin-0: five\r\nX-Score: 5\r\nReceived: from client")


async def test_check_sees_the_message_as_it_will_be_stored(world: World) -> None:
    seen: list[bytes] = []

    @hookimpl
    def check_message(message: Message) -> Finding | None:
        seen.append(message.bytes(10_000_000))
        return None

    world.plugins(check_message)
    large = b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 10_000
    async with connected(await world.listen()) as client:
        await client.submit(MAIL[:-2])
        await client.submit(large[:-2])
    stored = [head + body for head, body, _ in world.blobs.blobs.values()]
    assert seen == stored
    assert stored[1].endswith(large)
    assert [spool.ended for spool in world.blobs.spools] == ["kept"]


async def test_facts_tell_what_became_of_everything(world: World) -> None:
    facts: list[str] = []

    @hookimpl
    async def session_opened(session: Session) -> None:
        facts.append(f"opened {session.protocol}")

    @hookimpl
    async def session_closed(session: Session) -> None:
        facts.append("closed")

    @hookimpl
    async def recipient_refused(recipient: Address | None, code: int, text: str) -> None:
        facts.append(f"refused {recipient} {code} {text}")

    @hookimpl
    async def message_refused(envelope: Envelope, code: int, text: str) -> None:
        facts.append(f"message refused {code} {text[:5]}")

    @hookimpl
    async def message_accepted(envelope: Envelope, size: int) -> None:
        facts.append(f"accepted {size == len(next(iter(world.blobs.blobs.values()))[0]) + 6}")

    @hookimpl
    async def message_delivered(message_id: str, account: AccountRef, mailbox: str, uid: int) -> None:
        facts.append(f"delivered {account.key} {mailbox} {uid} {message_id in world.storage.accepted}")

    world.plugins(
        session_opened,
        session_closed,
        recipient_refused,
        message_refused,
        message_accepted,
        message_delivered,
    )
    async with connected(await world.listen()) as client:
        await client.ask("MAIL FROM:<a@b.example> SIZE=999999999999")
        await client.ask("MAIL FROM:<a@b.example>")
        await client.ask("RCPT TO:<nobody@example.test>")
        await client.ask("RCPT TO:<team@example.test>")
        await client.ask("DATA")
        await client.send(MAIL + b".\r\n")
        await client.reply()
        await client.submit(b"A: b\r\n\r\nbare \n line feed")
        await client.ask("QUIT")
        assert await client.reader.read() == b""
    await world.kernel.connections.drain(5)
    await world.told()
    assert sorted(facts) == sorted(
        [
            "opened smtp",
            "refused None 552 5.3.4 The message is larger than SIZE allows",
            "refused nobody@example.test 550 5.1.1 Nobody has this address here",
            "accepted True",
            "delivered alice INBOX 1 True",
            "delivered bob INBOX 1 True",
            "message refused 550 5.6.0",
            "closed",
        ]
    )


async def test_trace_tells_the_story_of_a_session(world: World) -> None:
    @hookimpl
    async def smtp_rcpt(recipient: Address) -> Verdict | None:
        return Reject("5.7.1", "no") if recipient.local == "alice" else None

    world.plugins(smtp_rcpt)
    async with connected(await world.listen("submission")) as client:
        assert len(world.kernel.sessions) == 1
        await client.ask("AUTH PLAIN AGFsaWNlAGRlbW8=")
        await client.ask("MAIL FROM:<alice@example.test>")
        await client.ask("RCPT TO:<alice@example.test>")
        await client.ask("RCPT TO:<bob@example.test>")
        await client.ask("DATA")
        await client.send(b"\r\n.\r\n")
        reply = await client.reply()
    await world.kernel.connections.drain(5)
    message_id = reply.rpartition(" ")[2]
    story = [(kind, name, plugin, outcome) for _, _, kind, name, plugin, outcome, _, _ in world.records]
    assert story == [
        ("session", "submission", None, "opened"),
        ("command", "connect", None, "220 "),
        ("command", "EHLO", None, "250 "),
        ("hook", "authenticate", "plugin-1", "identity"),
        ("note", "login", None, "succeeded"),
        ("command", "AUTH", None, "235 2.7.0"),
        ("command", "MAIL", None, "250 2.1.0"),
        ("hook", "smtp_rcpt", "plugin-0", "reject"),
        ("command", "RCPT", None, "550 5.7.1"),
        ("hook", "smtp_rcpt", "plugin-0", "-"),
        ("command", "RCPT", None, "250 2.1.5"),
        ("command", "DATA", None, "354 "),
        ("commit", "memory:0", None, "durable"),
        ("delivery", "INBOX", None, "delivered"),
        ("command", "DATA", None, "250 2.0.0"),
        ("session", "submission", None, "closed"),
    ]
    assert {record[1] for record in world.records[6:-1]} == {message_id}
    assert not any("demo" in record[7] or "AGFsaWNl" in record[7] for record in world.records)


async def test_trace_says_who_the_session_was_with_and_what_the_message_calls_itself(world: World) -> None:
    said: list[str] = []
    kept = world.kernel.write_trace

    def write(trace: Trace) -> None:
        said.append(trace.about)
        kept(trace)

    world.kernel.write_trace = write
    async with connected(await world.listen()) as client:
        await client.ask("MAIL FROM:<a@b.example>")
        await client.ask("RCPT TO:<bob@example.test>")
        await client.ask("DATA")
        await client.send(b"Subject: x\r\nMESSAGE-ID:\r\n <folded@b.example>\r\n\r\n.\r\n")
        reply = await client.reply()
    await world.kernel.connections.drain(5)
    assert said[0].startswith("smtp from 127.0.0.1:")
    (found,) = [record for record in world.records if record[7] == "<folded@b.example>"]
    assert found[1] == reply.rpartition(" ")[2]
