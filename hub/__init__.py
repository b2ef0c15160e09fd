"""The public API for plugin authors: `from hub import Reject, hookimpl`.

Every name here is loaded when it is first used, so that `import hub` stays cheap. Nothing else is public.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request as Request
    from starlette.responses import Response as Response

    from hub.cli.parameters import duration as duration
    from hub.cli.tables import show_table as show_table
    from hub.cli.tables import time_text as time_text
    from hub.config.networks import Networks as Networks
    from hub.config.networks import host_address as host_address
    from hub.config.secrets import Secret as Secret
    from hub.config.tables.sessions import SessionLimits as SessionLimits
    from hub.config.tables.types import Duration as Duration
    from hub.config.tables.types import Network as Network
    from hub.config.tables.types import Size as Size
    from hub.hooks.command import CommandContext as CommandContext
    from hub.hooks.http import Route as Route
    from hub.hooks.imapcommand import ImapAnswer as ImapAnswer
    from hub.hooks.imapcommand import ImapCommand as ImapCommand
    from hub.hooks.listeners import LineTooLong as LineTooLong
    from hub.hooks.listeners import ListenerKind as ListenerKind
    from hub.hooks.listeners import ListenerSession as ListenerSession
    from hub.hooks.listeners import Over as Over
    from hub.hooks.listeners import SaslExchange as SaslExchange
    from hub.hooks.listeners import SessionOver as SessionOver
    from hub.hooks.markers import hookimpl as hookimpl
    from hub.hooks.observe import TraceRecord as TraceRecord
    from hub.hooks.plugin import Answering as Answering
    from hub.hooks.plugin import Implementation as Implementation
    from hub.hooks.plugin import Logger as Logger
    from hub.hooks.plugin import Plugin as Plugin
    from hub.hooks.relay import NextHop as NextHop
    from hub.hooks.session import Session as Session
    from hub.hooks.session import TlsInfo as TlsInfo
    from hub.hooks.span import Span as Span
    from hub.hooks.span import SpanEvent as SpanEvent
    from hub.mail.address import Address as Address
    from hub.mail.address import AddressError as AddressError
    from hub.mail.alert import Alert as Alert
    from hub.mail.alert import AlertStatus as AlertStatus
    from hub.mail.alert import Attempt as Attempt
    from hub.mail.alert import Severity as Severity
    from hub.mail.bounce import BounceClass as BounceClass
    from hub.mail.bounce import classify_bounce as classify_bounce
    from hub.mail.dnsrecord import DnsRecord as DnsRecord
    from hub.mail.dnsrecord import txt_data as txt_data
    from hub.mail.dsn import Dsn as Dsn
    from hub.mail.dsn import RecipientDsn as RecipientDsn
    from hub.mail.envelope import Envelope as Envelope
    from hub.mail.headers import Headers as Headers
    from hub.mail.headers import addresses as addresses
    from hub.mail.login import AccountRef as AccountRef
    from hub.mail.login import Bearer as Bearer
    from hub.mail.login import BearerHelp as BearerHelp
    from hub.mail.login import Certificate as Certificate
    from hub.mail.login import ClientCertificate as ClientCertificate
    from hub.mail.login import Credentials as Credentials
    from hub.mail.login import Identity as Identity
    from hub.mail.login import LoginFailure as LoginFailure
    from hub.mail.login import Password as Password
    from hub.mail.login import Refuse as Refuse
    from hub.mail.login import ScramKeys as ScramKeys
    from hub.mail.message import BodyFile as BodyFile
    from hub.mail.message import Message as Message
    from hub.mail.relevance import Occurrences as Occurrences
    from hub.mail.relevance import folded as folded
    from hub.mail.relevance import occurrences as occurrences
    from hub.mail.searchtext import SearchText as SearchText
    from hub.mail.stash import Stash as Stash
    from hub.mail.stash import StashKey as StashKey
    from hub.mail.structure import Structure as Structure
    from hub.mail.tls import Tlsa as Tlsa
    from hub.mail.tls import TlsFault as TlsFault
    from hub.mail.tls import TlsOutcome as TlsOutcome
    from hub.mail.tls import TlsPolicy as TlsPolicy
    from hub.mail.traceparent import traceparent_of as traceparent_of
    from hub.mail.verdict import Accept as Accept
    from hub.mail.verdict import Defer as Defer
    from hub.mail.verdict import Finding as Finding
    from hub.mail.verdict import Junk as Junk
    from hub.mail.verdict import Quarantine as Quarantine
    from hub.mail.verdict import Reject as Reject
    from hub.mail.verdict import Trust as Trust
    from hub.mail.verdict import Verdict as Verdict
    from hub.mailauth.arc import ArcResult as ArcResult
    from hub.mailauth.arc import verify_arc as verify_arc
    from hub.mailauth.arc_seal import seal_arc as seal_arc
    from hub.mailauth.canonical import BodyHash as BodyHash
    from hub.mailauth.canonical import hash_body as hash_body
    from hub.mailauth.dkim import DkimResult as DkimResult
    from hub.mailauth.dkim import verify_dkim as verify_dkim
    from hub.mailauth.dkim_sign import sign_dkim as sign_dkim
    from hub.mailauth.dmarc import DmarcResult as DmarcResult
    from hub.mailauth.dmarc import check_dmarc as check_dmarc
    from hub.mailauth.dmarc import organizational_domain as organizational_domain
    from hub.mailauth.dmarc_record import DmarcRecord as DmarcRecord
    from hub.mailauth.dmarc_record import parse_dmarc as parse_dmarc
    from hub.mailauth.iprev import Reverse as Reverse
    from hub.mailauth.iprev import check_iprev as check_iprev
    from hub.mailauth.keys import KeyUnusable as KeyUnusable
    from hub.mailauth.keys import PublicKey as PublicKey
    from hub.mailauth.keys import SigningKey as SigningKey
    from hub.mailauth.keys import find_key as find_key
    from hub.mailauth.keys import load_signing_key as load_signing_key
    from hub.mailauth.keys import new_signing_key as new_signing_key
    from hub.mailauth.results import AUTH_RESULTS as AUTH_RESULTS
    from hub.mailauth.results import AuthResult as AuthResult
    from hub.mailauth.results import auth_results as auth_results
    from hub.mailauth.results import claims_authserv_id as claims_authserv_id
    from hub.mailauth.results import results_field as results_field
    from hub.mailauth.results import states_result as states_result
    from hub.mailauth.spf import SpfResult as SpfResult
    from hub.mailauth.spf import check_spf as check_spf
    from hub.services.account_mail import AccountMail as AccountMail
    from hub.services.blobs import LAST_REFERENCE as LAST_REFERENCE
    from hub.services.blobs import BlobGone as BlobGone
    from hub.services.blobs import BlobRecord as BlobRecord
    from hub.services.blobs import Blobs as Blobs
    from hub.services.blobs import BlobUse as BlobUse
    from hub.services.blobs import Collected as Collected
    from hub.services.blobs import Progress as Progress
    from hub.services.blobs import References as References
    from hub.services.blobs import Spool as Spool
    from hub.services.blobs import StoreFull as StoreFull
    from hub.services.blobs import no_progress as no_progress
    from hub.services.cache import Cache as Cache
    from hub.services.clock import Clock as Clock
    from hub.services.directory import PASSWORD_SCOPES as PASSWORD_SCOPES
    from hub.services.directory import Account as Account
    from hub.services.directory import Alias as Alias
    from hub.services.directory import AppPassword as AppPassword
    from hub.services.directory import Directory as Directory
    from hub.services.directory import DirectoryAdmin as DirectoryAdmin
    from hub.services.directory import DirectoryUnavailable as DirectoryUnavailable
    from hub.services.directory import Resolution as Resolution
    from hub.services.directory import SecondFactors as SecondFactors
    from hub.services.directory import TotpSecret as TotpSecret
    from hub.services.dns import Dns as Dns
    from hub.services.dns import DnsAnswer as DnsAnswer
    from hub.services.dns import DnsBogus as DnsBogus
    from hub.services.dns import DnsTrouble as DnsTrouble
    from hub.services.dnsupdate import DnsUpdate as DnsUpdate
    from hub.services.dnsupdate import TxtChange as TxtChange
    from hub.services.dnsupdate import update_dns as update_dns
    from hub.services.expunged import Expunged as Expunged
    from hub.services.group import GroupWriter as GroupWriter
    from hub.services.kv import Kv as Kv
    from hub.services.log import ChangeKind as ChangeKind
    from hub.services.log import LogEntry as LogEntry
    from hub.services.log import MailboxHistory as MailboxHistory
    from hub.services.migrations import Migrations as Migrations
    from hub.services.migrations import MigrationStatus as MigrationStatus
    from hub.services.posting import Poster as Poster
    from hub.services.posting import open_poster as open_poster
    from hub.services.queue import AUTOMATIC as AUTOMATIC
    from hub.services.queue import BULK as BULK
    from hub.services.queue import PERSONAL as PERSONAL
    from hub.services.queue import Claim as Claim
    from hub.services.queue import Fate as Fate
    from hub.services.queue import LeaseLost as LeaseLost
    from hub.services.queue import QueueAction as QueueAction
    from hub.services.queue import QueueCount as QueueCount
    from hub.services.queue import QueueOutcome as QueueOutcome
    from hub.services.queue import QueueRow as QueueRow
    from hub.services.queue import Selection as Selection
    from hub.services.search import Counted as Counted
    from hub.services.search import Narrowed as Narrowed
    from hub.services.search import Search as Search
    from hub.services.sharing import RIGHTS as RIGHTS
    from hub.services.sharing import Shared as Shared
    from hub.services.states import NO_STATES as NO_STATES
    from hub.services.states import ItemState as ItemState
    from hub.services.states import Known as Known
    from hub.services.states import States as States
    from hub.services.storage import Acceptance as Acceptance
    from hub.services.storage import Appended as Appended
    from hub.services.storage import Copied as Copied
    from hub.services.storage import Delivery as Delivery
    from hub.services.storage import FlagMode as FlagMode
    from hub.services.storage import Item as Item
    from hub.services.storage import Mailbox as Mailbox
    from hub.services.storage import MailboxChanges as MailboxChanges
    from hub.services.storage import MailboxExists as MailboxExists
    from hub.services.storage import MailboxMissing as MailboxMissing
    from hub.services.storage import NewItem as NewItem
    from hub.services.storage import Placed as Placed
    from hub.services.storage import Storage as Storage
    from hub.services.storage import Totals as Totals
    from hub.services.storage import UidRanges as UidRanges
    from hub.services.storage import Usage as Usage
    from hub.services.stored import QueuedMessage as QueuedMessage
    from hub.services.stored import StoredMessage as StoredMessage
    from hub.services.summary import SUMMARY_VERSION as SUMMARY_VERSION
    from hub.services.summary import Heading as Heading
    from hub.services.summary import MessageColumn as MessageColumn
    from hub.services.summary import Outline as Outline
    from hub.services.summary import Summary as Summary
    from hub.services.tables import Tables as Tables
    from hub.trace.otel import SpanIds as SpanIds
    from hub.trace.otel import make_spans as make_spans
    from hub.trace.sender import NotSent as NotSent
    from hub.trace.sender import SpanSender as SpanSender
    from hub.version import __version__ as __version__

_HOMES = {
    "hub.cli.parameters": "duration",
    "hub.cli.tables": "show_table time_text",
    "hub.config.tables.sessions": "SessionLimits",
    "hub.config.tables.types": "Duration Network Size",
    "hub.config.networks": "Networks host_address",
    "hub.config.secrets": "Secret",
    "hub.mail.dnsrecord": "DnsRecord txt_data",
    "hub.hooks.http": "Route",
    "hub.hooks.imapcommand": "ImapAnswer ImapCommand",
    "hub.hooks.listeners": "LineTooLong ListenerKind ListenerSession Over SaslExchange SessionOver",
    "hub.hooks.markers": "hookimpl",
    "hub.hooks.command": "CommandContext",
    "hub.hooks.observe": "TraceRecord",
    "hub.hooks.plugin": "Answering Implementation Logger Plugin",
    "hub.hooks.relay": "NextHop",
    "hub.hooks.session": "Session TlsInfo",
    "hub.hooks.span": "Span SpanEvent",
    "hub.mail.address": "Address AddressError",
    "hub.mail.alert": "Alert AlertStatus Attempt Severity",
    "hub.mail.bounce": "BounceClass classify_bounce",
    "hub.mail.dsn": "Dsn RecipientDsn",
    "hub.mail.envelope": "Envelope",
    "hub.mail.headers": "Headers addresses",
    "hub.mail.login": "AccountRef Bearer BearerHelp Certificate ClientCertificate Credentials "
    "Identity LoginFailure Password Refuse ScramKeys",
    "hub.mail.message": "BodyFile Message",
    "hub.mail.relevance": "Occurrences folded occurrences",
    "hub.mail.stash": "Stash StashKey",
    "hub.mail.searchtext": "SearchText",
    "hub.mail.structure": "Structure",
    "hub.mail.traceparent": "traceparent_of",
    "hub.mail.tls": "TlsFault TlsOutcome TlsPolicy Tlsa",
    "hub.mail.verdict": "Accept Defer Finding Junk Quarantine Reject Trust Verdict",
    "hub.mailauth.arc": "ArcResult verify_arc",
    "hub.mailauth.arc_seal": "seal_arc",
    "hub.mailauth.canonical": "BodyHash hash_body",
    "hub.mailauth.dkim": "DkimResult verify_dkim",
    "hub.mailauth.dkim_sign": "sign_dkim",
    "hub.mailauth.keys": "KeyUnusable PublicKey SigningKey find_key load_signing_key new_signing_key",
    "hub.mailauth.dmarc": "DmarcResult check_dmarc organizational_domain",
    "hub.mailauth.dmarc_record": "DmarcRecord parse_dmarc",
    "hub.mailauth.iprev": "Reverse check_iprev",
    "hub.mailauth.results": "AUTH_RESULTS AuthResult auth_results claims_authserv_id results_field "
    "states_result",
    "hub.mailauth.spf": "SpfResult check_spf",
    "hub.services.account_mail": "AccountMail",
    "hub.services.blobs": "BlobGone BlobRecord Blobs BlobUse Collected LAST_REFERENCE Progress References "
    "Spool StoreFull no_progress",
    "hub.services.cache": "Cache",
    "hub.services.clock": "Clock",
    "hub.services.directory": "Account Alias AppPassword Directory DirectoryAdmin PASSWORD_SCOPES Resolution "
    "DirectoryUnavailable SecondFactors TotpSecret",
    "hub.services.dns": "Dns DnsAnswer DnsBogus DnsTrouble",
    "hub.services.dnsupdate": "DnsUpdate TxtChange update_dns",
    "hub.services.group": "GroupWriter",
    "hub.services.kv": "Kv",
    "hub.services.log": "ChangeKind LogEntry MailboxHistory",
    "hub.services.migrations": "MigrationStatus Migrations",
    "hub.services.posting": "Poster open_poster",
    "hub.services.queue": "AUTOMATIC BULK PERSONAL Claim Fate LeaseLost QueueAction QueueCount QueueOutcome "
    "QueueRow Selection",
    "hub.services.expunged": "Expunged",
    "hub.services.search": "Counted Narrowed Search",
    "hub.services.sharing": "RIGHTS Shared",
    "hub.services.states": "ItemState Known NO_STATES States",
    "hub.services.storage": "Acceptance Appended Copied Delivery FlagMode Item Mailbox "
    "MailboxChanges MailboxExists MailboxMissing NewItem Placed "
    "Storage Totals UidRanges Usage",
    "hub.services.stored": "QueuedMessage StoredMessage",
    "hub.services.summary": "Heading MessageColumn Outline SUMMARY_VERSION Summary",
    "hub.services.tables": "Tables",
    "hub.trace.otel": "SpanIds make_spans",
    "hub.trace.sender": "NotSent SpanSender",
    "hub.version": "__version__",
    "starlette.requests": "Request",
    "starlette.responses": "Response",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_HOME)  # noqa: PLE0605 - computed from the one table above


def __getattr__(name: str) -> object:
    module = _HOME.get(name)
    if module is None:
        raise AttributeError(f"hub has no public name {name!r}; it offers: {', '.join(__all__)}")
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
