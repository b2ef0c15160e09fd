"""IMAP (RFC 3501): mailboxes over the wire.

    connection ──► dispatch ──► one module per command family ──► output
       input         tokens        view: what this session knows of its mailbox

A command arrives as octets, is read through a `Reader`, and answers with a `Reply`; untagged responses are
rendered once, as octets, and written as they come. A further capability is a further `Command` in the
table of a family.
"""
