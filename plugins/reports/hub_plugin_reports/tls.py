"""TLS reports (RFC 8460 §4.4): JSON, a report for each policy of each domain in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hub_plugin_reports.report import MAX_LINES, Line, Report, ReportError, short

Count = Annotated[int, Field(ge=0, le=1 << 40)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", alias_generator=lambda name: name.replace("_", "-"))


class _Range(_Part):
    start_datetime: datetime
    end_datetime: datetime


class _Policy(_Part):
    policy_type: str = "no-policy-found"
    policy_domain: str


class _Summary(_Part):
    total_successful_session_count: Count = 0
    total_failure_session_count: Count = 0


class _Detail(_Part):
    result_type: str = "unknown"
    sending_mta_ip: str | None = None
    receiving_mx_hostname: str | None = None
    receiving_ip: str | None = None
    failed_session_count: Count = 0
    additional_information: str | None = None
    failure_reason_code: str | None = None


class _Result(_Part):
    policy: _Policy
    summary: _Summary
    failure_details: Sequence[_Detail] = ()


class _Document(_Part):
    organization_name: str | None = None
    contact_info: str | None = None
    report_id: str
    date_range: _Range
    policies: Sequence[_Result]


def read_tls(document: bytes) -> Sequence[Report]:
    """The reports in a document, one for each domain. ReportError."""
    try:
        found = _Document.model_validate(json.loads(document))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ReportError(f"its {short(where)} is wrong: {first['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise ReportError(f"its JSON is broken: {short(error)}") from None
    if sum(len(each.failure_details) + 2 for each in found.policies) > MAX_LINES:
        raise ReportError(f"it has more than {MAX_LINES:,} lines")
    by_domain: dict[str, list[Line]] = {}
    for each in found.policies:
        by_domain.setdefault(short(each.policy.policy_domain).lower(), []).extend(_lines(each))
    reporter = short(found.organization_name or found.contact_info)
    begin, end = (
        int(each.timestamp()) for each in (found.date_range.start_datetime, found.date_range.end_datetime)
    )
    return [
        Report("tls", reporter, short(found.report_id), domain, begin, end, tuple(lines))
        for domain, lines in by_domain.items()
    ]


def _lines(result: _Result) -> Iterator[Line]:
    kind, summary = short(result.policy.policy_type), result.summary
    if summary.total_successful_session_count:
        yield Line("", summary.total_successful_session_count, True, "secured", kind)
    unexplained = summary.total_failure_session_count
    for each in result.failure_details:
        unexplained -= each.failed_session_count
        said = (kind, each.receiving_ip, each.failure_reason_code, each.additional_information)
        detail = short(", ".join(short(part) for part in said if part))
        source = short(each.receiving_mx_hostname or each.receiving_ip)
        yield Line(source, each.failed_session_count, False, short(each.result_type), detail)
    if unexplained > 0:
        yield Line("", unexplained, False, "not explained", kind)
