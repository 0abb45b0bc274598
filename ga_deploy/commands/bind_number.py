"""`bind-number`: point numbers at the live function or flow, and record their earlier settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ga_deploy.errors import ExitCode, Usage
from ga_deploy.invocation.phone_number_args import check_flow, check_profiles, read_arguments, read_number_file
from ga_deploy.output.number_report import open_number_session, tell

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ga_deploy.engine.numbers.plan import NumberPlan
    from ga_deploy.invocation.context import Context
    from ga_deploy.model.numbers import NumberBinding

# How many of the numbers in use the question names; it counts the others.
_SHOWN = 10


def run(
    ctx: Context,
    *,
    numbers: Sequence[str],
    to: Literal["engage", "flow"],
    profile: str | None,
    from_file: Path | None,
    force: bool,
) -> ExitCode:
    """Bind the numbers. Exit 0 if all are bound, 1 if some are not, 4 if Twilio rejects the credentials."""
    bindings = collect_bindings(numbers, to=to, profile=profile, from_file=from_file)
    _warn_of_premium_rate(ctx, [binding.number for binding in bindings])
    config = ctx.load()
    check_profiles(bindings, config.profiles, profile)
    check_flow(bindings, has_flow=config.flow.enabled, asked=to)

    if ctx.stack is not None:
        # The emulated account owns every number, so that `--local` needs no setting up.
        ctx.stack.own_numbers([binding.number for binding in bindings])

    from ga_deploy.engine.number_commands import bind
    from ga_deploy.engine.numbers.writer import NumberOutcome

    def agree(in_use: Sequence[NumberPlan]) -> None:
        more = f"\nand {len(in_use) - _SHOWN} more" if len(in_use) > _SHOWN else ""
        why = "\n".join(planned.consent for planned in in_use[:_SHOWN]) + more
        noun = "this number" if len(in_use) == 1 else f"these {len(in_use)} numbers"
        ctx.ui.confirm(f"Bind {noun} to GenerativeAgent?", why=why)

    results = bind(open_number_session(ctx, config, "bind-number"), bindings, force=force, agree=agree)
    code = tell(ctx, config, results, done="bound")
    was_left = any(result.outcome is NumberOutcome.LEFT for result in results)
    return ExitCode.FAILED if code is ExitCode.OK and was_left else code


def _warn_of_premium_rate(ctx: Context, numbers: Sequence[str]) -> None:
    from ga_deploy.numbering_plan import is_premium_rate

    costly = [number for number in numbers if is_premium_rate(number)]
    if costly:
        more = f" and {len(costly) - _SHOWN} more" if len(costly) > _SHOWN else ""
        ctx.ui.warn(
            f"premium-rate numbers: {', '.join(costly[:_SHOWN])}{more}",
            why="callers pay more for a call to such a number",
            fix="leave them out, unless you want them bound",
        )


def collect_bindings(
    numbers: Sequence[str], *, to: Literal["engage", "flow"], profile: str | None, from_file: Path | None
) -> list[NumberBinding]:
    """Return the requested bindings. A number on the command line takes precedence over its line in the file."""
    from ga_deploy.model.numbers import NumberBinding

    if not numbers and from_file is None:
        raise Usage(
            "no number is given",
            why="bind-number binds only the numbers that you name",
            fix="name numbers such as +15550100000, or pass a file with `--from-file`",
        )
    if to == "flow" and profile:
        raise Usage(
            "a flow has no profile", why="profiles change what the engage function does", fix="leave out `--profile`"
        )
    bindings = {}
    if from_file is not None:
        bindings = {binding.number: binding for binding in read_number_file(from_file, to=to, profile=profile)}
    bindings |= {number: NumberBinding(number, to, profile) for number in read_arguments(numbers)}
    return list(bindings.values())
