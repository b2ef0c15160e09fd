"""[plugins.pop3]: what an operator can say about it."""

from typing import Annotated

from pydantic import ConfigDict, Field

from hub import Duration, SessionLimits


class Settings(SessionLimits):
    """[plugins.pop3]"""

    model_config = ConfigDict(extra="forbid", frozen=True)

    timeout: Annotated[Duration, Field(gt=0)] = Field(
        default=600.0,
        description="How long a silent client is waited for; RFC 1939 §3 wants at least ten minutes.",
    )
    login_timeout: Annotated[Duration, Field(gt=0)] = Field(
        default=120.0, description="How long a client may take to log in, from connecting on."
    )
    login_delay: Annotated[Duration, Field(ge=0)] = Field(
        default=0.0,
        description=(
            "How long one account has to wait from one login to the next, announced as LOGIN-DELAY (RFC 2449 "
            "§6.5); 0 for not at all."
        ),
    )
    expire_days: Annotated[int, Field(ge=0)] | None = Field(
        default=None,
        description=(
            "After how many days your site removes mail that was left here, announced as EXPIRE (RFC 2449 "
            "§6.7); without it, clients are told that mail is kept. The plugin itself never removes any."
        ),
    )
