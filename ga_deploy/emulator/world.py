"""One emulated platform without its sockets: state, rules, accounts, what works in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.emulator.accounts import Account, Directory
from ga_deploy.emulator.building import Builds
from ga_deploy.emulator.numbers import seed_number
from ga_deploy.emulator.retention import collect
from ga_deploy.emulator.sites import Sites
from ga_deploy.emulator.store import Store
from ga_deploy.emulator.studio_webhook import open_calls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ga_deploy.emulator.npm import NodePackages
    from ga_deploy.emulator.rules import Rules

# How often old versions, builds and logs are looked for, in emulated seconds.
_COLLECT_EVERY = 300.0


class World:
    """Everything the rules of the products work on. `base_url` is where the emulator is reached, once it listens."""

    def __init__(
        self, state: Path | None, accounts: Sequence[Account], rules: Rules, packages: NodePackages | None
    ) -> None:
        self.store = Store(state)
        self.rules = rules
        self.directory = Directory(accounts)
        self.builds = Builds(self, packages)
        self.sites = Sites(self)
        self.studio_calls = open_calls(self)
        self.base_url = ""
        self._collected = self.store.now()
        for account in accounts:
            for number in account.numbers:
                seed_number(self, account.sid, number)

    def change_rules(self, changes: Mapping[str, object]) -> None:
        """Change some rules from now on; raises ValueError for what is no rule."""
        self.rules = self.rules.replaced(changes)

    def advance(self, seconds: float) -> None:
        """Move the clock, and let go of what is too old by then."""
        self.store.advance(seconds)
        collect(self)

    def tidy(self) -> None:
        """Apply the retention policy when it is due; cheap to call with every request."""
        if self.store.now() - self._collected > _COLLECT_EVERY:
            self._collected = self.store.now()
            collect(self)

    async def stop(self) -> None:
        """Stop what works in the background and close the state."""
        await self.builds.stop()
        await self.sites.stop()
        self.store.close()
