"""The errors that the log reports, by their event; the log writes the code beside each.

Every `error` and `warning` line of the hub has an entry here; a test compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hub.errors.known import Category, KnownError

_AGAIN, _STAYS, _FATAL = Category.RECOVERABLE, Category.PERMANENT, Category.FATAL
_BUG: Final = "This is a bug of the hub: report it with the traceback in the line. The client tries again."
_PLUGIN: Final = "Read reason and where, and mend the plugin; saving its file loads it again."
_DISK: Final = "Look at the disk and the rights of hub.data_dir: the reason is the system's own."

_ENTRIES: Final = (
    # plugins
    ("plugin-hook-failed", _AGAIN, "4.3.0", "hook failed", _PLUGIN),
    (
        "plugin-breaker-opened", _AGAIN, "4.3.0", "breaker opened",
        "The plugin failed again and again, and is left out until a probe succeeds. " + _PLUGIN,
    ),
    ("plugin-timer-failed", _AGAIN, "", "a timer failed", _PLUGIN),
    ("plugin-timer-function-failed", _AGAIN, "", "a timer's function failed", _PLUGIN),
    ("plugin-question-failed", _AGAIN, "", "a question failed", "Who asked is told so. " + _PLUGIN),
    ("plugin-follower-failed", _AGAIN, "", "a follower failed", "It gets the same entries again. " + _PLUGIN),
    ("plugin-tasks-do-not-end", _STAYS, "", "tasks do not end", "They outlive their plugin. " + _PLUGIN),
    ("plugin-resource-not-closed", _STAYS, "", "a resource did not close", _PLUGIN),
    ("plugin-left-a-task", _STAYS, "", "left a task behind, which is cancelled", _PLUGIN),
    ("plugin-left-a-hung-task", _STAYS, "", "a task that was left behind does not end", _PLUGIN),
    ("plugin-left-a-thread", _STAYS, "", "left a thread behind, which goes on until it ends", _PLUGIN),
    ("plugin-warning", _STAYS, "", "plugin", "The plugin works; the reason says what its author should "
    "change."),
    (
        "plugin-not-started-again", _STAYS, "", "a stopped plugin does not start again",
        "Its successor failed and it had to stop for it: mend either and save it, or restart the hub.",
    ),
    # HTTP
    (
        "http-response-cut-short", _AGAIN, "", "a response was cut short",
        "Its client did not read it within http.timeout, or the plugin that makes it failed in the middle.",
    ),
    (
        "http-not-heard", _STAYS, "", "no listener speaks HTTP",
        "Plugins provide routes that nobody can ask for: add a listener, `[listeners.http]` with protocol = "
        '"http" and bind = ["127.0.0.1:9580"].',
    ),
    ("http-bug", _STAYS, "", "a request failed", _BUG),
    (
        "directory-silent", _AGAIN, "4.4.3", "the directory does not answer",
        "Mail is put off until it does: hub status says what is wrong with the servers that it asks.",
    ),
    # protocols that plugins speak
    ("listener-session-failed", _AGAIN, "", "what serves a session failed", _PLUGIN),
    ("listener-farewell-failed", _STAYS, "", "a farewell failed", _PLUGIN),
    # reloads
    (
        "reload-refused", _STAYS, "", "reload refused",
        "Nothing has changed. Mend what the reason names; saving it, or hub reload, tries again.",
    ),
    (
        "reload-refused-in-all", _STAYS, "", "reload refused in all workers",
        "Nothing has changed. Mend what the reasons name; saving it, or hub reload, tries again.",
    ),
    ("reload-not-ended", _AGAIN, "", "a reload did not end well", "hub status shows whether all workers "
    "agree."),
    ("reload-worker-silent", _AGAIN, "", "a worker did not end its reload", "hub status shows how it does."),
    (
        "reload-grace-over", _AGAIN, "4.3.0", "grace period over",
        "Transactions outlived hub.reload_grace and get 451 at their next hook; raise it if that is often.",
    ),
    ("reload-needs-workers", _STAYS, "", "takes effect with new workers", "Restart the hub when it suits "
    "you."),
    ("reload-needs-start", _STAYS, "", "takes effect with a new start of the hub", "Restart it when it "
    "suits you."),
    ("plugins-rolled-back", _STAYS, "", "rolled back", "Mend the plugin and save it, or hub reload."),
    (
        "reload-not-kept", _STAYS, "", "what serves is not kept: a new worker will not start",
        "Look at the disk and the rights of hub.data_dir, then hub reload.",
    ),
    ("store-not-collected", _AGAIN, "", "garbage could not be collected", "It is tried again; " + _DISK),
    (
        "watch-no-folder", _STAYS, "", "a folder is not watched",
        "What is saved in it is live only after hub reload; the reason is the system's own.",
    ),
    ("watch-failed", _AGAIN, "", "looking for changed plugins failed", "hub reload looks again."),
    # sessions
    ("smtp-internal", _AGAIN, "4.3.0", "internal error", _BUG),
    ("smtp-spool-failed", _AGAIN, "4.3.0", "a message cannot be written to disk", _DISK),
    ("imap-internal", _AGAIN, "4.3.0", "a command failed", _BUG),
    ("imap-session-failed", _AGAIN, "4.3.0", "a session failed", _BUG),
    (
        "imap-context-failed", _AGAIN, "4.3.0", "a search cannot be kept up to date",
        "The client is told so and may search again. " + _BUG,
    ),
    ("imap-idle-failed", _AGAIN, "4.3.0", "a client in IDLE cannot be told", _BUG),
    (
        "imap-message-unreadable", _STAYS, "5.3.0", "a message cannot be read",
        "Its bytes are gone or damaged: hub store check says which, a backup of the segment puts them back.",
    ),
    (
        "summaries-not-made", _STAYS, "4.3.0", "summaries cannot be made",
        "Nothing is lost: they are made for each client that asks. The line says why they cannot be kept.",
    ),
    (
        "sessions-refused", _AGAIN, "4.7.0", "sessions are refused",
        "Raise the limit that the line names if these clients are wanted.",
    ),
    (
        "listener-cannot-accept", _AGAIN, "", "no connection can be accepted",
        "Most often too many open files: raise LimitNOFILE of the service or lower the limits of sessions.",
    ),
    (
        "listener-bad-proxy", _STAYS, "", "bad PROXY header",
        "Who connects is listed as a proxy and does not speak PROXY: mend its settings, or take it off the "
        "list.",
    ),
    ("stop-connections-left", _AGAIN, "", "connections did not end in time", "They were closed; clients "
    "retry."),
    ("stop-threads-left", _AGAIN, "", "threads do not end; the process does", "A plugin or driver hangs in "
    "one."),
    ("trace-lost", _AGAIN, "", "trace records were lost", _DISK),
    ("spans-lost", _AGAIN, "", "spans were lost", "The mail itself is well. The reason says what is wrong "
    "with the collector, or why it is too slow; a smaller trace.sampling.ratio sends it less."),
    ("spans-not-made", _STAYS, "", "spans cannot be made", _BUG),
    (
        "tls-handshake-failed", _STAYS, "4.7.0", "a TLS handshake failed",
        "The line says what to change and on which side; hub tls explain shows what both sides offered.",
    ),
    ("tls-certificate", _STAYS, "4.7.0", "certificate", "Renew or replace the file that the line names."),
    (
        "tls-ocsp", _AGAIN, "", "OCSP",
        "Whoever issued the certificate gives no response that could be stapled, and is asked again. Clients "
        "ask for themselves, unless the line says must-staple: then replace the certificate.",
    ),
    ("tls-ocsp-not-kept", _AGAIN, "", "OCSP response not kept", _DISK),
    (
        "lease-not-renewed", _AGAIN, "", "lease not renewed",
        "Another worker takes the work over; look at the store if it is often.",
    ),
    # mail that is sent on
    ("relay-failed", _AGAIN, "4.3.0", "mail could not be sent", "It is tried again. " + _BUG),
    ("relay-queue-unread", _AGAIN, "", "the queue cannot be read", "It is tried again; look at the store."),
    ("relay-lease-not-renewed", _AGAIN, "", "a lease of queued mail is not renewed", "It is tried again; "
    "look at the store."),
    (
        "relay-outcome-not-kept", _AGAIN, "", "what became of mail is not kept",
        "It is tried again for a minute; after that the mail may be sent twice. Look at the store.",
    ),
    (
        "relay-trust-unread", _STAYS, "", "certificates to trust cannot be read",
        "Those that it had before are trusted on. Mend the file that the line names (relay.trust, or a "
        "smarthost's trust): certificates as PEM.",
    ),
    (
        "relay-in-doubt", _AGAIN, "4.4.2", "mail may be sent twice",
        "The connection broke after the last octet and before the reply to it: SMTP leaves no way to know.",
    ),
    (
        "relay-lease-lost", _AGAIN, "", "somebody else has sent this mail too",
        "This process was stopped, or had no store, for longer than its lease lasts.",
    ),
    (
        "relay-report-undeliverable", _STAYS, "", "a report cannot be delivered",
        "A report about mail came back itself, or mail with an empty sender. It goes to relay.postmaster.",
    ),
    (
        "relay-return-unreadable", _STAYS, "", "a report that came back cannot be read",
        "The report is delivered; who it was about is not counted. Read reason: it may be a bug of the hub.",
    ),
    (
        "relay-sender-forged", _STAYS, "", "a report would reach somebody who has not sent the mail",
        "Mail from elsewhere could not be passed on, and SPF, DMARC or its client's names say that it is "
        "forged: no report is sent. An alias that leads elsewhere takes such mail in; let checks refuse it.",
    ),
    (
        "relay-postmaster-not-told", _STAYS, "", "the postmaster is not told",
        "There were too many notices in this hour, or a notice itself came back; hub trace shows it.",
    ),
    (
        "relay-no-postmaster", _STAYS, "", "there is no postmaster",
        "Make an account, an alias postmaster, or name somebody in relay.postmaster.",
    ),
    (
        "relay-sender-unknown", _STAYS, "", "nobody can be told what became of mail",
        "Its sender has no account here any more. The mail goes to relay.postmaster.",
    ),
    (
        "relay-figures-not-kept", _AGAIN, "", "figures of mail are not kept",
        "`hub queue bounces` lacks what was counted meanwhile; it is tried again. Look at the store.",
    ),
    # workers
    (
        "worker-ended", _FATAL, "", "worker ended",
        "Another is started. The reason, or the signal, says why; deaths while judging name the message.",
    ),
    (
        "worker-dies-again", _FATAL, "", "a worker dies again and again",
        "Starts are slowed down. Read the lines of worker-ended before this one; hub plugins rollback may "
        "help.",
    ),
    ("worker-not-started", _FATAL, "", "no worker can be started", "The system has no process to spare."),
    ("worker-replaced", _FATAL, "", "a worker is replaced", "The reason says which limit it went over."),
    (
        "worker-blocked", _FATAL, "", "a worker's loop is blocked",
        "by names the plugin that does not return: it should be `async`, or a plain `def`, which has "
        "threads.",
    ),
    (
        "loop-blocked", _AGAIN, "", "the loop is blocked",
        "by names the plugin that does not return: it should be `async`, or a plain `def`, which has "
        "threads.",
    ),
    ("worker-stack", _FATAL, "", "where the worker stood", "The stack of the worker that was replaced."),
    ("worker-not-told", _AGAIN, "", "a worker was not told what to set aside", "hub status shows how it "
    "does."),
    ("stacks-not-kept", _STAYS, "", "no file for stacks", _DISK),
    # deaths
    (
        "judging-died", _FATAL, "", "died while judging",
        "A worker ended while this plugin judged this message; where no stack names one, any of those that "
        "ran. The third time the message is set aside.",
    ),
    (
        "judging-set-aside", _STAYS, "", "set aside: kept unjudged from now on",
        "Three workers ended on this content. It is kept in quarantine; report it to the plugin's author.",
    ),
    ("judging-not-noted", _STAYS, "", "what is being judged is not written down", _DISK),
    ("judging-deaths-not-noted", _STAYS, "", "deaths are not written down", _DISK),
    ("judging-deaths-unreadable", _STAYS, "", "cannot be read, and begins anew", _DISK),
)  # fmt: skip

LOGGED: Final[Mapping[str, KnownError]] = MappingProxyType(
    {
        event: KnownError(code, category, enhanced, "", event, advice)
        for code, category, enhanced, event, advice in _ENTRIES
    }
)
"""Event → the error."""
