"""Sync: optimistic locking, and what happens when the answer to a write is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ga_deploy.errors import Conflict, Denied, NotFound
from ga_deploy.gateway import RevisionMoved

if TYPE_CHECKING:
    from collections.abc import Callable

    from ga_deploy.gateway import Gateway

    from .conftest import Twilio


def test_a_document_is_updated_only_at_its_revision(gateway: Gateway) -> None:
    first = gateway.create_document("lock", {"holder": "a"}, ttl=60)
    second = gateway.update_document("lock", {"holder": "b"}, ttl=60, if_match=first.revision)
    with pytest.raises(RevisionMoved) as caught:
        gateway.update_document("lock", {"holder": "c"}, ttl=60, if_match=first.revision)
    assert isinstance(caught.value, Conflict)
    found = gateway.get_document("lock")
    assert found is not None
    assert (found.data, found.revision) == ({"holder": "b"}, second.revision)


def test_an_update_whose_answer_was_lost_is_known_again(twilio: Twilio, gateway: Gateway) -> None:
    first = gateway.create_document("lock", {"holder": "a"}, ttl=60)
    twilio.fault("drop", "POST", "/Documents/lock", processed=True)
    second = gateway.update_document("lock", {"holder": "a", "since": 2}, ttl=60, if_match=first.revision)
    assert second.revision != first.revision
    assert len(twilio.requests("POST .*/Documents/lock")) == 2


def test_expiry_is_judged_by_twilios_clock(twilio: Twilio, gateway: Gateway) -> None:
    gateway.create_document("lock", {}, ttl=60)
    twilio.emulator.backend.advance(59)
    fresh = gateway.get_document("lock")
    twilio.emulator.backend.advance(2)
    stale = gateway.get_document("lock")
    assert fresh is not None
    assert not fresh.expired
    assert stale is not None
    assert stale.expired


def test_documents_go(gateway: Gateway) -> None:
    gateway.create_document("lock", {})
    gateway.delete_document("lock")
    gateway.delete_document("lock")
    assert gateway.get_document("lock") is None
    with pytest.raises(NotFound):
        gateway.update_document("lock", {"x": 1})


def test_an_item_makes_its_map(twilio: Twilio, gateway: Gateway) -> None:
    assert gateway.list_items("ga-deploy.Service.ui") == []
    gateway.put_item("ga-deploy.Service.ui", "release.000001", {"text": "Grüße ✓"})
    gateway.put_item("ga-deploy.Service.ui", "release.000001", {"text": "again"})
    [item] = gateway.list_items("ga-deploy.Service.ui")
    assert item.data == {"text": "again"}
    assert gateway.get_item("ga-deploy.Service.ui", "release.000001") == item


def test_writing_the_same_again_is_done(gateway: Gateway) -> None:
    gateway.ensure_map("record")
    first = gateway.put_item("record", "k", {"n": 1})
    assert gateway.put_item("record", "k", {"n": 1}).data == first.data


def test_an_item_is_replaced_only_at_its_revision(gateway: Gateway) -> None:
    first = gateway.put_item("record", "k", {"n": 1})
    second = gateway.put_item("record", "k", {"n": 2}, if_match=first.revision)
    with pytest.raises(RevisionMoved):
        gateway.put_item("record", "k", {"n": 3}, if_match=first.revision)
    assert gateway.put_item("record", "k", {"n": 3}, if_match=second.revision).data == {"n": 3}
    with pytest.raises(NotFound):
        gateway.put_item("record", "absent", {}, if_match="0")


def test_items_come_in_the_order_asked_for(gateway: Gateway) -> None:
    keys = [f"{kind}.{index:03d}" for kind in ("numbers", "release") for index in range(60)]
    gateway.ensure_map("record")
    for key in reversed(keys):
        gateway.put_item("record", key, {"k": key})
    assert [item.key for item in gateway.list_items("record")] == keys
    assert [item.key for item in gateway.list_items("record", newest_first=True, limit=3)] == keys[:-4:-1]
    assert [item.key for item in gateway.list_items("record", prefix="release.")] == keys[60:]
    assert [item.key for item in gateway.list_items("record", prefix="numbers.", limit=2)] == keys[:2]
    gateway.delete_item("record", keys[0])
    gateway.delete_item("record", keys[0])
    assert gateway.get_item("record", keys[0]) is None
    gateway.delete_map("record")
    assert gateway.list_items("record") == []


@pytest.mark.parametrize("name", ["with space", "with/slash", "per%cent", "plus+sign", "ümlaut", "?#&"])
def test_names_are_quoted(gateway: Gateway, name: str) -> None:
    gateway.create_document(name, {"n": name})
    found = gateway.get_document(name)
    assert found is not None
    assert found.unique_name == name


def test_a_key_without_sync_is_denied(start_twilio: Callable[..., Twilio]) -> None:
    from ga_deploy.emulator.core.accounts import Account, ApiKey
    from ga_deploy.emulator.server import Emulator, EmulatorThread
    from ga_deploy.gateway import Credentials, Endpoints, Gateway
    from ga_deploy.redact import Secret

    key = "SK" + "9" * 32
    account = Account("AC" + "8" * 32, "token-8", api_keys={key: ApiKey("secret-9", denied=frozenset({"sync"}))})
    with EmulatorThread(Emulator(accounts=[account])) as url:
        credentials = Credentials(account.sid, key, Secret("secret-9"))
        with Gateway(credentials, endpoints=Endpoints.local(url)) as gateway:
            assert gateway.find_service("None") is None
            with pytest.raises(Denied):
                gateway.get_document("lock")
