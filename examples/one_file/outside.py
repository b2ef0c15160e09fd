"""Mark mail from outside, so that a reader sees it whatever the From field says."""

from hub import Finding, hookimpl


@hookimpl(score=(0, 0))
async def check_message(session):
    if session.identity is None:
        return Finding(headers=(("X-From-Outside", session.peer[0]),))
