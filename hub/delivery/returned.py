"""Reports that come back to a reverse-path that was made for one recipient, and what they say."""

from __future__ import annotations

import re
from typing import Final

from hub.delivery.forwarding import returned_from
from hub.dispatch.failure import reason
from hub.hooks.delivery import bounce_received
from hub.hooks.session import Session
from hub.loading.generation import Pin
from hub.loading.kernel import Kernel
from hub.log import get_logger
from hub.mail.bounce import classify_bounce
from hub.mail.envelope import Envelope
from hub.mail.headers import Headers
from hub.mail.structure import Structure, decoded
from hub.mail.verp import has_form

READ: Final = 128 << 10
"""Octets of a report's body that are looked at; what it is about stands at its beginning."""
_STATUS: Final = re.compile(r"\s*([245]\.[0-9]{1,3}\.[0-9]{1,3})")
_CODE: Final = re.compile(r"\s*([245][0-9]{2})(?:[ -]|\Z)")

_log = get_logger(area="delivery")


async def tell_returned(
    kernel: Kernel, pin: Pin, session: Session, envelope: Envelope, head: bytes, body: bytes
) -> None:
    """Tell plugins, if this is such a report. head: its header block."""
    plan = pin.notify(bounce_received)
    if not plan or envelope.reverse_path is not None:
        return
    for address in filter(has_form, envelope.recipients):
        try:
            found = await returned_from(kernel, address)
            if found is None:
                continue
            action, enhanced, text = reported(head + body[:READ])
        except Exception as error:  # the report itself is delivered
            _log.error("a report that came back cannot be read", message=envelope.id, reason=reason(error))
            return
        if action in ("failed", ""):
            code = int(said[1]) if (said := _CODE.match(text)) else int(enhanced[0]) * 100 + 50
            plan(
                session=session,
                envelope=envelope,
                sender=found.sender,
                recipient=found.recipient,
                code=code,
                enhanced=enhanced,
                text=text,
                bounce=classify_bounce(code, enhanced, text),
            )


def reported(octets: bytes) -> tuple[str, str, str]:
    """The action, the status and the diagnostic of the first recipient (RFC 3464 §2.3).

    What does not say is a failure with the status 5.0.0; a reply of somebody's program (RFC 3834) is none,
    its action is `replied`.
    """
    head = Headers(octets)
    if (head.get("Auto-Submitted") or "").lower().startswith("auto-replied"):
        return "replied", "2.0.0", ""
    for part in Structure(octets).walk():
        if part.content_type in ("message/delivery-status", "message/global-delivery-status"):
            return _first(decoded(part, octets))
    return "", "5.0.0", ""


def _first(body: bytes) -> tuple[str, str, str]:
    for block in re.split(rb"\r?\n\r?\n", body):
        fields = Headers(block + b"\r\n\r\n")
        if "Final-Recipient" not in fields and "Action" not in fields:
            continue
        status = _STATUS.match(fields.get("Status") or "")
        _, _, text = (fields.get("Diagnostic-Code") or "").partition(";")
        action = (fields.get("Action") or "").strip().lower()
        return action, status[1] if status else "5.0.0", " ".join(text.split())[:500]
    return "", "5.0.0", ""
