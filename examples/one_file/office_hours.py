"""Take mail for support@ from 8 to 18 o'clock UTC; [plugins.office-hours] sets other hours."""

from datetime import UTC, datetime

from pydantic import BaseModel, Field

from hub import Defer, hookimpl


class Settings(BaseModel):
    opens: int = Field(default=8, ge=0, le=24, description="The hour from which on mail is taken.")
    closes: int = Field(default=18, ge=0, le=24, description="The hour from which on it is deferred.")


@hookimpl
async def smtp_rcpt(plugin, recipient):
    hours = plugin.settings(Settings)
    now = datetime.fromtimestamp(plugin.clock.time(), UTC)
    if recipient.local == "support" and not hours.opens <= now.hour < hours.closes:
        return Defer("4.3.0", f"support reads mail from {hours.opens} to {hours.closes} o'clock UTC")
