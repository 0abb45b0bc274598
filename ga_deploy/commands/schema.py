"""`schema`: the JSON Schema of the config, for editors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.errors import ExitCode

if TYPE_CHECKING:
    from ga_deploy.invocation.context import Context


def run(ctx: Context) -> ExitCode:
    """Write the schema to standard output, the same with and without `--json`."""
    from ga_deploy.config.editor_schema import make_schema

    ctx.ui.document(make_schema())
    return ExitCode.OK
