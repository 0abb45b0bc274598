"""Saving a revision of a flow without overwriting a revision of others: Studio has no precondition for that."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from ga_deploy.errors import DeployError
from ga_deploy.events import Report, Warned, ignore

if TYPE_CHECKING:
    from collections.abc import Callable

    from ga_deploy.engine.platform import Platform
    from ga_deploy.model.flows import Flow

# The end is the digest of our part of the flow.
OUR_MESSAGE = re.compile(r"ga-deploy \S+ (\w{12})")

MOST_READS = 20


def pause_for_reads() -> None:
    """Wait a moment: Studio's reads may lag behind its writes."""
    time.sleep(0.5)


def await_reads(platform: Platform, saved: Flow, pause: Callable[[], None] = pause_for_reads) -> None:
    """Wait until a read shows the saved revision, at most ten seconds; else the next command would save it again."""
    for _ in range(MOST_READS):
        found = platform.find_flow(saved.sid)
        if found is not None and found.revision >= saved.revision:
            return
        pause()


def replace_definition(
    platform: Platform,
    live: Flow,
    status: str,
    definition: dict[str, object],
    message: str,
    *,
    friendly_name: str | None = None,
    report: Report = ignore,
    pause: Callable[[], None] = pause_for_reads,
) -> Flow:
    """Save a new revision of a flow that was read as `live`; raises DeployError if it changed since."""
    now = platform.find_flow(live.sid)
    for _ in range(3):
        if now is not None and now.revision >= live.revision:
            break
        pause()
        now = platform.find_flow(live.sid)
    if now is None or now.revision != live.revision:
        raise DeployError(
            f"flow {live.sid} changed since it was read",
            why=f"revision {now.revision if now else 'unknown'} has come after revision {live.revision}",
            fix="look at what changed, then run the command again",
        )
    saved = platform.update_flow(live, status, definition, message, friendly_name)
    if saved.revision > live.revision + 1:
        report(
            Warned(
                f"somebody saved flow {live.sid} at the same moment",
                why=f"revision {saved.revision - 1} is theirs, revision {saved.revision} is ours and wins",
                fix="compare the two in the flow's history in the Console",
            )
        )
    return saved


def refuse_draft(live: Flow, status: str) -> None:
    """Raise DeployError if the newest revision is a draft of others: publishing ours would publish it too."""
    ours = OUR_MESSAGE.fullmatch(live.commit_message or "")
    if live.status == "draft" and status == "published" and not ours:
        raise DeployError(
            f"flow {live.sid} has changes that are not published",
            why=f"revision {live.revision} is a draft, and publishing ours would publish it too",
            fix="publish or discard the draft in the Console, or set `flow.status: draft`",
        )
