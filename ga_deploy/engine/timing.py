"""How long a deployment waits, in seconds."""

from __future__ import annotations

from dataclasses import dataclass

POLL_SECONDS = 1.0
BUILD_SECONDS = 300.0
# A freshly deployed path was seen to answer 404 or old content for up to 45 s.
CUT_OVER_SECONDS = 60.0


@dataclass(frozen=True)
class BuildTiming:
    """How often a build is asked for and how long it may take, in seconds."""

    poll: float = POLL_SECONDS
    limit: float = BUILD_SECONDS
