"""Which answers to an unsigned request come from a function of ours that is live."""

from __future__ import annotations

import pytest

from ga_deploy.engine.apply.check import why_not_live
from ga_deploy.gateway import SiteAnswer

HTML = {"content-type": "text/html; charset=utf-8"}
XML = {"content-type": "text/xml"}

LIVE = {
    "protected": [SiteAnswer(400, {}, ""), SiteAnswer(401, {}, "no"), SiteAnswer(403, HTML, "<h1>no</h1>")],
    "public": [
        SiteAnswer(400, XML, "<Response/>"),
        SiteAnswer(400, XML, '<?xml version="1.0" encoding="UTF-8"?><Response />\n'),
        SiteAnswer(400, {}, "<Response></Response>"),
    ],
}
NOT_LIVE = {
    "protected": [
        *(
            SiteAnswer(status, HTML, "<h1>Please log in</h1>")
            for status in (200, 302, 404, 407, 410, 429, 500, 502, 503)
        ),
        SiteAnswer(200, XML, "<Response/>"),
        SiteAnswer(204, {}, ""),
    ],
    "public": [
        *(SiteAnswer(status, HTML, "<Response/>") for status in (200, 302, 401, 403, 404, 429, 500)),
        SiteAnswer(400, HTML, "<html>Bad Request</html>"),
        SiteAnswer(400, {}, ""),
        SiteAnswer(400, XML, "<Response><Say>Hello</Say></Response>"),
    ],
}


@pytest.mark.parametrize("visibility", ["protected", "public"])
def test_only_the_answers_of_ours_count(visibility: str) -> None:
    for answer in LIVE[visibility]:
        assert not why_not_live(answer, visibility), answer  # type: ignore[arg-type]
    for answer in NOT_LIVE[visibility]:
        assert f"HTTP {answer.status}" in why_not_live(answer, visibility), answer  # type: ignore[arg-type]


def test_the_reason_names_what_came_instead() -> None:
    said = why_not_live(SiteAnswer(200, HTML, "<h1>"), "protected")
    assert said == "HTTP 200 text/html, where an unsigned request should get a refusal (HTTP 400, 401 or 403)"
