"""Where a call may go: one file a kind, listed in `KINDS`.

A new kind is a file here and a line in `KINDS`; beside it, its TwiML in `lib/destinations` of the functions and,
where Studio has a widget for it, `studio/connect.py`.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Discriminator, Tag

from ga_deploy.config.destinations.base import Destination
from ga_deploy.config.destinations.enqueue import EnqueueDestination
from ga_deploy.config.destinations.number import NumberDestination
from ga_deploy.config.destinations.redirect import RedirectDestination
from ga_deploy.config.destinations.refer import ReferDestination
from ga_deploy.config.destinations.sip import SipDestination
from ga_deploy.config.destinations.voicemail import VoicemailDestination
from ga_deploy.config.scalars import finding, kind_of

__all__ = [
    "KINDS",
    "AnyDestination",
    "Destination",
    "EnqueueDestination",
    "NumberDestination",
    "RedirectDestination",
    "ReferDestination",
    "SipDestination",
    "VoicemailDestination",
]

KINDS: dict[str, type[Destination]] = {
    model.kind: model
    for model in (
        NumberDestination,
        SipDestination,
        EnqueueDestination,
        VoicemailDestination,
        RedirectDestination,
        ReferDestination,
    )
}


def _check_destination(raw: Any) -> Any:
    if isinstance(raw, Destination):
        return raw
    known = ", ".join(KINDS)
    if not isinstance(raw, dict):
        raise finding(
            f"a destination is {kind_of(raw)}",
            f"a destination is a mapping with one of the keys {known}",
            'write it like {number: "+15550100001"}',
        )
    kinds = [kind for kind in KINDS if kind in raw]
    if len(kinds) > 1:
        raise finding(
            "a destination has several kinds: " + ", ".join(f"`{kind}`" for kind in kinds),
            f"a destination has exactly one of the keys {known}",
            "write two destinations, and send to one after the other",
        )
    if not kinds:
        near = [match[0] for key in raw if (match := get_close_matches(str(key), list(KINDS), n=1))]
        raise finding(
            "a destination has no kind",
            f"a destination needs one of the keys {known}",
            f"did you mean `{near[0]}`?" if near else 'write for example {number: "+15550100001"}',
        )
    return raw


def _tag(kind: str) -> str:
    """Return the name of a branch in pydantic's locations; `explain.is_tag` knows it by the brackets."""
    return f"({kind})"


def _find_tag(raw: Any) -> str | None:
    if isinstance(raw, dict):
        return next((_tag(kind) for kind in KINDS if kind in raw), None)
    return _tag(raw.kind) if isinstance(raw, Destination) else None


if TYPE_CHECKING:
    AnyDestination = Destination
else:
    AnyDestination = Annotated[
        reduce(or_, (Annotated[model, Tag(_tag(kind))] for kind, model in KINDS.items())),
        Discriminator(_find_tag),
        BeforeValidator(_check_destination),
    ]
