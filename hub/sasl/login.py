"""The one way to log in, whatever the protocol: the hook plans decide, the facts are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hub.dispatch.failure import HookFailed
from hub.hooks import login as hooks
from hub.hooks.observe import login_failed, login_succeeded
from hub.hooks.session import Session
from hub.loading.kernel import Kernel
from hub.mail.login import Bearer, BearerHelp, Credentials, Identity, Refuse, ScramKeys
from hub.trace.record import Trace

NOBODY_KNOWS: Final = "nobody knows the name"
MALFORMED: Final = "malformed response"


@dataclass(frozen=True, slots=True)
class LoginContext:
    """Who is asked and who asks."""

    kernel: Kernel
    session: Session
    trace: Trace


@dataclass(frozen=True, slots=True)
class Refused:
    """Wrong credentials, or a senseless exchange. reason is for the log; clients get one constant text.

    bearer: what a client that has shown a token may know besides.
    """

    reason: str
    bearer: BearerHelp | None = None


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Nobody could decide now: 454 4.7.0 in SMTP (RFC 4954 §6), `NO [UNAVAILABLE]` in IMAP (RFC 5530)."""


async def authenticate(
    kernel: Kernel, session: Session, trace: Trace, credentials: Credentials
) -> Identity | Refused | Unavailable:
    """Ask the `authenticate` plan; tell `login_succeeded` or `login_failed`. A failed plugin never raises.

    Who is refused waits as long as everybody who is: sources that know a name answer sooner or later than
    those that do not.
    """
    clock = kernel.services.clock
    began = clock.monotonic()
    pin = kernel.generations.pin()
    try:
        answer = await pin.first(hooks.authenticate)(trace, session=session, credentials=credentials)
    except HookFailed:
        trace.add("note", "login", "unavailable", detail=credentials.mechanism)
        return Unavailable()
    finally:
        pin.release()
    context = LoginContext(kernel, session, trace)
    if isinstance(answer, Identity):
        return succeeded(context, answer, credentials.mechanism)
    refusal = answer if isinstance(answer, Refuse) else Refuse(NOBODY_KNOWS)
    if not (isinstance(credentials, Bearer) and not credentials.token):  # who only asks has not failed
        failed(context, credentials.username, credentials.mechanism, refusal.reason)
        left = began + kernel.settings.hub.login_pause - clock.monotonic()
        if left > 0:
            await clock.sleep(left)
    return Refused(refusal.reason, refusal.bearer)


async def scram_keys(login: LoginContext, username: str) -> ScramKeys | Refuse | Unavailable | None:
    """What the `resolve_scram_keys` plan has for a name."""
    pin = login.kernel.generations.pin()
    try:
        keys: ScramKeys | Refuse | None = await pin.first(hooks.resolve_scram_keys)(
            login.trace, session=login.session, username=username
        )
    except HookFailed:
        login.trace.add("note", "login", "unavailable", detail="SCRAM-SHA-256")
        return Unavailable()
    finally:
        pin.release()
    return keys


def succeeded(login: LoginContext, identity: Identity, mechanism: str) -> Identity:
    """Tell everybody that somebody is in; gives the identity."""
    login.trace.add("note", "login", "succeeded", detail=f"{mechanism} {identity.login}")
    pin = login.kernel.generations.pin()
    pin.notify(login_succeeded)(session=login.session, identity=identity, mechanism=mechanism)
    pin.release()
    return identity


def failed(login: LoginContext, username: str, mechanism: str, reason: str) -> Refused:
    """Tell everybody that somebody is not; gives the refusal."""
    login.trace.add("note", "login", "refused", detail=f"{mechanism} {username[:200]!r}: {reason}")
    pin = login.kernel.generations.pin()
    pin.notify(login_failed)(session=login.session, username=username, mechanism=mechanism, reason=reason)
    pin.release()
    return Refused(reason)
