"""How long a deployment waits, in seconds."""

from __future__ import annotations

from dataclasses import dataclass

POLL_SECONDS = 1.0
BUILD_SECONDS = 300.0
# Lists were seen to lag behind creates by seconds.
LIST_SECONDS = 10.0
# A freshly deployed path was seen to answer 404 or old content for up to 45 s.
CUT_OVER_SECONDS = 60.0


@dataclass(frozen=True)
class BuildTiming:
    """How often Twilio is asked while something is waited for, and how long, in seconds.

    `limit` is for a build. `lists` is how long after a create a list may not show it yet.
    """

    poll: float = POLL_SECONDS
    limit: float = BUILD_SECONDS
    lists: float = LIST_SECONDS
