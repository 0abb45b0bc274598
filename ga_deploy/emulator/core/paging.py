"""Lists, page by page: opaque tokens, and the two shapes in which Twilio wraps a page."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ga_deploy.emulator.core.api import ApiRequest, ApiResponse, ok
from ga_deploy.emulator.core.problems import invalid
from ga_deploy.emulator.core.store import Slice, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ga_deploy.emulator.core.backend import Backend
    from ga_deploy.emulator.core.store import Row

# Tables of Serverless, whose lists may lag behind.
_LAGGING = {"services", "environments", "containers", "versions", "variables", "builds", "deployments"}


def list_rows(
    backend: Backend,
    request: ApiRequest,
    key: str,
    shape: Callable[[ApiRequest, Row], dict[str, Any]],
    where: dict[str, Any],
    *,
    table: str = "",
    conditions: Sequence[tuple[str, Any]] = (),
    order: str = "seq",
    newest_first: bool = True,
    largest: int = 1000,
) -> ApiResponse:
    """Return the page of a table that a request asks for, each row in the shape that Twilio shows.

    `key` names the list in the answer, and the table unless `table` does; `where` are columns and their values,
    `conditions` further comparisons with `?` and what stands for it.
    """
    window = page_window(request, largest=largest)
    if backend.rules.list_lag_ms and (table or key) in _LAGGING:
        conditions = [*conditions, ("created<=?", backend.store.now() - backend.rules.list_lag_ms / 1000)]
    found = backend.store.window(
        table or key,
        window,
        order=order,
        newest_first=newest_first,
        where=[*(f"{column}=?" for column in where), *(condition for condition, _ in conditions)],
        bound=[*where.values(), *(value for _, value in conditions)],
    )
    return page(request, key, window, found, (shape(request, row) for row in found.rows), order)


def page_window(request: ApiRequest, *, largest: int = 1000, clamp: bool = False) -> Window:
    """Return the part of a list that `PageSize` and `PageToken` ask for. `Page` alone moves nothing, as at Twilio."""
    raw = request.asked("PageSize")
    size = 50
    if raw is not None:
        if not re.fullmatch(r"\d{1,9}", raw) or int(raw) < 1 or (int(raw) > largest and not clamp):
            raise invalid(f"Page size must be a number from 1 to {largest}")
        size = min(int(raw), largest)
    token = request.asked("PageToken")
    if not token:
        return Window(size)
    try:
        cursor = json.loads(base64.urlsafe_b64decode(token[2:] + "=" * (-len(token[2:]) % 4)))
    except ValueError:
        cursor = None
    if token[:2] not in {"PA", "PB"} or not isinstance(cursor, int | str):
        raise invalid("The page token is invalid")
    return Window(size, cursor, forward=token[:2] == "PA")


def _token(direction: str, cursor: object) -> str:
    return direction + base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode().rstrip("=")


def _page_links(request: ApiRequest, window: Window, found: Slice, order: str) -> dict[str, str | None]:
    """Return the query strings of this, the first, the next and the previous page."""
    kept = [(name, value) for name, values in request.query.items() for value in values if not name.startswith("Page")]
    page = int(request.asked("Page") or 0) if (request.asked("Page") or "0").isdigit() else 0

    def query(number: int, token: str | None) -> str:
        extra = [("PageSize", str(window.size)), ("Page", str(number))]
        return urlencode(kept + extra + ([("PageToken", token)] if token else []))

    following = query(page + 1, _token("PA", found.rows[-1][order])) if found.after and found.rows else None
    preceding = query(max(page - 1, 0), _token("PB", found.rows[0][order])) if found.before and found.rows else None
    return {
        "url": query(page, request.asked("PageToken")),
        "first": query(0, None),
        "next": following,
        "previous": preceding,
    }


def page(
    request: ApiRequest, key: str, window: Window, found: Slice, items: Iterable[dict[str, Any]], order: str = "seq"
) -> ApiResponse:
    """Return a page in the form of Serverless, Studio and Sync: absolute links under `meta`."""
    links = _page_links(request, window, found, order)
    start = f"{request.base}{request.path}?"
    urls = {name: None if query is None else start + query for name, query in links.items()}
    return ok(
        {
            key: list(items),
            "meta": {
                "page": int(request.asked("Page") or 0) if (request.asked("Page") or "0").isdigit() else 0,
                "page_size": window.size,
                "first_page_url": urls["first"],
                "previous_page_url": urls["previous"],
                "url": urls["url"],
                "next_page_url": urls["next"],
                "key": key,
            },
        }
    )


def page_2010(
    request: ApiRequest, key: str, window: Window, found: Slice, items: Iterable[dict[str, Any]]
) -> ApiResponse:
    """Return a page in the form of the 2010 API: host-relative links beside the list."""
    links = _page_links(request, window, found, "seq")
    listed = list(items)
    number = int(request.asked("Page") or 0) if (request.asked("Page") or "0").isdigit() else 0
    start = number * window.size
    return ok(
        {
            key: listed,
            **{
                name: None if links[link] is None else f"{request.path}?{links[link]}"
                for name, link in (
                    ("uri", "url"),
                    ("first_page_uri", "first"),
                    ("next_page_uri", "next"),
                    ("previous_page_uri", "previous"),
                )
            },
            "page": number,
            "page_size": window.size,
            "start": start,
            "end": start + max(len(listed) - 1, 0),
        }
    )
