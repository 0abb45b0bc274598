"""The context of a command: the global options, and the objects made from them on first use."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ga_deploy.config.schema import Config
    from ga_deploy.gateway import Gateway
    from ga_deploy.local import LocalStack
    from ga_deploy.ui import Ui


@dataclass
class Context:
    """One run of one command. Close it afterwards: that stops the emulator and closes the connections it opened."""

    config_path: Path
    environment: str | None
    local: bool
    yes: bool
    ui: Ui
    _opened: ExitStack = field(default_factory=ExitStack)

    @property
    def json(self) -> bool:
        """Whether the result is printed as one JSON object."""
        return self.ui.as_json

    @property
    def state_dir(self) -> Path:
        """The folder of caches, logs and the emulator's state: `.ga-deploy` next to the config."""
        return self.config_path.resolve().parent / ".ga-deploy"

    @cached_property
    def stack(self) -> LocalStack | None:
        """With `--local` the running emulator and mock ASAPP, started on first use; None otherwise."""
        if not self.local:
            return None
        from ga_deploy.local import open_stack

        return self._opened.enter_context(open_stack(self.state_dir))

    def require_node(self) -> None:
        """With `--local`, raise `DeployError` if there is no Node. Creates and starts nothing.

        Commands that deploy call this first: the emulator installs packages, compiles and runs functions with Node.
        """
        if self.local:
            from ga_deploy.local import require_node

            require_node(self.state_dir)

    def load(self) -> Config:
        """Load and validate the config of the selected environment, and print its warnings.

        Raises `ConfigInvalid` with all findings.
        """
        from ga_deploy.config.load import load_config

        stack = self.stack
        config = load_config(self.config_path, self.environment, local=stack.stand_in if stack else None)
        if stack:
            stack.own_numbers([entry.number for entry in config.phone_numbers])
        for warning in config.warnings:
            self.ui.warn(warning.what, why=warning.why, fix=warning.fix, at=warning.at)
        return config

    def gateway(self, config: Config, *, concurrency: int = 4) -> Gateway:
        """Return the gateway to Twilio (with `--local`, to the emulator) for the account of this config.

        `concurrency` is the largest number of requests at the same time; the gateway lowers it after a 429.
        """
        from ga_deploy.gateway import Credentials, Endpoints, Gateway

        stack = self.stack
        endpoints = Endpoints.local(stack.base_url) if stack else Endpoints.from_environ()
        gateway = Gateway(
            Credentials.of(config.twilio), endpoints=endpoints, on_call=self.ui.event, concurrency=concurrency
        )
        self._opened.callback(gateway.close)
        return gateway

    def close(self) -> None:
        """Close everything that this run opened, the last one first."""
        self.ui.close()
        self._opened.close()
