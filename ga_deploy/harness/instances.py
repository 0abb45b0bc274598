"""Running instances of a config's functions, each with the ASAPP that they call, and which calls share one."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from ga_deploy.asapp_mock.server import MockAsapp
from ga_deploy.emulator.functions.host import FunctionHost, Handler
from ga_deploy.emulator.functions.request_rules import Asset
from ga_deploy.harness.overrides import apply_overrides
from ga_deploy.redact import Secret
from ga_deploy.render import render

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ga_deploy.config.schema import Config
    from ga_deploy.harness.options import HarnessOptions
    from ga_deploy.harness.outsiders import Outsiders
    from ga_deploy.model.bundle import Bundle, FunctionFile
    from ga_deploy.simulate.scenario.scenario import DeploymentFault

DOMAIN = "ga-deploy-0000-simulated.twil.io"
ACCOUNT_SID = "AC51511a7ed51511a7ed51511a7ed51511"
TOKEN = "simulated-auth-token-of-no-account"  # noqa: S105 - it proves nothing to anybody

_ASAPP_VARIABLE = re.compile(r"(?:ASAPP_API|GA_ASAPP)_(HOST|ID|SECRET)(?:_[0-9a-f]+)?")
_API_ID = "simulated-id"
_API_SECRET = "simulated-secret"  # noqa: S105 - only the mock asks for it

Shape = tuple[object, ...]

# The body of a function that a scenario breaks. `hangs` does not answer until the platform gives up.
_BROKEN = {
    "throws": "throw new Error('broken by the scenario')",
    "hangs": "",
    "text": "callback(null, 'Something went wrong')",
    "empty": "callback(null)",
    "json": "callback(null, {error: 'broken by the scenario'})",
}


@dataclass
class Instance:
    """Running functions and the ASAPP that they call; `mock_url` is empty if that is a live ASAPP."""

    host: FunctionHost
    bundle: Bundle
    mock: MockAsapp | None = None
    mock_url: str = ""

    async def start_mock(self) -> MockAsapp:
        """Start a mock for these functions alone."""
        self.mock = MockAsapp(_API_ID, _API_SECRET)
        self.mock_url = await self.mock.start()
        return self.mock

    async def stop_mock(self) -> None:
        """Stop the mock, if there is one."""
        if self.mock:
            await self.mock.stop()
        self.mock, self.mock_url = None, ""

    def set_variables(self, changes: Mapping[str, str]) -> None:
        """Give the functions the deployment's variables, with `changes`. With a mock, they call it as ASAPP."""
        values = {"HOST": self.mock_url, "ID": _API_ID, "SECRET": _API_SECRET}
        variables = {}
        for name, value in self.bundle.variables.items():
            known = _ASAPP_VARIABLE.fullmatch(name)
            plain = value.reveal() if isinstance(value, Secret) else value
            variables[name] = values[known[1]] if known and self.mock_url else plain
        self.host.set_context({"DOMAIN_NAME": DOMAIN, **variables, **changes})


class Instances:
    """The instances of one run. Calls whose scenarios change the deployment in the same way share one."""

    def __init__(self, config: Config, options: HarnessOptions, outsiders: Outsiders) -> None:
        self._config = config
        self._options = options
        self._outsiders = outsiders
        self._shared: dict[Shape, Instance] = {}
        self._spare: dict[Shape, list[Instance]] = {}
        self._all: list[Instance] = []
        self._opening = asyncio.Lock()
        self.packages: Path | None = None

    async def stop(self) -> None:
        """Stop all functions, and the mocks that calls share."""
        await asyncio.gather(*(one.host.stop() for one in self._all))
        await asyncio.gather(*(one.stop_mock() for one in self._shared.values()))

    async def share(self, fault: DeploymentFault) -> Instance:
        """Return the instance that all calls with these changes of the deployment use."""
        shape = _shape_of(fault)
        async with self._opening:
            instance = self._shared.get(shape)
            if instance is None:
                instance = await self._open(fault)
                if not self._options.live:
                    await instance.start_mock()
                instance.set_variables({})
                self._shared[shape] = instance
        return instance

    async def take(self, fault: DeploymentFault) -> Instance:
        """Return an instance for one call alone, without a mock; hand it back with `give_back`."""
        spare = self._spare.get(_shape_of(fault))
        return spare.pop() if spare else await self._open(fault)

    async def give_back(self, instance: Instance, fault: DeploymentFault) -> None:
        """Keep an instance for the next call that needs one alone."""
        await instance.stop_mock()
        self._spare.setdefault(_shape_of(fault), []).append(instance)

    async def _open(self, fault: DeploymentFault) -> Instance:
        assert self.packages is not None, "the packages are installed first"
        config = apply_overrides(self._config, fault, self._outsiders.stand_in)
        bundle = render(config)
        handlers = [
            Handler(function.path, function.visibility, self._options.rewrite(function), f"ZN{index:032x}")
            for index, function in enumerate(self._break(bundle, config, fault))
        ]
        assets = [
            Asset(asset.path, "public", asset.content.encode(), f"ZN{len(handlers) + index:032x}", "text/xml")
            for index, asset in enumerate(bundle.assets)
        ]
        host = FunctionHost(
            node_modules=self.packages,
            handlers=handlers,
            assets=assets,
            context={"DOMAIN_NAME": DOMAIN},
            account_sid=ACCOUNT_SID,
            auth_token=TOKEN,
            include_credentials=config.service.include_credentials,
            twilio_api=self._outsiders.base_url,
        )
        await host.start()
        instance = Instance(host, bundle)
        self._all.append(instance)
        return instance

    def _break(self, bundle: Bundle, config: Config, fault: DeploymentFault) -> list[FunctionFile]:
        """Return the functions, with those that the scenario breaks replaced."""
        broken = {path for name in fault.broken for path in self._list_paths(config, name)}
        instead = f"exports.handler = (context, event, callback) => {{ {_BROKEN[fault.how]} }};"
        return [replace(one, content=instead) if one.path in broken else one for one in bundle.functions]

    def _list_paths(self, config: Config, name: str) -> tuple[str, ...]:
        """Return the paths of a function and, with a flow, of the flow's function that does the same."""
        path = getattr(config.functions, name).path
        of_flow = {"engage": config.flow.engage.path, "call_complete": config.flow.call_transfer.path}
        return (path, of_flow[name]) if self._options.flow and name in of_flow else (path,)


def _shape_of(fault: DeploymentFault) -> Shape:
    """Return the changes that calls must have in common to share an instance: all but the variables."""
    return tuple(getattr(fault, one.name) for one in fields(fault) if one.name != "variables")
