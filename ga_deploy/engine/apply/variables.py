"""The environment's variables as a part of a deployment: each write is live at once, so its moment matters."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ga_deploy.engine.plan.ownership import DOMAIN_VARIABLE
from ga_deploy.errors import ApiProblem
from ga_deploy.events import StepDone, StepStarted
from ga_deploy.model.plan import Action
from ga_deploy.redact import Secret

if TYPE_CHECKING:
    from ga_deploy.engine.parallel import Pool
    from ga_deploy.engine.session import Session
    from ga_deploy.model.observed import Observed
    from ga_deploy.model.plan import Change, Plan
    from ga_deploy.model.serverless import ServiceEnvironment


class VariableWriter:
    """Writes the variable changes of a plan; `observed` is the snapshot that the plan was made from."""

    def __init__(self, session: Session, pool: Pool, observed: Observed, plan: Plan) -> None:
        self._platform = session.platform
        self._desired = session.desired
        self._report = session.report
        self._pool = pool
        self._observed = observed
        self._plan = plan
        self._domain_refused = False

    @property
    def domain_refused(self) -> bool:
        """Whether Twilio refused `DOMAIN_NAME` as a variable."""
        return self._domain_refused

    def write(self, place: ServiceEnvironment) -> None:
        """Create and update variables: right before activation, since the live build reads each one at once."""
        changes = [c for c in self._plan.of("variable", Action.CREATE, Action.UPDATE) if c.name != DOMAIN_VARIABLE]
        if not changes:
            return
        self._report(StepStarted("variables", "Setting variables"))
        self._pool.gather(partial(self._write_one, place, change) for change in changes)
        self._report(StepDone("variables", f"Set {_count(len(changes))}"))

    def write_domain(self, place: ServiceEnvironment) -> None:
        """Set `DOMAIN_NAME`. This may be done early: its value is the same for the old build and the new one."""
        change = self._plan.find(f"variable:{DOMAIN_VARIABLE}")
        if change is None or change.action not in {Action.CREATE, Action.UPDATE}:
            return
        try:
            self._write_one(place, change)
        except ApiProblem as problem:
            # Twilio docs: the platform sets DOMAIN_NAME itself, so functions have it even if the write is refused.
            if problem.status not in {400, 409}:
                raise
            self._domain_refused = True

    def delete(self, place: ServiceEnvironment) -> None:
        """Delete our variables that the config no longer has: after activation, since the old build reads them."""
        names = {change.name for change in self._plan.of("variable", Action.DELETE)}
        unwanted = [variable for variable in self._observed.variables if variable.key in names]
        self._pool.gather(
            partial(self._platform.delete_variable, place.service_sid, place.environment_sid, variable.sid)
            for variable in unwanted
        )
        if unwanted:
            self._report(StepDone("variables", f"Removed {_count(len(unwanted))}"))

    def _write_one(self, place: ServiceEnvironment, change: Change) -> None:
        wanted = place.domain_name if change.name == DOMAIN_VARIABLE else self._desired.variables[change.name]
        value = wanted.reveal() if isinstance(wanted, Secret) else wanted
        existing = {variable.key: variable.sid for variable in self._observed.variables}
        if change.name in existing:
            self._platform.update_variable(place.service_sid, place.environment_sid, existing[change.name], value)
        else:
            self._platform.create_variable(place.service_sid, place.environment_sid, change.name, value)


def _count(count: int) -> str:
    return f"{count} variable{'s' if count > 1 else ''}"
