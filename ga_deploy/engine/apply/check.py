"""Checks that deployed paths answer. No number points at them before they do."""

from __future__ import annotations

import re
import time
from functools import partial
from typing import TYPE_CHECKING

from ga_deploy.engine.plan.assets import is_served
from ga_deploy.engine.timing import CUT_OVER_SECONDS
from ga_deploy.errors import DeployError, EmulatorGone, Unreachable
from ga_deploy.events import Report, StepDone, StepProgress, StepStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ga_deploy.engine.parallel import Pool
    from ga_deploy.engine.platform import Platform
    from ga_deploy.gateway import SiteAnswer
    from ga_deploy.model.bundle import AssetFile, Visibility
    from ga_deploy.model.flows import Flow

_EMPTY_TWIML = re.compile(r"\s*(<\?xml[^>]*\?>)?\s*<Response\s*(/>|>\s*</Response>)\s*")


def check_paths(
    platform: Platform,
    pool: Pool,
    domain: str,
    paths: Mapping[str, Visibility],
    report: Report,
    *,
    documents: Sequence[AssetFile] = (),
    within: float = CUT_OVER_SECONDS,
    is_pointless: Callable[[], bool] = lambda: False,
) -> bool:
    """Return True once every path answers; raise `DeployError` if one still does not after `within` seconds.

    `is_pointless` is called after each round in which a path did not answer; if it returns True, this returns False at
    once. `paths` gives the visibility of each function; `why_not_live` decides what counts as an answer. Each of
    `documents` must be served unchanged.
    """
    questions: dict[str, Callable[[], str]] = {
        **{path: partial(_ask, platform, f"https://{domain}{path}", visibility) for path, visibility in paths.items()},
        **{file.path: partial(_ask_for_document, platform, domain, file) for file in documents},
    }
    report(StepStarted("check", f"Checking that https://{domain} answers"))
    deadline = time.monotonic() + within
    pause = 1.0
    missing = list(questions)
    while True:
        answers = pool.gather(questions[path] for path in missing)
        failing = {path: why for path, why in zip(missing, answers, strict=True) if why}
        if not failing:
            report(StepDone("check", f"https://{domain} answers", f"{len(questions)} paths"))
            return True
        if is_pointless():
            return False
        left = deadline - time.monotonic()
        if left <= 0:
            raise _silent(failing, within)
        missing, known = sorted(failing), len(questions)
        report(StepProgress("check", known - len(missing), known, f"not yet: {', '.join(missing)}"))
        time.sleep(min(left, pause))
        pause = min(pause * 1.7, 10.0)


def _silent(failing: Mapping[str, str], within: float) -> DeployError:
    listed = ", ".join(f"{path} ({why})" for path, why in sorted(failing.items()))
    return DeployError(
        "the new build is live but does not answer",
        why=f"after {within:.0f} s: {listed}; no number was pointed at it",
        fix="look at `ga-deploy logs`, then run `ga-deploy up` again",
    )


def ask_patiently(platform: Platform, url: str, visibility: Visibility, *, tries: int = 3) -> str:
    """Return why a deployed function does not answer, or nothing if it does.

    A 429, a 5xx or no answer may be temporary, so up to `tries` requests are sent; other answers count at once.
    """
    for pause in [1.0] * (tries - 1):
        try:
            answer = platform.probe(url)
        except Unreachable:
            answer = None
        if answer is not None and answer.status != 429 and answer.status < 500:
            return why_not_live(answer, visibility)
        time.sleep(pause)
    return _ask(platform, url, visibility)


def why_not_live(answer: SiteAnswer, visibility: Visibility) -> str:
    """Return why an answer to an unsigned request without a CallSid does not come from our function.

    Twilio refuses such a request to a protected function: one page of its docs says with 403, another with 400; 401 is
    accepted too. Our public functions answer 400 and an empty `<Response/>` (templates/functions/lib/answer). Any
    other answer is not ours: a proxy's page, a redirect, or a limit that was reached.
    """
    if visibility == "public":
        if answer.status == 400 and _EMPTY_TWIML.fullmatch(answer.body):
            return ""
        wanted = "HTTP 400 and `<Response/>`"
    else:
        if answer.status in {400, 401, 403}:
            return ""
        wanted = "a refusal (HTTP 400, 401 or 403)"
    kind = f" {answer.content_type}" if answer.content_type and answer.status < 400 else ""
    if answer.status == 404 or answer.status >= 500 or answer.status == 429:
        return f"HTTP {answer.status}"
    return f"HTTP {answer.status}{kind}, where an unsigned request should get {wanted}"


def _ask(platform: Platform, url: str, visibility: Visibility) -> str:
    """Return why a path does not answer, or nothing if it does."""
    try:
        return why_not_live(platform.probe(url), visibility)
    except EmulatorGone:
        raise
    except Unreachable as problem:
        return problem.what


def _ask_for_document(platform: Platform, domain: str, file: AssetFile) -> str:
    return "" if is_served(platform, domain, file) else "not served as it was uploaded"


def check_flow(platform: Platform, flow: Flow) -> None:
    """Raise DeployError if a flow has no published revision: callers never get a draft."""
    if flow.status == "published" or platform.get_flow_revision(flow.sid, "LatestPublished") is not None:
        return
    raise DeployError(
        f"flow {flow.friendly_name} ({flow.sid}) has no published revision",
        why="a number that points at it would reach nothing",
        fix="set `flow.status: published`, or `to: engage` for its numbers",
    )
