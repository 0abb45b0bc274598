"""`unbind-number`: restore the settings that numbers had before ga-deploy bound them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.errors import ExitCode, Usage
from ga_deploy.invocation.phone_number_args import read_arguments
from ga_deploy.output.number_report import open_number_session, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ga_deploy.invocation.context import Context


def run(ctx: Context, *, numbers: Sequence[str], every: bool, force: bool = False) -> ExitCode:
    """Restore the numbers; with `every`, all recorded ones. Exit 0 if all named numbers are restored, else 1.

    With `every`, a number that somebody has pointed elsewhere since stays as it is. It is reported, and is no failure.
    """
    if every and numbers:
        raise Usage(
            "`--all` and numbers exclude each other",
            why="`--all` restores every recorded number",
            fix="pass only one of them",
        )
    if not every and not numbers:
        raise Usage(
            "no number is given",
            why="unbind-number restores only the numbers that you name",
            fix="name numbers such as +15550100000, or use `--all`",
        )
    wanted = None if every else read_arguments(numbers)
    config = ctx.load()

    from ga_deploy.engine.number_commands import unbind
    from ga_deploy.engine.numbers.writer import NumberOutcome

    restored = unbind(open_number_session(ctx, config, "unbind-number"), wanted, force=force)
    code = tell(ctx, config, restored.results, done="given back", left=restored.left)
    was_left = restored.left or any(result.outcome is NumberOutcome.LEFT for result in restored.results)
    if code is ExitCode.OK and was_left and not every:
        return ExitCode.FAILED
    return code
