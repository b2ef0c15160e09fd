"""What the operator can do about what an authority says, by its kind of error (RFC 8555 §6.7)."""

from __future__ import annotations

from typing import Final

_REACHED: Final = (
    "Look at what the authority tried: with http-01 it asks http://NAME/.well-known/acme-challenge/… on port "
    "80, with tls-alpn-01 it connects to port 443. The name has to lead to this hub (A and AAAA), a listener "
    "has to be there, and no firewall before it."
)
_DNS: Final = "Look at the zone: the authority's servers could not get a right answer for the name."

ADVICE: Final = {
    "accountDoesNotExist": "A new account is made with the next try.",
    "badCSR": 'Look at the names; with key = "rsa" the authority may take the other kind of key.',
    "caa": "A CAA record of the domain allows other authorities only: add this one, or choose another.",
    "connection": _REACHED,
    "dns": _DNS,
    "dnssec": f"{_DNS} Its signatures are wrong.",
    "externalAccountRequired": "Set plugins.acme.external_account to what the authority has given you.",
    "incorrectResponse": (
        "Something else than this hub has answered: another web server on that port, a proxy, or a record "
        "that is old."
    ),
    "invalidContact": "Mend plugins.acme.contact.",
    "rateLimited": "The authority wants to be asked less: the hub waits as long as it says.",
    "rejectedIdentifier": "The authority issues nothing for this name: take it out of the certificate.",
    "tls": _REACHED,
    "unauthorized": _REACHED,
    "unsupportedContact": "Mend plugins.acme.contact.",
    "userActionRequired": "Read what the authority says, most often new terms of service.",
}
OTHERWISE: Final = "The hub tries again; if it stays so, ask the authority, or see its status page."
UNREACHABLE: Final = (
    "The hub tries again. If it stays so, look at plugins.acme.directory and plugins.acme.ca_file, and "
    "whether this machine may connect there."
)
