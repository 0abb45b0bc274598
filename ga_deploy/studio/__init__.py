"""Studio flows as data: build one from the config, insert it into another, take it out, compare, draw.

Pure: no I/O, no clock, no SDK. The same input gives the same definition, key by key, so an unchanged config makes no
new revision.
"""

from ga_deploy.studio.attach import Attachment, attach, attached_at, detach
from ga_deploy.studio.build import (
    FlowTarget,
    build_flow,
    build_fragment,
    describe_flow,
    describe_owner,
    is_described,
    read_base,
)
from ga_deploy.studio.compare import FlowDiff, diff_definitions
from ga_deploy.studio.definition import (
    PREFIX,
    Definition,
    State,
    Transition,
    dump_definition,
    fingerprint,
    keep_places,
    parse_definition,
)
from ga_deploy.studio.mermaid import draw_mermaid

__all__ = [
    "PREFIX",
    "Attachment",
    "Definition",
    "FlowDiff",
    "FlowTarget",
    "State",
    "Transition",
    "attach",
    "attached_at",
    "build_flow",
    "build_fragment",
    "describe_flow",
    "describe_owner",
    "detach",
    "diff_definitions",
    "draw_mermaid",
    "dump_definition",
    "fingerprint",
    "is_described",
    "keep_places",
    "parse_definition",
    "read_base",
]
