"""Creating something exactly once although answers get lost: look for it before creating it again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from ga_deploy.errors import ApiProblem, Conflict, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from ga_deploy.gateway.transport import Transport

Made = TypeVar("Made")

MOST_TRIES = 4

# Looks for what a lost attempt made, once Twilio says that it is there: lists may lag behind by some seconds.
MOST_LOOKS = 7


def may_have_happened(problem: ApiProblem) -> bool:
    """Tell whether a failed POST may have taken effect: no usable answer came, or only that of a broken server."""
    if isinstance(problem, Unreachable):
        return problem.maybe_processed
    return problem.status >= 500


def is_taken(problem: ApiProblem) -> bool:
    """Tell whether something was refused because it exists. Twilio documents no code for that everywhere."""
    said = f"{problem.what} {problem.why}"
    return isinstance(problem, Conflict) or (
        problem.status == 400 and re.search(r"already|exists|taken", said) is not None
    )


def create_once(
    transport: Transport,
    make: Callable[[], Made],
    find: Callable[[], Made | None],
    *,
    finds_after: Callable[[ApiProblem], bool] = lambda problem: isinstance(problem, Conflict),
    in_list: bool = False,
) -> Made:
    """Return what `make` makes, or, after a lost answer, what `find` finds of it; made again only if nothing is found.

    `finds_after` tells after which refusals to look as well (by default 409: it exists already); the refusal is
    raised if nothing is found. `in_list`: `find` looks into a list, which may lag behind by seconds; what is refused
    as taken is then looked for again and again, for half a minute or so.
    """
    attempt = 0
    lost_before = False
    while True:
        attempt += 1
        try:
            return make()
        except ApiProblem as problem:
            lost = may_have_happened(problem)
            if not lost and not finds_after(problem):
                raise
            if lost:
                transport.pause(attempt)
            found = find()
            looks = attempt
            is_there = is_taken(problem) if in_list else lost_before and isinstance(problem, Conflict)
            while found is None and is_there and looks < MOST_LOOKS:
                looks += 1
                transport.pause(looks)
                found = find()
            if found is not None:
                return found
            lost_before = lost_before or lost
            if not lost or attempt >= MOST_TRIES:
                raise
