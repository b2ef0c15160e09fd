"""Score messages by the words in their subject and text."""

import re

from pydantic import BaseModel, ConfigDict, Field

from hub import Finding, Message, Plugin, StashKey, hookimpl


class Settings(BaseModel):
    """[plugins.word-scores]"""

    model_config = ConfigDict(extra="forbid", frozen=True)

    words: dict[str, float] = Field(
        default={"lottery": 3.0, "inheritance": 2.5, "meeting": -1.0},
        description="What each word adds to the score of a message that has it; good words take away.",
    )


WORDS: StashKey[re.Pattern[str]] = StashKey()


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """One pattern for all words, made once."""
    words = sorted(plugin.settings(Settings).words, key=len, reverse=True)
    pattern = "|".join(map(re.escape, words)) or "(?!)"
    plugin.stash[WORDS] = re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE)


@hookimpl(max_size=1_000_000)
def check_message(plugin: Plugin, message: Message) -> Finding | None:
    """A plain def, so it runs in a thread, where it may take its time with the text."""
    weights = {word.lower(): weight for word, weight in plugin.settings(Settings).words.items()}
    text = message.bytes(limit=1_000_000).decode("utf-8", "replace")
    found = {match.lower() for match in plugin.stash[WORDS].findall(text)}
    score = sum(weights[word] for word in found)
    return Finding(score=score, reasons=tuple(sorted(found))) if found else None
