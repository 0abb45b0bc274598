"""What a number had before any environment of ours bound it: kept through any order of binding and letting go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ga_deploy.engine.numbers.account_record import AccountNumberRecord
from ga_deploy.engine.numbers.apply import remember_numbers
from ga_deploy.engine.numbers.plan import Verdict, plan_numbers, plan_restorations
from ga_deploy.engine.numbers.record import ItemNumberRecord, RememberedNumber
from ga_deploy.engine.numbers.settings import NumberTarget, reaches
from ga_deploy.model.numbers import IncomingNumber, NumberBinding, NumberSettings
from ga_deploy.model.sids import NumberSid
from ga_deploy.model.sync import SyncItem

if TYPE_CHECKING:
    from collections.abc import Mapping

NUMBER = "+15550100000"
SID = NumberSid("PN" + "1" * 32)
ENVIRONMENTS = ["ui", "staging", "prod"]
THEIRS = [NumberSettings(voice_url=f"https://ivr.example.com/{n}", voice_method="GET") for n in range(3)]
THEIRS += [NumberSettings(), NumberSettings(trunk_sid="TK" + "2" * 32)]


class Items:
    """Records in memory."""

    where = "memory"

    def __init__(self) -> None:
        self.items: dict[str, dict[str, object]] = {}

    def newest(self, limit: int) -> list[SyncItem]:
        return self.starting_with("")[::-1][:limit]

    def starting_with(self, prefix: str) -> list[SyncItem]:
        return [SyncItem(key, "0", content) for key, content in sorted(self.items.items()) if key.startswith(prefix)]

    def put(self, key: str, content: Mapping[str, object], *, if_match: str | None = None) -> SyncItem:
        self.items[key] = dict(content)
        return SyncItem(key, "0", self.items[key])

    def remove(self, key: str) -> None:
        self.items.pop(key, None)

    def clear(self) -> None:
        self.items.clear()

    def announce(self) -> None:
        """Nothing to say."""

    def prepare(self) -> None:
        """Nothing to do."""


class World:
    """One number, and environments that bind it and give it back as the commands do."""

    def __init__(self, *, earlier: bool) -> None:
        self.shared = Items()
        self.own = {name: Items() for name in ENVIRONMENTS}
        self.now = THEIRS[0]
        # Environments whose last run was one of an earlier version, which knew only its own record.
        self.is_old = dict.fromkeys(ENVIRONMENTS, earlier)

    def record(self, name: str) -> AccountNumberRecord | ItemNumberRecord:
        earlier = ItemNumberRecord(self.own[name])
        if self.is_old[name]:
            return earlier

        def find_strays() -> dict[str, list[RememberedNumber]]:
            strays: dict[str, list[RememberedNumber]] = {}
            for other in ENVIRONMENTS:
                for number, entry in ItemNumberRecord(self.own[other]).recall().items() if other != name else ():
                    strays.setdefault(number, []).append(entry)
            return strays

        return AccountNumberRecord(self.shared, f"service.{name}", [earlier], find_strays=find_strays)

    def target(self, name: str) -> NumberTarget:
        return NumberTarget(f"service-1234-{name}.twil.io", "/engage")

    def bind(self, name: str) -> None:
        record = self.record(name)
        others = record.recall_others() if isinstance(record, AccountNumberRecord) else {}
        owned = {NUMBER: IncomingNumber(SID, NUMBER, "", can_voice=True, receives="voice", settings=self.now)}
        [planned] = plan_numbers(
            [NumberBinding(NUMBER)], owned, self.target(name), record.recall(), force=True, others=others
        )
        remember_numbers([planned], record)
        if planned.verdict is Verdict.CHANGE and planned.wanted:
            self.now = planned.wanted

    def give_back(self, name: str) -> bool:
        record = self.record(name)
        recorded = record.recall()
        owned = {NUMBER: IncomingNumber(SID, NUMBER, "", can_voice=True, receives="voice", settings=self.now)}
        if NUMBER not in recorded:
            return False
        [planned] = plan_restorations([NUMBER], owned, self.target(name), recorded)
        if planned.verdict is Verdict.REFUSED or planned.wanted is None:
            return False
        self.now = planned.wanted
        record.forget([NUMBER])
        return True

    def destroy(self, name: str) -> None:
        """As `destroy`: give back, or, where another environment has it by now, let go."""
        self.give_back(name)
        record = self.record(name)
        if isinstance(record, AccountNumberRecord) and any(
            reaches(self.now, None, entry) for entry in record.recall_others().get(NUMBER, ())
        ):
            record.forget([NUMBER])


def test_the_case_of_the_issue() -> None:
    for earlier in (False, True):
        world = World(earlier=earlier)
        world.bind("ui")
        world.bind("staging")
        world.is_old = dict.fromkeys(ENVIRONMENTS, False)
        if earlier:
            # The next `up` of either moves what the earlier version noted.
            world.bind("prod")
            world.destroy("prod")
        else:
            assert world.now.voice_fallback_url == THEIRS[0].voice_url, "not the URL of ui, which is gone some day"
            world.destroy("ui")
            assert world.give_back("staging")
        assert world.now == THEIRS[0]
        if not earlier:
            assert world.record("ui").recall() == world.record("staging").recall() == {}


class Orders(RuleBasedStateMachine):
    """Any environments bind, give back and are destroyed in any order, and sometimes somebody else uses the number."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(earlier=False)
        self.original = self.world.now

    @initialize(first=st.sampled_from(THEIRS))
    def begin(self, first: NumberSettings) -> None:
        self.world.now = self.original = first

    def is_ours(self) -> bool:
        return any(self.world.target(name).reaches_us(self.world.now.voice_url) for name in ENVIRONMENTS)

    @rule(name=st.sampled_from(ENVIRONMENTS))
    def bind(self, name: str) -> None:
        self.world.bind(name)
        assert self.world.target(name).reaches_us(self.world.now.voice_url)

    @rule(name=st.sampled_from(ENVIRONMENTS))
    def give_back(self, name: str) -> None:
        if self.world.give_back(name):
            assert self.world.now == self.original

    @rule(name=st.sampled_from(ENVIRONMENTS))
    def destroy(self, name: str) -> None:
        self.world.destroy(name)
        assert not self.world.target(name).reaches_us(self.world.now.voice_url), "never left at what is gone"

    @rule(theirs=st.sampled_from(THEIRS))
    def use_it_elsewhere(self, theirs: NumberSettings) -> None:
        self.world.now = self.original = theirs

    @invariant()
    def whoever_has_it_knows_the_original(self) -> None:
        for name in ENVIRONMENTS:
            if self.world.target(name).reaches_us(self.world.now.voice_url):
                assert self.world.record(name).recall()[NUMBER].before == self.original


Orders.TestCase.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
TestOrders = Orders.TestCase


@pytest.mark.parametrize("order", [("ui", "staging"), ("staging", "ui")])
def test_items_of_earlier_versions_are_read_and_moved(order: tuple[str, str]) -> None:
    """Staging noted the URL of ui as what the number had before; whoever comes first, the original is found."""
    world = World(earlier=True)
    for name in ("ui", "staging"):
        world.bind(name)
    world.is_old = dict.fromkeys(ENVIRONMENTS, False)
    for name in order:
        world.bind(name)
        assert world.record(name).recall()[NUMBER].before == THEIRS[0]
    assert ItemNumberRecord(world.own["ui"]).recall() == {}, "moved with the first write"
    world.destroy(order[0])
    assert world.give_back(order[1])
    assert world.now == THEIRS[0]
