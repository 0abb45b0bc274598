"""Phone numbers against the emulator: found exactly, changed sparingly, never bought or released."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from ga_deploy.emulator.core.rules import Rules
from ga_deploy.gateway import Gateway
from ga_deploy.model.numbers import NumberSettings
from ga_deploy.model.sids import NumberSid

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Twilio

NUMBERS = [f"+1555010{index:04d}" for index in range(30)]


def test_few_numbers_are_looked_up_one_by_one(start_twilio: Callable[..., Twilio]) -> None:
    twilio = start_twilio(numbers=[*NUMBERS, "+155501000011"])
    found = twilio.open().list_numbers(["+15550100001", "+15559999999"])
    assert list(found) == ["+15550100001"], "a number that only contains the text is not the number"
    assert sorted(twilio.requests())[0].endswith("PhoneNumber=%2B15550100001&PageSize=50")


def test_many_numbers_are_listed_by_pages(start_twilio: Callable[..., Twilio]) -> None:
    twilio = start_twilio(numbers=NUMBERS)
    assert sorted(twilio.open().list_numbers([*NUMBERS[:10], "+15559999999"])) == NUMBERS[:10]
    assert len(twilio.requests()) == 1
    assert sorted(twilio.open().list_numbers()) == NUMBERS


def test_thousands_of_numbers_take_a_page_for_each_thousand(start_twilio: Callable[..., Twilio]) -> None:
    many = [f"+1555{index:07d}" for index in range(2_100)]
    twilio = start_twilio(numbers=many)
    assert len(twilio.open().list_numbers()) == 2_100
    assert len(twilio.requests()) == 3


def test_only_the_named_settings_are_sent(start_twilio: Callable[..., Twilio]) -> None:
    status = {"phone_number": "+15550100001", "status_callback": "https://calls.example/", "voice_method": "GET"}
    twilio = start_twilio(numbers=[status])
    gateway = twilio.open()
    number = gateway.list_numbers()["+15550100001"]
    assert number.settings == NumberSettings(voice_method="GET")
    wanted = NumberSettings(voice_url="https://x.example/voice", voice_fallback_url="https://f.example/")
    after = gateway.update_number(number.sid, wanted, ["voice_url"])
    assert after.settings == NumberSettings(voice_url="https://x.example/voice", voice_method="GET")
    entry = twilio.emulator.journal.report(only="POST")["requests"][0]
    assert entry["form"] == {"VoiceUrl": ["https://x.example/voice"]}


def test_a_trunk_is_cleared_by_an_empty_value(start_twilio: Callable[..., Twilio]) -> None:
    twilio = start_twilio(numbers=[{"phone_number": "+15550100001", "trunk_sid": "TK" + "e" * 32}])
    gateway = twilio.open()
    number = gateway.list_numbers()["+15550100001"]
    assert number.settings.trunk_sid == "TK" + "e" * 32
    assert gateway.update_number(number.sid, NumberSettings(), ["trunk_sid"]).settings.trunk_sid == ""


@pytest.mark.parametrize("sid", ["", "PN", "PN" + "x" * 32, "../Accounts", "AC" + "1" * 32, "PN" + "a" * 32 + "\n"])
def test_nothing_but_a_number_can_be_updated(twilio: Twilio, gateway: Gateway, sid: str) -> None:
    """An empty SID would make it a POST to the list, and that buys a number."""
    with pytest.raises(ValueError, match="not the SID"):
        gateway.update_number(NumberSid(sid), NumberSettings(), ["voice_url"])
    with pytest.raises(ValueError, match="nothing to change"):
        gateway.update_number(NumberSid("PN" + "a" * 32), NumberSettings(), [])
    assert not twilio.requests()


def test_there_is_no_way_to_buy_or_release() -> None:
    methods = {name for name in dir(Gateway) if "number" in name and not name.startswith("_")}
    assert methods == {"list_numbers", "find_number", "get_number", "update_number"}


def test_as_many_at_once_as_the_account_takes(start_twilio: Callable[..., Twilio]) -> None:
    """Eight are sent together, three are taken: five are refused and repeated, and from then on three are sent."""
    twilio = start_twilio(numbers=NUMBERS, rules=Rules(latency_ms=30.0, concurrency=3))
    gateway = twilio.open(concurrency=8, attempts=20)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(gateway.find_number, NUMBERS[:10] * 6))
    assert all(found)
    assert gateway._http.transport.gate.limit in {2, 3}
    refused = [e for e in twilio.emulator.journal.report()["requests"] if e["status"] == 429]
    assert 5 <= len(refused) <= 20


def test_no_more_requests_at_once_than_allowed(start_twilio: Callable[..., Twilio]) -> None:
    twilio = start_twilio(numbers=NUMBERS, latency_ms=30)
    gateway = twilio.open(concurrency=3)
    threads = [threading.Thread(target=gateway.find_number, args=(number,)) for number in NUMBERS[:12]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = twilio.emulator.journal.report()["requests"]
    moments = sorted([(e["started"], 1) for e in entries] + [(e["ended"], -1) for e in entries])
    busy = most = 0
    for _, step in moments:
        busy += step
        most = max(most, busy)
    assert most == 3
