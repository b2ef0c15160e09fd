"""AUTHORIZATION: who is there, and whether the maildrop is theirs alone.

RFC 1939 §4, SASL in RFC 5034, STLS in RFC 2595 §4, CAPA in RFC 2449.
"""

import binascii
import re
from typing import Final

from hub import Identity, LineTooLong, LoginFailure, Password
from hub_plugin_pop3.dialogue import LONGEST_LOGIN, Answer, BadCommand, Dialogue
from hub_plugin_pop3.languages import LANGUAGES, chosen
from hub_plugin_pop3.maildrop import open_maildrop
from hub_plugin_pop3.replies import IN_USE, NEEDS_TLS, UNAVAILABLE, WRONG_LOGIN, err, ok

_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_FAILED: Final = {
    LoginFailure.REFUSED: WRONG_LOGIN,
    LoginFailure.UNAVAILABLE: UNAVAILABLE,
    LoginFailure.EXPOSED: NEEDS_TLS,
}


async def _user(dialogue: Dialogue, rest: str) -> bytes:
    if not rest:
        raise BadCommand("it is written: USER name")
    if not dialogue.session.mechanisms:
        return NEEDS_TLS
    dialogue.user = rest
    return ok("Now the password")


async def _pass(dialogue: Dialogue, rest: str) -> bytes:
    user, dialogue.user = dialogue.user, None
    if user is None:
        raise BadCommand("say USER before PASS")
    if not rest or "\0" in user + rest:
        return WRONG_LOGIN
    return await _conclude(dialogue, await dialogue.session.authenticate(Password(user, rest, "LOGIN")))


async def _auth(dialogue: Dialogue, rest: str) -> bytes:
    session = dialogue.session
    mechanism, _, initial = rest.partition(" ")
    if not mechanism:  # what clients asked that knew no CAPA
        listed = "".join(f"{each}\r\n" for each in session.mechanisms)
        return ok("These are offered") + listed.encode() + b".\r\n"
    try:
        exchange = session.sasl(mechanism)
    except LookupError:
        if not session.mechanisms:
            return NEEDS_TLS
        raise BadCommand(
            f"that mechanism is not offered; these are: {' '.join(session.mechanisms)}"
        ) from None
    response = _decoded(initial) if initial else None
    while isinstance(step := await exchange.step(response), bytes):
        session.write(b"+ " + binascii.b2a_base64(step, newline=False) + b"\r\n")
        try:
            line = (await session.readline(LONGEST_LOGIN)).decode("ascii", "replace")
        except LineTooLong:
            raise BadCommand("the response is too long") from None
        if line == "*":
            raise BadCommand("the login was given up")
        response = _decoded(line)
    return await _conclude(dialogue, step)


def _decoded(text: str) -> bytes:
    """RFC 5034 §4: `=` stands for an initial response of no octets. BadCommand."""
    if text == "=":
        return b""
    if not _BASE64.fullmatch(text):
        raise BadCommand("the response is not base64")
    return binascii.a2b_base64(text)


async def _conclude(dialogue: Dialogue, end: Identity | LoginFailure) -> bytes:
    """Who has logged in has the maildrop from now on, unless somebody else has it."""
    if isinstance(end, LoginFailure):
        return _FAILED[end]
    plugin, session, account = dialogue.plugin, dialogue.session, end.account
    if (delay := dialogue.settings.login_delay) and not await plugin.kv.compare_and_set(
        f"delay/{account.tenant}/{account.key}", None, b"1", expires=delay
    ):
        return err(f"Logins of one account are {delay:g} seconds apart, try again later", "LOGIN-DELAY")
    if not await dialogue.locks.take(account, session.id):
        return IN_USE
    try:
        dialogue.drop = await open_maildrop(plugin.mail(account))
    finally:
        if dialogue.drop is None:
            await dialogue.locks.free(account, session.id)
    return ok(f"{dialogue.drop.count} messages ({dialogue.drop.octets} octets)")


async def _stls(dialogue: Dialogue, rest: str) -> bytes:
    session = dialogue.session
    if session.tls is not None:
        raise BadCommand("TLS is active already")
    if not session.tls_offered:
        raise BadCommand("there is no certificate, so TLS is not offered")
    await session.start_tls(ok("Begin TLS now"))
    # What was said in the clear is forgotten (RFC 2595 §4).
    dialogue.user, dialogue.utf8 = None, False
    return b""


async def _utf8(dialogue: Dialogue, rest: str) -> bytes:
    """RFC 6856 §2: from now on headers are sent as they are."""
    dialogue.utf8 = True
    return ok("UTF-8 it is")


async def lang(dialogue: Dialogue, rest: str) -> bytes:
    """RFC 6856 §3: a list of the languages, or another one from now on."""
    if not rest:
        lines = "".join(f"{tag} {name}\r\n" for tag, name in LANGUAGES.items())
        return ok("Language listing follows") + f"{lines}.\r\n".encode()
    tag = chosen(rest)
    if tag is None:
        return err(f"That language is not spoken here; these are: {' '.join(LANGUAGES)}")
    return ok(f"{tag} Texts are in English")


async def _capa(dialogue: Dialogue, rest: str) -> bytes:
    return capabilities(dialogue)


async def _quit(dialogue: Dialogue, rest: str) -> bytes:
    dialogue.over = True
    return ok("Goodbye")


def capabilities(dialogue: Dialogue) -> bytes:
    """RFC 2449 §5: what is possible now."""
    session, settings = dialogue.session, dialogue.settings
    words = [
        "TOP",
        "UIDL",
        "RESP-CODES",
        "AUTH-RESP-CODE",
        "PIPELINING",
        "UTF8 USER",
        "LANG",
        "EXPIRE NEVER" if settings.expire_days is None else f"EXPIRE {settings.expire_days}",
        "IMPLEMENTATION mail-hub",
    ]
    if settings.login_delay:
        words.append(f"LOGIN-DELAY {settings.login_delay:g}")
    if dialogue.drop is None:
        if session.mechanisms:
            words += ["USER", f"SASL {' '.join(session.mechanisms)}"]
        if session.tls_offered:
            words.append("STLS")
    return ok("These are offered") + "".join(f"{word}\r\n" for word in words).encode() + b".\r\n"


COMMANDS: Final[dict[str, Answer]] = {
    "USER": _user,
    "PASS": _pass,
    "AUTH": _auth,
    "STLS": _stls,
    "UTF8": _utf8,
    "LANG": lang,
    "CAPA": _capa,
    "QUIT": _quit,
}
