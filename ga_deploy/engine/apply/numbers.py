"""The config's numbers as a part of a deployment: planned with it, recorded early, bound last."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ga_deploy.engine.numbers.apply import bind_numbers
from ga_deploy.engine.numbers.plan import NumberPlan, Verdict, plan_numbers, refuse, to_changes
from ga_deploy.engine.numbers.record import RememberedNumber
from ga_deploy.engine.numbers.replan import plan_anew
from ga_deploy.engine.numbers.writer import NumberOutcome, NumberResult
from ga_deploy.errors import ApiProblem, DeployError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ga_deploy.engine.numbers.apply import Agree
    from ga_deploy.engine.numbers.record import NumberRecord
    from ga_deploy.engine.numbers.settings import NumberTarget
    from ga_deploy.engine.platform import Platform
    from ga_deploy.engine.session import Session
    from ga_deploy.engine.snapshot import Snapshot
    from ga_deploy.events import Report
    from ga_deploy.model.desired import Desired
    from ga_deploy.model.numbers import IncomingNumber
    from ga_deploy.model.plan import Change


@dataclass(frozen=True)
class NumberDeployment:
    """Plans and binds the config's numbers; `owned` and `recorded` come from one snapshot."""

    platform: Platform
    desired: Desired
    owned: Mapping[str, IncomingNumber]
    recorded: Mapping[str, RememberedNumber]
    memory: NumberRecord
    report: Report
    agree: Agree
    others: Mapping[str, Sequence[RememberedNumber]] = field(default_factory=dict)

    def decide(self, target: NumberTarget) -> tuple[NumberPlan, ...]:
        """Return the plan of each number; raises `DeployError` if one may not be bound."""
        decided = plan_numbers(self.desired.numbers, self.owned, target, self.recorded, others=self.others)
        if any(planned.owned is None for planned in decided):
            # Only for the hint: which numbers of the account look like the missing one.
            known = list(self.platform.list_numbers(None))
            decided = plan_numbers(
                self.desired.numbers, self.owned, target, self.recorded, known=known, others=self.others
            )
        refuse(decided)
        return decided

    def changes(self, target: NumberTarget) -> tuple[Change, ...]:
        """Return the number plans as changes of a plan."""
        return to_changes(self.decide(target))

    def record(self, target: NumberTarget) -> None:
        """Record the current settings of the numbers, before any of them changes."""
        self.memory.remember(
            RememberedNumber(planned.owned.sid, planned.number, planned.owned.settings, planned.wanted.voice_url)
            for planned in self.decide(target)
            if planned.owned and planned.wanted and planned.verdict is Verdict.CHANGE and not planned.is_ours
        )

    def read(self) -> dict[str, IncomingNumber] | None:
        """Read the numbers again; None if that fails: `bind` then reads them itself."""
        try:
            return self.platform.list_numbers([binding.number for binding in self.desired.numbers])
        except ApiProblem:
            return None

    def bind(
        self, target: NumberTarget, readings: Mapping[str, IncomingNumber] | None = None
    ) -> tuple[NumberResult, ...]:
        """Bind the numbers; a failed one does not stop the others. `readings` is a recent result of `read`."""
        return bind_numbers(
            self.platform,
            self.decide(target),
            self.memory,
            redecide=lambda planned, now: plan_anew(planned, now, target, self.recorded, others=self.others),
            agree=self.agree,
            report=self.report,
            readings=readings,
        )


def _refuse_all(planned_numbers: Sequence[NumberPlan]) -> None:
    raise DeployError("not confirmed", why="this command does not bind numbers", fix="run `ga-deploy up`")


def make_number_deployment(session: Session, snapshot: Snapshot, agree: Agree = _refuse_all) -> NumberDeployment:
    """Return what plans and binds the config's numbers, from one snapshot.

    `agree` is called with numbers that somebody changed between the snapshot and the write, and that are in use now.
    """
    return NumberDeployment(
        platform=session.platform,
        desired=session.desired,
        owned=snapshot.numbers,
        recorded=snapshot.recorded,
        memory=session.numbers,
        report=session.report,
        agree=agree,
        others=snapshot.others,
    )


def refuse_failures(results: Iterable[NumberResult]) -> None:
    """Raise `DeployError` if a number could not be bound."""
    failed = [
        result
        for result in results
        if result.outcome in {NumberOutcome.FAILED, NumberOutcome.NOT_TRIED, NumberOutcome.LEFT}
    ]
    if not failed:
        return
    reasons = [
        f"{result.number}: {result.problem.what if result.problem else 'not tried'}"
        + (f" ({result.problem.why})" if result.problem and result.problem.why else "")
        for result in failed[:20]
    ]
    raise DeployError(
        f"the functions are live, but {len(failed)} of the numbers could not be bound",
        why="\n".join(reasons),
        fix="fix these reasons, then run `ga-deploy up` again: it changes only the numbers that are left",
    )
