"""The results of a run of calls: verdicts on standard output, the requested files, and the exit code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ga_deploy.errors import CallFailed, DeployError, ExitCode
from ga_deploy.harness.asapp_answers import explain_asapp
from ga_deploy.output.call_table import count_calls, draw_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ga_deploy.invocation.context import Context
    from ga_deploy.invocation.simulate_options import Options
    from ga_deploy.simulate.judge.verdict import Verdict
    from ga_deploy.ui import Ui


@dataclass
class Calls:
    """The calls of a run so far; `planned` is the number of calls in all.

    `load` has the measures of a load test, and is empty without one. `left_out` has the scenarios that were left out,
    with the reason. `stopped` is the exit code if the run was interrupted or terminated before all calls had ended.
    """

    planned: int = 0
    verdicts: list[Verdict] = field(default_factory=list)
    load: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    stopped: ExitCode | None = None

    @property
    def failed(self) -> list[Verdict]:
        """The verdicts of the calls that did not pass."""
        return [verdict for verdict in self.verdicts if not verdict.passed]


def report_calls(ctx: Context, options: Options, calls: Calls, seconds: float) -> ExitCode:
    """Print the verdicts and write the files. Raises CallFailed (exit 6) when a call failed.

    Raises DeployError with the exit code of the signal when the run was stopped, whatever the verdicts are.
    """
    _give_result(ctx, options, calls, seconds)
    # The verdicts are printed first: they are not lost when a file cannot be written.
    unwritten = _write_files(ctx, options, calls.verdicts, seconds)
    if calls.failed or calls.stopped:
        for problem in unwritten:
            ctx.ui.warn(problem.what, why=problem.why, fix=problem.fix)
    if calls.stopped:
        raise DeployError(
            f"{_name_stop(calls)} after {len(calls.verdicts)} of {count_calls(calls.planned)}",
            why=f"{len(calls.failed)} of the calls that ended failed; the others have no verdict",
            fix="run the same command again: it places every call again",
            exit_code=calls.stopped,
        )
    if calls.failed:
        raise _explain_failures(options, calls)
    if unwritten:
        raise unwritten[0]
    ctx.ui.note(f"{len(calls.verdicts)} of {count_calls(len(calls.verdicts))} passed in {seconds:.0f} s.")
    return ExitCode.OK


def _name_stop(calls: Calls) -> str:
    return "terminated" if calls.stopped is ExitCode.TERMINATED else "interrupted"


def _give_result(ctx: Context, options: Options, calls: Calls, seconds: float) -> None:
    payload: dict[str, object] = {
        "passed": not calls.failed and not calls.stopped,
        "calls": len(calls.verdicts),
        "failed": len(calls.failed),
        "seconds": round(seconds, 2),
        "verdicts": [verdict.as_json() for verdict in calls.verdicts],
    }
    if calls.stopped:
        payload |= {"interrupted": True, "planned": calls.planned}
    if calls.left_out:
        payload["left_out"] = [{"name": name, "why": why} for name, why in calls.left_out.items()]
    if calls.load:
        payload["load"] = calls.load
    # A load test has many calls: only the failed ones get a line each.
    shown = calls.failed if options.calls else calls.verdicts
    ctx.ui.result(payload, draw_table(shown) if shown else "")
    if calls.load:
        tell_load(ctx.ui, calls.load)
    _tell_silence(ctx.ui, calls.verdicts)
    outputs = {"calls": str(len(calls.verdicts)), "failed": str(len(calls.failed))}
    ctx.ui.outputs(outputs, _summarise(calls))


def _explain_failures(options: Options, calls: Calls) -> CallFailed:
    failed = calls.failed
    reasons = [f"{verdict.record.name}: {verdict.failings[0]}" for verdict in failed[:5]]
    more = f"; and {len(failed) - 5} more" if len(failed) > 5 else ""
    cause, fix = explain_asapp(verdict.record for verdict in failed) if options.asapp == "live" else ("", "")
    if not fix:
        fix = (
            f"open {options.report} to see and hear each call"
            if options.report
            else "run it again with `--report calls.html` to see and hear each call"
        )
    why = "; ".join(filter(None, [cause, *reasons])) + more
    return CallFailed(f"{len(failed)} of {len(calls.verdicts)} simulated calls failed", why=why, fix=fix)


def _tell_silence(ui: Ui, verdicts: Sequence[Verdict]) -> None:
    """Name the longest silence in a call that passed, if it is longer than most scenarios allow."""
    from ga_deploy.simulate.judge.verdict import Expectation

    passed = [verdict for verdict in verdicts if verdict.passed]
    worst = max(passed, key=lambda verdict: verdict.measures.get("dead_air", 0.0), default=None)
    if worst is not None and worst.measures.get("dead_air", 0.0) > Expectation().max_dead_air:
        ui.note(f"Longest silence that its scenario allows: {worst.measures['dead_air']:.1f} s ({worst.record.name})")


def tell_load(ui: Ui, load: Mapping[str, float]) -> None:
    """Print the load; warn when this tester itself was too slow."""
    ui.note(
        f"At most {load['peak']} calls at once, {load['calls_per_second']:g} a second; answered within "
        f"{load['first_twiml_p50'] * 1000:.0f} ms (median), {load['first_twiml_p99'] * 1000:.0f} ms (99 of 100)."
    )
    late = f"{load['tester_late_p99_ms']:.0f} ms (99 of 100)"
    if load["trustworthy"]:
        ui.note(f"This tester was late by {late}: fast enough for these measures.")
        return
    ui.warn(
        "this tester was too slow: the times may be its own and not the agent's",
        why=f"it was late by {late}, and a frame of audio is due every 20 ms",
        fix="lower --concurrency, or use a machine with less to do",
    )


def _write_files(ctx: Context, options: Options, verdicts: Sequence[Verdict], seconds: float) -> list[DeployError]:
    """Write the requested files; return an error for each that could not be written."""
    written: list[tuple[Path, str]] = []
    if options.junit:
        from ga_deploy.simulate.report.junit import write_junit

        written.append((options.junit, write_junit(verdicts)))
    if options.report:
        from ga_deploy.simulate.report.html import write_report

        written.append((options.report, write_report(verdicts, seconds=seconds)))
    problems = []
    for path, text in written:
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as problem:
            why = problem.strerror or str(problem)
            problems.append(DeployError(f"{path} cannot be written", why=why, fix="name another file"))
            continue
        ctx.ui.note(f"wrote {path}")
    return problems


def _summarise(calls: Calls) -> str:
    """Return the result as Markdown, for the summary of a CI job."""
    ended = count_calls(len(calls.verdicts))
    result = f"{len(calls.failed)} of {ended} failed" if calls.failed else f"{ended} passed"
    stopped = f", {_name_stop(calls)} before the other {calls.planned - len(calls.verdicts)}" if calls.stopped else ""
    lines = [f"**ga-deploy simulate**: {result}{stopped}"]
    for verdict in calls.failed:
        reasons = "; ".join(str(failing) for failing in verdict.failings).replace("|", "\\|").replace("<", "&lt;")
        lines.append(f"- `{verdict.record.name}`: {reasons}")
    return "\n".join(lines)
