"""How numbers are read again right before they are written: by list or one by one, and what that costs."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from ga_deploy.engine.numbers.list_readings import FRESH_SECONDS
from ga_deploy.engine.numbers.plan import NumberPlan, Verdict
from ga_deploy.engine.numbers.writer import NumberOutcome, NumberWriter
from ga_deploy.engine.parallel import open_pool
from ga_deploy.errors import ApiProblem, Denied, DeployError, Outdated
from ga_deploy.model.numbers import IncomingNumber, NumberSettings
from ga_deploy.model.sids import NumberSid

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from ga_deploy.engine.platform import Platform

OURS = NumberSettings(voice_url="https://ours.example/engage")


def show(index: int) -> IncomingNumber:
    sid = NumberSid(f"PN{index:032x}")
    return IncomingNumber(sid, f"+1555{index:07d}", "", True, "voice", NumberSettings())


class Numbers:
    """The numbers of an account in memory. It counts requests: a list costs one for each thousand numbers."""

    def __init__(self, count: int, *, list_is_old: bool = False) -> None:
        self.numbers = {number.number: number for number in map(show, range(count))}
        self.by_sid = {number.sid: number.number for number in self.numbers.values()}
        self.list_is_old = list_is_old
        self.before_list: Callable[[int], object] = lambda nth: None
        self.before_write: Callable[[NumberSid], object] = lambda sid: None
        self.lists = self.readings = self.writes = 0
        self._guard = threading.Lock()

    @property
    def requests(self) -> int:
        return self.lists * -(-len(self.numbers) // 1000) + self.readings + self.writes

    def list_numbers(self, numbers: object = None) -> dict[str, IncomingNumber]:
        with self._guard:
            self.lists += 1
            nth = self.lists
        self.before_list(nth)
        read_at = time.monotonic() - (FRESH_SECONDS + 1 if self.list_is_old else 0)
        return {number: replace(shown, read_at=read_at) for number, shown in self.numbers.items()}

    def get_number(self, sid: NumberSid) -> IncomingNumber:
        with self._guard:
            self.readings += 1
        return replace(self.numbers[self.by_sid[sid]], read_at=time.monotonic())

    def update_number(
        self, sid: NumberSid, settings: NumberSettings, fields: Collection[str], *, not_after: float
    ) -> IncomingNumber:
        if time.monotonic() > not_after:
            raise Outdated("too old")
        self.before_write(sid)
        with self._guard:
            self.writes += 1
            changed = replace(self.numbers[self.by_sid[sid]], settings=settings)
            self.numbers[changed.number] = changed
        return changed


def write(
    account: Numbers, count: int, readings: Mapping[str, IncomingNumber] | None = None
) -> tuple[dict[str, NumberOutcome], NumberWriter]:
    planned_numbers = [
        NumberPlan(shown.number, Verdict.CHANGE, owned=shown, wanted=OURS, fields=("voice_url",))
        for shown in list(account.numbers.values())[:count]
    ]
    with open_pool() as pool:
        writer = NumberWriter(cast("Platform", cast("Any", account)), pool, lambda done: None)
        return {result.number: result.outcome for result in writer.write(planned_numbers, readings)}, writer


def test_a_list_serves_all_that_are_written_while_it_is_fresh() -> None:
    account = Numbers(1_000)
    outcomes, _ = write(account, 1_000)
    assert set(outcomes.values()) == {NumberOutcome.CHANGED}
    assert len(outcomes) == 1_000
    assert account.readings == 0
    assert account.writes == 1_000


def test_numbers_are_written_while_the_list_is_read_again() -> None:
    """The second reading does not end before another number has been written."""
    account = Numbers(40)
    reads_again, written = threading.Event(), threading.Event()

    def hold_list(nth: int) -> None:
        if nth == 2:
            reads_again.set()
            assert written.wait(20), "nothing is written while the list is read again"

    def hold_write(sid: NumberSid) -> None:
        if account.writes >= 10:
            assert reads_again.wait(20)
            written.set()

    account.before_list, account.before_write = hold_list, hold_write
    outcomes, _ = write(account, 40)
    assert set(outcomes.values()) == {NumberOutcome.CHANGED}
    assert account.lists >= 2


@pytest.mark.parametrize("count", [100, 1_000])
def test_where_lists_do_not_help_a_number_costs_two_requests(count: int) -> None:
    """They are too old when they come, as with an account of many pages."""
    account = Numbers(3_000, list_is_old=True)
    outcomes, _ = write(account, count)
    assert set(outcomes.values()) == {NumberOutcome.CHANGED}
    assert len(outcomes) == count
    assert account.writes == account.readings == count
    assert account.requests <= 2.1 * count


def test_few_numbers_of_a_large_account_are_read_one_by_one() -> None:
    account = Numbers(3_000)
    write(account, 4)
    assert (account.lists, account.readings, account.writes) == (0, 4, 4)


def test_a_reading_of_the_caller_is_used_and_replaced_when_it_is_old() -> None:
    account = Numbers(20)
    outcomes, _ = write(account, 20, account.list_numbers())
    assert (account.lists, account.writes) == (1, 20)
    account = Numbers(20)
    old = {number: replace(shown, read_at=time.monotonic() - 60) for number, shown in account.numbers.items()}
    outcomes, _ = write(account, 20, old)
    assert set(outcomes.values()) == {NumberOutcome.CHANGED}
    assert account.writes == 20


def test_a_list_that_fails_does_not_hide_how_each_number_ended() -> None:
    account = Numbers(20)

    def fail(nth: int) -> None:
        raise ApiProblem("HTTP 503")

    account.before_list = fail
    outcomes, _ = write(account, 20)
    assert set(outcomes.values()) == {NumberOutcome.CHANGED}
    assert account.readings == 20


def test_what_has_changed_is_not_written() -> None:
    account = Numbers(20)
    taken = account.numbers["+15550000007"]
    theirs = replace(taken, settings=NumberSettings(voice_url="https://theirs.example/"))
    account.before_list = lambda nth: account.numbers.update({theirs.number: theirs})
    outcomes, writer = write(account, 20)
    assert len(outcomes) == 19
    [(planned, now)] = writer.take_moved()
    assert (planned.number, now) == (theirs.number, theirs)


def test_after_refused_credentials_the_rest_is_not_tried() -> None:
    account = Numbers(200)

    def refuse(sid: NumberSid) -> None:
        raise Denied("HTTP 401")

    account.before_write = refuse
    outcomes, _ = write(account, 200)
    assert len(outcomes) == 200
    assert list(outcomes.values()).count(NumberOutcome.NOT_TRIED) >= 180


def test_one_number_that_fails_stops_no_other() -> None:
    account = Numbers(20)

    def refuse_one(sid: NumberSid) -> None:
        if sid == show(3).sid:
            raise DeployError("HTTP 400")

    account.before_write = refuse_one
    outcomes, _ = write(account, 20)
    assert outcomes.pop("+15550000003") is NumberOutcome.FAILED
    assert set(outcomes.values()) == {NumberOutcome.CHANGED}
