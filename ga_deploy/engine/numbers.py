"""Binding numbers and giving them back, from the first look to the last write: what `bind-number` and friends do.

Nothing is written before everything is known to be allowed; what matters is read again under the environment's lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ga_deploy.engine.binding_steps import NumberResult, Outcome, bind_numbers, restore_numbers
from ga_deploy.engine.bindings import Binding, Verdict, plan_bindings, plan_restorations, refuse
from ga_deploy.engine.check import ask_patiently
from ga_deploy.engine.locking import hold
from ga_deploy.engine.number_records import ItemNumberRecord, LayeredNumberRecord
from ga_deploy.engine.number_settings import Target
from ga_deploy.engine.parallel import open_pool
from ga_deploy.engine.records import open_file_records, open_records
from ga_deploy.errors import DeployError
from ga_deploy.events import Report, StepDone, StepStarted, ignore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ga_deploy.engine.number_records import NumberRecord
    from ga_deploy.engine.platform import Platform
    from ga_deploy.engine.records import Records
    from ga_deploy.model import Desired, Environment, NumberWish


@dataclass(frozen=True)
class NumberWork:
    """Whose numbers are changed and how: the platform, the environment, and where its record and lock are kept.

    `state` is `sync` or `local`, `folder` the `.ga-deploy` beside the config. `find_flow_url` gives the webhook of the
    config's flow, None if there is none.
    """

    platform: Platform
    desired: Desired
    state: str
    folder: Path
    find_flow_url: Callable[[], str | None]
    report: Report = ignore
    lock_timeout: float = 90.0
    command: str = "bind-number"

    def open_records(self) -> Records:
        """Return the environment's record; sends nothing."""
        return open_records(self.platform, self.desired, state=self.state, folder=self.folder, report=self.report)

    def open_number_record(self, records: Records) -> NumberRecord:
        """Return what is remembered of numbers: in `records`, and in the file that a run without Sync has left here."""
        record = ItemNumberRecord(records, self.report)
        if self.state == "local":
            return record
        return LayeredNumberRecord(record, ItemNumberRecord(open_file_records(self.desired, self.folder)))


def bind(
    work: NumberWork,
    wishes: Sequence[NumberWish],
    *,
    force: bool,
    agree: Callable[[Sequence[Binding]], None],
) -> tuple[NumberResult, ...]:
    """Point numbers at what is live. One result a wish, in order.

    `agree` is given the bindings of numbers that are in use elsewhere and raises to stop. Raises DeployError, nothing
    changed, if nothing is live, if it does not answer, or if a number may not be bound.
    """
    records = work.open_records()
    target = find_target(work, wants_flow=any(wish.to == "flow" for wish in wishes))
    decided = _decide_bindings(work, wishes, target, records, force=force)
    _ask(decided, agree)
    if not any(binding.verdict is Verdict.CHANGE for binding in decided):
        return tuple(NumberResult(b.number, Outcome.UNCHANGED, b.before, b.before) for b in decided)
    with hold(work, records) as lease:
        agreed = {binding.consent for binding in decided}
        decided = _decide_bindings(work, wishes, target, records, force=force)
        _ask([binding for binding in decided if binding.consent not in agreed], agree)
        lease.check()
        return bind_numbers(
            work.platform,
            decided,
            work.open_number_record(records),
            report=work.report,
        )


@dataclass(frozen=True)
class Restored:
    """What became of giving numbers back: a result for each that was tried, and those that were left as they are."""

    results: tuple[NumberResult, ...]
    left: tuple[Binding, ...]


def unbind(work: NumberWork, numbers: Sequence[str] | None, *, force: bool) -> Restored:
    """Give numbers (None: all that are recorded) back exactly what they had.

    Left as they are: numbers that were pointed elsewhere since (unless `force`), and those that the account no longer
    owns. Raises DeployError, nothing changed, if one of `numbers` is not recorded.
    """
    records = work.open_records()
    decided = _decide_restorations(work, numbers, records, force=force)
    if not any(binding.verdict is not Verdict.REFUSED for binding in decided):
        return Restored((), decided)
    with hold(work, records) as lease:
        decided = _decide_restorations(work, numbers, records, force=force)
        lease.check()
        results = restore_numbers(
            work.platform,
            [binding for binding in decided if binding.verdict is not Verdict.REFUSED],
            work.open_number_record(records),
            report=work.report,
        )
    return Restored(results, tuple(binding for binding in decided if binding.verdict is Verdict.REFUSED))


def find_target(work: NumberWork, *, wants_flow: bool) -> Target:
    """Return what numbers may be pointed at, after seeing that it answers: a number never points at nothing."""
    environment = _find_environment(work)
    name = f"environment `{work.desired.environment}` of service `{work.desired.service_name}`"
    if environment is None or environment.build_sid is None:
        raise DeployError(
            "there is nothing to point a number at",
            why=f"nothing is deployed in {name}" if environment else f"{name} does not exist",
            fix="run `ga-deploy up` first",
        )
    flow_url = work.find_flow_url()
    if wants_flow and flow_url is None:
        raise DeployError(
            "there is no flow to point a number at",
            why="the account has no Studio flow of this config",
            fix="run `ga-deploy up` with `flow.enabled: true`, or bind with `--to engage`",
        )
    target = Target(environment.domain_name, work.desired.engage_path, flow_url)
    url = f"https://{target.domain_name}{target.engage_path}"
    work.report(StepStarted("answers", f"Checking that {url} answers"))
    why = ask_patiently(work.platform, url, work.desired.visibility_of(target.engage_path))
    if why:
        raise DeployError(
            f"{url} does not answer",
            why=f"it gave {why}; calls to a number that points there would fail",
            fix="run `ga-deploy up`, which deploys what is missing; `ga-deploy status` shows what is live",
        )
    work.report(StepDone("answers", f"{url} answers"))
    return target


def _find_environment(work: NumberWork) -> Environment | None:
    service = work.platform.find_service(work.desired.service_name)
    if service is None:
        return None
    environments = work.platform.list_environments(service.sid)
    return next((each for each in environments if each.unique_name == work.desired.environment), None)


def _decide_bindings(
    work: NumberWork, wishes: Sequence[NumberWish], target: Target, records: Records, *, force: bool
) -> tuple[Binding, ...]:
    with open_pool() as pool:
        recalling = pool.start(work.open_number_record(records).recall)
        owned = work.platform.list_numbers([wish.number for wish in wishes])
        recorded = recalling.result()
    decided = plan_bindings(wishes, owned, target, recorded, force=force)
    if any(binding.owned is None for binding in decided):
        # For the hint alone: which numbers there are that look like the one that is not.
        known = list(work.platform.list_numbers(None))
        decided = plan_bindings(wishes, owned, target, recorded, force=force, known=known)
    refuse(decided)
    return decided


def _decide_restorations(
    work: NumberWork, numbers: Sequence[str] | None, records: Records, *, force: bool
) -> tuple[Binding, ...]:
    recorded = work.open_number_record(records).recall()
    asked = sorted(recorded) if numbers is None else list(numbers)
    environment = _find_environment(work)
    target = (
        Target(environment.domain_name, work.desired.engage_path, work.find_flow_url())
        if environment is not None
        else None
    )
    owned = work.platform.list_numbers(asked) if asked else {}
    decided = plan_restorations(asked, owned, target, recorded, force=force)
    refuse([binding for binding in decided if binding.number not in recorded])
    return decided


def _ask(bindings: Sequence[Binding], agree: Callable[[Sequence[Binding]], None]) -> None:
    in_use = [binding for binding in bindings if binding.consent]
    if in_use:
        agree(in_use)
