"""What a live ASAPP answered the functions of simulated calls, in words: why an agent was not heard."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ga_deploy.simulate.interpreter.record import CallRecord

_REFUSED_FIX = "check `asapp.api_id` and `asapp.api_secret`, and with ASAPP that they may use GenerativeAgent by voice"
_UNREACHED_FIX = (
    "check `asapp.api_host`; on a company's network also HTTPS_PROXY, and REQUESTS_CA_BUNDLE or SSL_CERT_FILE"
)


def explain_asapp(records: Iterable[CallRecord]) -> tuple[str, str]:
    """Return why ASAPP gave no stream URL and what to do about it, both empty when it did.

    Reads the `asapp.…` lines that the functions log; of several reasons the most frequent is told.
    """
    found = Counter(reason for record in records for reason in _list_reasons(record))
    if not found:
        return "", ""
    (status, code), _ = found.most_common(1)[0]
    if status:
        fix = _REFUSED_FIX if status in {401, 403} else "try again later; if it stays so, ask ASAPP"
        return f"ASAPP answered with {status}", fix
    return f"ASAPP was not reached ({code or 'no answer'})", _UNREACHED_FIX


def _list_reasons(record: CallRecord) -> Iterator[tuple[int, str]]:
    for event in record.of("webhook"):
        for line in event.detail.get("logs", ()):
            try:
                told = json.loads(line.partition(": ")[2])
            except ValueError:
                continue
            if not isinstance(told, dict) or told.get("event") != "asapp.stream_url" or told.get("status") == 200:
                continue
            yield int(told.get("status") or 0), str(told.get("code") or "")
