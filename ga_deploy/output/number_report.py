"""The session and the report of `bind-number` and `unbind-number`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.engine.numbers.settings import describe, show_settings
from ga_deploy.engine.numbers.writer import NumberOutcome, NumberResult
from ga_deploy.errors import Denied, ExitCode
from ga_deploy.invocation.session import read_lease_seconds
from ga_deploy.model.desired import Desired

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ga_deploy.config.schema import Config
    from ga_deploy.engine.numbers.plan import NumberPlan
    from ga_deploy.engine.session import Session
    from ga_deploy.invocation.context import Context

# Requests at the same time; the gateway sends fewer if Twilio answers 429.
CONCURRENCY = 8

_WORDS = {
    NumberOutcome.UNCHANGED: "unchanged",
    NumberOutcome.FAILED: "failed",
    NumberOutcome.NOT_TRIED: "not tried",
    NumberOutcome.LEFT: "left",
}


def open_number_session(ctx: Context, config: Config, command: str) -> Session:
    """Return the session of a command that changes numbers. It renders no template, so broken ones do not matter."""
    from ga_deploy.engine.session import open_session
    from ga_deploy.render.fallback import render_fallback

    engage_path = config.functions.engage.path
    function_set = engage_path.rpartition("/")[0] + "/"
    desired = Desired(
        account_sid=config.twilio.account_sid,
        service_name=config.service.name,
        environment=config.environment.name,
        domain_suffix=config.environment.domain_suffix or None,
        functions=(),
        function_set=function_set,
        engage_path=engage_path,
        fingerprint="",
        assets=render_fallback(config, function_set),
    )
    return open_session(
        ctx.gateway(config, concurrency=CONCURRENCY),
        desired,
        state=config.state,
        folder=ctx.state_dir,
        report=ctx.ui.event,
        lease_seconds=read_lease_seconds(),
        command=command,
        flow=config if config.flow.enabled else None,
    )


def tell(
    ctx: Context, config: Config, results: Sequence[NumberResult], *, done: str, left: Sequence[NumberPlan] = ()
) -> ExitCode:
    """Print the result. Return 1 if a number failed or was not tried, 4 if Twilio rejected the credentials."""
    words = {**_WORDS, NumberOutcome.CHANGED: done}
    rows = [(result.number, words[result.outcome], _tell_one(result)) for result in results]
    rows += [(planned.number, "left", planned.refusal.why if planned.refusal else "") for planned in left]
    counts = {word: sum(row[1] == word for row in rows) for word in dict.fromkeys([done, *_WORDS.values(), "left"])}
    payload = {
        "environment": config.environment.name,
        "numbers": [_as_json(result, words[result.outcome]) for result in results]
        + [
            {
                "number": planned.number,
                "outcome": "left",
                "before": show_settings(planned.before) if planned.before else None,
                "after": show_settings(planned.before) if planned.before else None,
                "problem": planned.refusal.what if planned.refusal else None,
            }
            for planned in left
        ],
        "summary": {word.replace(" ", "_"): count for word, count in counts.items()},
    }
    said = [f"{count} {word}" for word, count in counts.items() if count]
    closing = ", ".join(said) or "nothing to do: no numbers are recorded"
    ctx.ui.result(payload, "\n".join([*_table(rows), closing]))
    failed = [result for result in results if result.outcome in {NumberOutcome.FAILED, NumberOutcome.NOT_TRIED}]
    if any(isinstance(result.problem, Denied) for result in failed):
        return ExitCode.DENIED
    return ExitCode.FAILED if failed else ExitCode.OK


def _tell_one(result: NumberResult) -> str:
    if result.problem is not None:
        return f"{result.problem.what}: {result.problem.why}" if result.problem.why else result.problem.what
    before = describe(result.before) if result.before else "nothing"
    after = describe(result.after) if result.after else "nothing"
    if result.after and result.after.voice_fallback_url:
        after += f" (fallback {result.after.voice_fallback_url})"
    return after if result.before == result.after else f"{before} ▸ {after}"


def _as_json(result: NumberResult, outcome: str) -> dict[str, object]:
    return {
        "number": result.number,
        "outcome": outcome.replace(" ", "_"),
        "before": show_settings(result.before) if result.before else None,
        "after": show_settings(result.after) if result.after else None,
        "problem": _tell_one(result) if result.problem is not None else None,
    }


def _table(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    return [f"{number:<{widths[0]}}  {word:<{widths[1]}}  {text}".rstrip() for number, word, text in rows]
