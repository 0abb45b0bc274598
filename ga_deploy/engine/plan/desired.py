"""Makes the desired state of an environment from the config and the rendered functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.model.desired import Desired
from ga_deploy.model.numbers import NumberBinding

if TYPE_CHECKING:
    from ga_deploy.config.schema import Config
    from ga_deploy.model.bundle import Bundle


def make_desired(config: Config, bundle: Bundle) -> Desired:
    """Return the desired state. Settings of an existing service that the config does not set stay unchanged."""
    service = config.service
    given = service.model_fields_set
    return Desired(
        account_sid=config.twilio.account_sid,
        service_name=service.name,
        environment=config.environment.name,
        domain_suffix=config.environment.domain_suffix or None,
        functions=bundle.functions,
        function_set=bundle.engage_path.rpartition("/")[0] + "/",
        engage_path=bundle.engage_path,
        fingerprint=bundle.fingerprint,
        dependencies=dict(bundle.dependencies),
        # Twilio refuses empty values, so an empty variable counts as not set.
        variables={name: value for name, value in bundle.variables.items() if value},
        numbers=tuple(
            NumberBinding(
                number=entry.number,
                to=entry.to,
                profile=entry.profile,
                fallback_url=entry.fallback_url,
                fallback_method=entry.fallback_method,
                at=config.place("phone_numbers", index),
            )
            for index, entry in enumerate(config.phone_numbers)
        ),
        runtime=service.runtime,
        include_credentials=service.include_credentials if "include_credentials" in given else None,
        ui_editable=service.ui_editable if "ui_editable" in given else None,
        assets=bundle.assets,
    )
