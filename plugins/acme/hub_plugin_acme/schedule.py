"""When what is due: functions of what is kept and of the time, and of nothing else."""

from __future__ import annotations

import random
from typing import Final

from hub_plugin_acme.records import Kept, Progress
from hub_plugin_acme.settings import Wanted

FIRST_PAUSE: Final = 300.0
LONGEST_PAUSE: Final = 43200.0
"""Seconds after the first failure, and after many: four tries in the first hour, where five are allowed."""
APART: Final = 3600.0
"""Seconds between two certificates of one kind, whatever an authority suggests."""
ASK_SOONEST: Final = 3600.0
ASK_LATEST: Final = 86400.0
"""Seconds between two questions for a suggestion (RFC 9773 §4.3.1)."""


def renew_at(kept: Kept, progress: Progress) -> float:
    """When a certificate is renewed.

    With a third of its lifetime left, or up to a thirtieth earlier, so that certificates of one day are not
    renewed in one minute; or when its authority suggests, but with a tenth left at the latest.
    """
    lifetime = kept.ends - kept.begins
    if progress.renew_at is not None:
        return min(progress.renew_at, kept.ends - lifetime / 10)
    scatter = int(kept.fingerprint[:8], 16) / 2**32  # the same in every worker, and after a restart
    return kept.ends - lifetime / 3 - scatter * lifetime / 30


def is_due(wanted: Wanted, directory: str, kept: Kept | None, progress: Progress, now: float) -> bool:
    """Whether an order is to be placed. After a failure that waits, unless something else is asked for."""
    if now < progress.again and progress.asked == wanted.asked:
        return False
    if kept is None or kept.revoked or kept.directory != directory or set(kept.names) != set(wanted.names):
        return True
    return now >= renew_at(kept, progress)


def is_valid(kept: Kept | None, now: float) -> bool:
    """Whether clients that look closely are content with it."""
    return kept is not None and not kept.revoked and kept.begins <= now < kept.ends


def pause(failures: int, later: float) -> float:
    """Seconds until the next try after so many failures. later: what the authority wants at least."""
    usual = min(FIRST_PAUSE * 2.0 ** min(failures - 1, 20), LONGEST_PAUSE)
    return max(usual * random.uniform(0.8, 1.2), later * random.uniform(1.0, 1.1))
