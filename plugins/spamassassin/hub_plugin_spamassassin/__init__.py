"""Spam scoring through SpamAssassin's spamd, which learns from what users make of it.

`conversation` is one request to spamd, `teaching` what it is taught.
"""

import asyncio
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hub import Duration, Envelope, Finding, Message, Plugin, Session, Size, StashKey, hookimpl
from hub_plugin_spamassassin.conversation import Conversation, SpamdAddress, SpamdError
from hub_plugin_spamassassin.teaching import Teacher


class Settings(BaseModel):
    """[plugins.spamassassin]: where spamd listens, and what it is not asked about."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    socket: Path | None = Field(
        default=None, description="spamd's unix socket (its --socketpath), instead of host."
    )
    host: str | None = Field(
        default=None,
        min_length=1,
        description="Where spamd listens on TCP. Without socket and host: 127.0.0.1.",
    )
    port: int = Field(default=783, ge=1, le=65535, description="spamd's --port; counts only without socket.")
    user: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9._@+-]{1,100}$",
        description="Whose preferences and Bayes database spamd uses. Without it: its own user's.",
    )
    timeout: Annotated[Duration, Field(gt=0, le=55)] = Field(
        default=30.0,
        description="How long one message may take, connecting included; less than the 60 s of the hook.",
    )
    max_size: Size = Field(default=512 << 10, description="Larger messages are not shown to spamd.")
    connections: int = Field(
        default=5, ge=1, le=1000, description="Messages shown to spamd at once; its --max-children is 5."
    )
    authenticated: bool = Field(
        default=False, description="Whether the mail of users who have logged in is judged as well."
    )
    rules: bool = Field(
        default=True, description="Whether spamd names the rules that were hit (SYMBOLS), or not (CHECK)."
    )
    learn: bool = Field(
        default=False,
        description="Whether spamd learns from mail that users move to Junk and back; it needs --allow-tell.",
    )

    @model_validator(mode="after")
    def _one_address(self) -> "Settings":
        if self.socket is not None and self.host is not None:
            raise ValueError("has both socket and host; spamd is asked at one of them")
        return self

    @property
    def address(self) -> SpamdAddress:
        """Where to connect to."""
        return self.socket or (self.host or "127.0.0.1", self.port)


CONNECTIONS = StashKey[asyncio.Semaphore]()


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """More messages at once than spamd has children wait here, where no time runs against them yet."""
    settings = plugin.settings(Settings)
    plugin.stash[CONNECTIONS] = asyncio.Semaphore(settings.connections)
    if settings.learn:
        conversation = Conversation(settings.address, settings.user)
        teacher = Teacher(plugin, conversation, settings.timeout, settings.max_size)
        plugin.follow("learning", teacher.follow, from_now=True)


@hookimpl(score=(-100, 100))
async def check_message(
    plugin: Plugin, session: Session, envelope: Envelope, message: Message
) -> Finding | None:
    """The score that spamd gives, with the names of the rules that the message hit."""
    settings = plugin.settings(Settings)
    if message.size > settings.max_size or (session.identity is not None and not settings.authenticated):
        return None
    conversation = Conversation(settings.address, settings.user, rules=settings.rules)
    # Rules about the envelope look here for the sender, as it will stand in the mailbox (RFC 5321 §4.4).
    sender = f"Return-Path: <{envelope.reverse_path or ''}>\r\n".encode()
    async with plugin.stash[CONNECTIONS]:
        try:
            async with asyncio.timeout(settings.timeout):
                await conversation.judge(sender, message)
        except TimeoutError:
            trouble = f"spamd at {conversation.where} has not answered within {settings.timeout:g} s"
            plugin.dependency("spamd", trouble)
            raise SpamdError(trouble) from None
        except (SpamdError, OSError) as error:
            plugin.dependency("spamd", f"{type(error).__name__}: {error}")
            raise
    plugin.dependency("spamd")
    return Finding(
        score=conversation.get_score(),
        reasons=conversation.symbols,
        headers=(("X-Spam-Status", conversation.status()),),
    )
