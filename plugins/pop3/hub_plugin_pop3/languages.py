"""In which languages texts are said (RFC 6856 §3): English, by either of its names."""

from typing import Final

DEFAULT: Final = "i-default"
"""What every client understands, in ASCII (RFC 2277 §4.5)."""
LANGUAGES: Final = {DEFAULT: "English for everybody", "en": "English"}
"""By tag, in their own words."""


def chosen(wanted: str) -> str | None:
    """The tag that a language range means, by lookup (RFC 4647 §3.4): `en-GB` is `en`; `*` is the default.

    None if it is not spoken here.
    """
    if wanted == "*":
        return DEFAULT
    subtags = wanted.lower().split("-")[:8]
    while subtags:
        if (tag := "-".join(subtags)) in LANGUAGES:
            return tag
        subtags.pop()
        if subtags and len(subtags[-1]) == 1:  # what introduces an extension goes with it
            subtags.pop()
    return None
