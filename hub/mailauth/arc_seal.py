"""Sealing a message that is passed on: one more set of the chain (RFC 8617 §5.1)."""

from __future__ import annotations

from collections.abc import Sequence

from hub.mail.headers import Headers
from hub.mail.message import Message
from hub.mailauth.arc import MAX_INSTANCES, ArcResult, ArcSet, read_sets, seal_data
from hub.mailauth.canonical import BodyHash
from hub.mailauth.dkim_sign import folded_base64, signed_field, signed_names
from hub.mailauth.dkim_tags import fold
from hub.mailauth.keys import SigningKey


def seal_arc(
    message: Message,
    key: SigningKey,
    domain: str,
    selector: str,
    now: float,
    body: BodyHash,
    *,
    chain: ArcResult,
    auth_results: str,
) -> str:
    """The three fields of the next set, with their CRLFs, to be put on top: `message.under(lines)`.

    now: seconds since the epoch. body: of `await hash_body(message)`. chain: what `verify_arc` found when the
    message came. auth_results: what else was found then, as Authentication-Results says it,
    `authserv-id; spf=pass …`. Empty where no set may be added: after fifty, or where the chain has ended.
    """
    instance = chain.instance + 1
    if chain.ended or instance > MAX_INSTANCES:
        return ""
    findings = " ".join(auth_results.split())
    results = fold(f"ARC-Authentication-Results: i={instance}; {findings}") + "\r\n"
    tags = [f"i={instance}", f"a={key.algorithm}", "c=relaxed/relaxed", f"d={domain}", f"s={selector}"]
    signatures = len(message.headers.raw_all("DKIM-Signature"))
    names = [*signed_names(message.headers), *["DKIM-Signature"] * signatures]
    signature = signed_field(
        message.headers, "ARC-Message-Signature", key, [*tags, f"t={now:.0f}"], names, body, "relaxed"
    )
    stated = [tags[0], tags[1], f"cv={chain.status}", *tags[3:], f"t={now:.0f};"]
    seal = fold(f"ARC-Seal: {'; '.join(stated)}") + "\r\n\tb="
    above = Headers(f"{results}{signature}{seal}\r\n".encode() + message.headers.block)
    if chain.status == "fail":  # what is broken has no order, so the seal covers its own set alone
        of_results, of_message, of_seal = above.fields[:3]
        sets: Sequence[ArcSet] = [ArcSet(of_results, of_message, of_seal, {})]
    else:
        sets = read_sets(above)
    data = seal_data(above, sets, seal.encode())
    return f"{seal}{folded_base64(key.sign(data))}\r\n{signature}{results}"
