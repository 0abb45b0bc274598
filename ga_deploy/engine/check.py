"""Whether deployed paths answer. Nothing is pointed at them before they do."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from ga_deploy.errors import DeployError, Unreachable
from ga_deploy.events import Report, StepDone, StepProgress, StepStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ga_deploy.engine.parallel import Pool
    from ga_deploy.engine.platform import Platform
    from ga_deploy.model import Flow

# A freshly deployed path was seen to answer 404 or old content for up to 45 s.
CUT_OVER_SECONDS = 60.0


def check_paths(
    platform: Platform,
    pool: Pool,
    domain: str,
    paths: Sequence[str],
    report: Report,
    *,
    within: float = CUT_OVER_SECONDS,
    is_pointless: Callable[[], bool] = lambda: False,
) -> bool:
    """Return True once every path answers; raise `DeployError` if one still does not after `within` seconds.

    `is_pointless` is asked after a round in which a path did not answer; if it says so, False is returned at once.

    The request is unsigned: 400, 401 and 403 come from a protected function that is there, 400 from a public one that
    misses the call. Only 404, 5xx and silence mean that nothing (working) is there.
    """
    report(StepStarted("check", f"Checking that https://{domain} answers"))
    deadline = time.monotonic() + within
    pause = 1.0
    missing = list(paths)
    while True:
        answers = pool.gather(partial(_ask, platform, f"https://{domain}{path}") for path in missing)
        failing = {path: why for path, why in zip(missing, answers, strict=True) if why}
        if not failing:
            report(StepDone("check", f"https://{domain} answers", f"{len(paths)} paths"))
            return True
        if is_pointless():
            return False
        left = deadline - time.monotonic()
        if left <= 0:
            listed = ", ".join(f"{path} ({why})" for path, why in sorted(failing.items()))
            raise DeployError(
                "the new build is live but does not answer",
                why=f"after {within:.0f} s: {listed}; no number was pointed at it",
                fix="look at `ga-deploy logs`, then run `ga-deploy up` again",
            )
        missing = sorted(failing)
        report(StepProgress("check", len(paths) - len(missing), len(paths), f"not yet: {', '.join(missing)}"))
        time.sleep(min(left, pause))
        pause = min(pause * 1.7, 10.0)


def _ask(platform: Platform, url: str) -> str:
    """Return why a path does not answer, or nothing if it does."""
    try:
        status = platform.probe(url)
    except Unreachable as problem:
        return problem.what
    return str(status) if status == 404 or status >= 500 or status < 200 else ""


def check_flow(platform: Platform, flow: Flow) -> None:
    """Raise DeployError when a flow would not answer: callers get its newest published revision, never a draft."""
    if flow.status == "published" or platform.get_flow_revision(flow.sid, "LatestPublished") is not None:
        return
    raise DeployError(
        f"flow {flow.friendly_name} ({flow.sid}) has no published revision",
        why="a number that points at it would reach nothing",
        fix="set `flow.status: published`, or `to: engage` for its numbers",
    )
