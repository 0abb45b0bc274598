"""What Twilio refuses, the emulator refuses, with the same status and code."""

import json
from collections.abc import Callable

import pytest
import requests

from tests.emulated.emulator.conftest import ACCOUNT, OTHER, Api, Shop

NOBODY = "0" * 32
ANSWER = "exports.handler = (context, event, callback) => callback(null, 'hello');"


def refused(answer: requests.Response) -> tuple[int, int, str]:
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["more_info"] == f"https://www.twilio.com/docs/errors/{body['code']}"
    assert answer.headers["Twilio-Request-Id"].startswith("RQ")
    return answer.status_code, body["code"], body["message"]


@pytest.mark.parametrize(
    ("path", "form", "code", "message"),
    [
        ("", {"FriendlyName": "x"}, 20001, "UniqueName"),
        ("", {"UniqueName": "a_b", "FriendlyName": "x"}, 20001, "letters, numbers, and dashes"),
        ("", {"UniqueName": "a" * 51, "FriendlyName": "x"}, 20001, "too long"),
        ("", {"UniqueName": "ok", "FriendlyName": "x", "UiEditable": "maybe"}, 20001, "boolean"),
        ("/shop/Environments", {}, 20001, "UniqueName"),
        ("/shop/Environments", {"UniqueName": "p", "DomainSuffix": "seventeen-letters"}, 20001, "too long"),
        ("/shop/Environments", {"UniqueName": "p", "DomainSuffix": "a.b"}, 20001, "URL-friendly"),
        ("/shop/Functions", {}, 20001, "FriendlyName"),
        ("/shop/Builds", {}, 20001, "At least one Function Version or Asset Version is required for Build"),
        ("/shop/Builds", {"Runtime": "node10"}, 20001, "unsupported runtime: node10"),
        ("/shop/Builds", {"FunctionVersions": f"ZN{NOBODY}"}, 20001, "was not found"),
        ("ENV/Variables", {"Key": "A"}, 20001, "Value"),
        ("ENV/Variables", {"Key": "A", "Value": ""}, 20001, "Value"),
        ("ENV/Variables", {"Key": "A" * 129, "Value": "x"}, 20001, "128"),
        ("ENV/Variables", {"Key": "A", "Value": "ü" * 226}, 20001, "450 bytes"),
        ("ENV/Variables", {"Key": "DOMAIN_NAME", "Value": "x"}, 20001, "reserved"),
        ("ENV/Deployments", {"BuildSid": f"ZB{NOBODY}"}, 20001, "not found"),
    ],
)
def test_bad_creations(api: Api, shop: Shop, path: str, form: dict[str, str], code: int, message: str) -> None:
    answer = api.post("/serverless/v1/Services" + path.replace("ENV", f"/shop/Environments/{shop.environment}"), form)

    assert refused(answer)[:2] == (400, code)
    assert message in answer.json()["message"]


def test_names_are_taken_once(api: Api, shop: Shop) -> None:
    taken = [
        api.post("/serverless/v1/Services", {"UniqueName": "shop", "FriendlyName": "x"}),
        api.post(f"{shop.url}/Environments", {"UniqueName": "dev-environment", "DomainSuffix": "other"}),
        api.post(f"{shop.url}/Environments", {"UniqueName": "other", "DomainSuffix": "DEV"}),
    ]
    api.make(f"{shop.inside}/Variables", Key="A", Value="1")
    taken.append(api.post(f"{shop.inside}/Variables", {"Key": "A", "Value": "2"}))

    assert [refused(answer)[:2] for answer in taken] == [(409, 20409)] * 4


def test_one_environment_has_the_bare_domain(api: Api, shop: Shop) -> None:
    bare = api.make(f"{shop.url}/Environments", UniqueName="production")

    assert bare["domain_suffix"] is None
    assert shop.domain == bare["domain_name"].replace(".twil.io", "-dev.twil.io")
    assert api.post(f"{shop.url}/Environments", {"UniqueName": "ui", "DomainSuffix": ""}).status_code == 409


def test_quotas(start: Callable[..., Api]) -> None:
    api = start()
    for number in range(50):
        api.make("/serverless/v1/Services", UniqueName=f"s{number}", FriendlyName="s")
    one_more = api.post("/serverless/v1/Services", {"UniqueName": "s50", "FriendlyName": "s"})
    assert refused(one_more) == (400, 20001, "Services are limited to less than or equal to 50")
    for number in range(25):
        api.make("/serverless/v1/Services/s0/Environments", UniqueName=f"e{number}", DomainSuffix=f"e{number}")
    one_more = api.post("/serverless/v1/Services/s0/Environments", {"UniqueName": "e25", "DomainSuffix": "e25"})
    assert refused(one_more)[:2] == (400, 20001)


@pytest.mark.parametrize(
    "path",
    [
        "/serverless/v1/Services/nobody",
        "/serverless/v1/Services/shop/Environments/dev-environment",
        f"/serverless/v1/Services/shop/Environments/ZE{NOBODY}",
        f"/serverless/v1/Services/shop/Environments/ZS{NOBODY}",
        "/serverless/v1/Services/shop/Builds/ZB123",
        "/serverless/v1/Services/shop/Cellars",
        f"/api/2010-04-01/Accounts/{OTHER.sid}/IncomingPhoneNumbers.json",
        f"/api/2010-04-01/Accounts/{ACCOUNT.sid}/IncomingPhoneNumbers/PN{NOBODY}.json",
        "/studio/v2/Flows/FW123",
        "/sync/v1/Services/elsewhere/Documents",
    ],
)
def test_what_is_not_there(api: Api, shop: Shop, path: str) -> None:
    status, code, message = refused(api.get(path))

    assert (status, code) == (404, 20404)
    shown = path.split("/", 3)[3]
    assert message == f"The requested resource /{shown} was not found"


def test_verbs(api: Api, shop: Shop) -> None:
    for answer in (
        api.post(shop.inside, {"UniqueName": "renamed"}),
        api.delete(f"{shop.inside}/Deployments"),
        requests.put(api.base_url + shop.url, auth=(ACCOUNT.sid, ACCOUNT.auth_token), timeout=300),
    ):
        assert refused(answer)[:2] == (405, 20004)


def test_accounts_do_not_see_each_other(api: Api, shop: Shop) -> None:
    other = Api(api.base_url, OTHER.sid, OTHER.auth_token)

    assert other.get(shop.url).status_code == 404
    assert other.get("/serverless/v1/Services").json()["services"] == []
    assert other.make("/serverless/v1/Services", UniqueName="shop", FriendlyName="mine too")["sid"] != shop.service
    numbers = other.get(f"/api/2010-04-01/Accounts/{OTHER.sid}/IncomingPhoneNumbers.json").json()
    assert [number["phone_number"] for number in numbers["incoming_phone_numbers"]] == ["+15550100002"]


def test_keys(api: Api) -> None:
    key = Api(api.base_url, "SK" + "a" * 32, "key-of-a")
    assert key.get("/serverless/v1/Services").status_code == 200
    assert key.get("/sync/v1/Services/default").status_code == 200
    assert refused(key.get(f"/api/2010-04-01/Accounts/{ACCOUNT.sid}.json"))[:2] == (401, 20003)
    narrow = Api(api.base_url, "SK" + "c" * 32, "narrow-key")
    assert narrow.get("/serverless/v1/Services").status_code == 200
    assert refused(narrow.get("/sync/v1/Services/default"))[:2] == (403, 20403)
    for header in ("", "Basic", "Basic %%%", "Bearer abc", "Basic " + "QQ=="):
        answer = requests.get(f"{api.base_url}/serverless/v1/Services", headers={"Authorization": header}, timeout=300)
        assert refused(answer)[:2] == (401, 20003)


def test_unknown_fields_are_ignored_and_plus_is_a_space(api: Api) -> None:
    made = api.make("/serverless/v1/Services", UniqueName="s", FriendlyName="a+b c", Nickname="x")
    assert made["friendly_name"] == "a+b c"
    numbers = f"/api/2010-04-01/Accounts/{ACCOUNT.sid}/IncomingPhoneNumbers.json?PhoneNumber="

    def found(query: str) -> list[str]:
        listed = api.get(numbers + query).json()["incoming_phone_numbers"]
        return [number["phone_number"] for number in listed]

    assert found("%2B15550100001") == ["+15550100001"]
    assert found("+15550100001") == []  # a client that forgets to encode the + finds nothing
    assert found("0100001") == ["+15550100001"]
    assert found("%2B1555*10000*") == ["+15550100001"]
    assert found("[0-9]") == []


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("VoiceUrl", "ftp://example.com", 21402),
        ("VoiceUrl", "/engage", 21402),
        ("VoiceMethod", "PUT", 21403),
        ("VoiceApplicationSid", "AP1", 21451),
        ("TrunkSid", "AP" + NOBODY, 20001),
        ("VoiceReceiveMode", "telex", 20001),
        ("AccountSid", OTHER.sid, 21452),
    ],
)
def test_bad_number_settings_change_nothing(api: Api, field: str, value: str, code: int) -> None:
    numbers = f"/api/2010-04-01/Accounts/{ACCOUNT.sid}/IncomingPhoneNumbers"
    before = api.get(f"{numbers}.json").json()["incoming_phone_numbers"][0]

    answer = api.post(f"{numbers}/{before['sid']}.json", {"FriendlyName": "changed", field: value})

    assert refused(answer)[:2] == (400, code)
    assert api.get(f"{numbers}/{before['sid']}.json").json() == before


def test_numbers_are_neither_bought_nor_released(api: Api) -> None:
    numbers = f"/api/2010-04-01/Accounts/{ACCOUNT.sid}/IncomingPhoneNumbers"
    sid = api.get(f"{numbers}.json").json()["incoming_phone_numbers"][0]["sid"]

    assert refused(api.post(f"{numbers}.json", {"PhoneNumber": "+15550199999"}))[:2] == (403, 20403)
    assert refused(api.delete(f"{numbers}/{sid}.json"))[:2] == (403, 20403)
    assert len(api.get(f"{numbers}.json").json()["incoming_phone_numbers"]) == 1


def test_a_trunk_drops_the_application_and_empty_clears(api: Api) -> None:
    numbers = f"/api/2010-04-01/Accounts/{ACCOUNT.sid}/IncomingPhoneNumbers"
    path = f"{numbers}/{api.get(f'{numbers}.json').json()['incoming_phone_numbers'][0]['sid']}.json"
    trunk, application = "TK" + "1" * 32, "AP" + "2" * 32

    def change(**form: str) -> tuple[str | None, str | None]:
        answer = api.post(path, form).json()
        return answer["trunk_sid"], answer["voice_application_sid"]

    assert change(VoiceApplicationSid=application) == (None, application)
    assert change(TrunkSid=trunk) == (trunk, "")
    assert change(VoiceApplicationSid=application) == (None, application)
    assert change(VoiceApplicationSid="", TrunkSid="") == (None, "")
    assert change(FriendlyName="only that") == (None, "")


@pytest.mark.parametrize(
    ("path", "form", "message"),
    [
        ("Functions", {"Visibility": "secret"}, "Visibility"),
        ("Functions", {"Path": "/a b"}, "invalid characters"),
        ("Functions", {"Path": "/" + "a" * 255}, "too long"),
        ("Functions", {"Path": ""}, "Path"),
    ],
)
def test_bad_uploads(api: Api, shop: Shop, path: str, form: dict[str, str], message: str) -> None:
    function = api.make(f"{shop.url}/{path}", FriendlyName="f")
    url = f"/serverless-upload/v1/Services/{shop.service}/{path}/{function['sid']}/Versions"
    fields = {"Path": "/f", "Visibility": "public", **form}

    assert message in refused(api.post(url, fields, files={"Content": ("f.js", ANSWER)}))[2]
    assert refused(api.post(url, fields))[0] == 400  # no file
    large = {"Content": ("f.js", "x" * (1024 * 1024 + 1))}
    assert "too large" in refused(api.post(url, {"Path": "/f", "Visibility": "public"}, files=large))[2]
    cut = requests.post(
        api.base_url + url,
        data=b"--b\r\nContent-Disposition: form-data; name=Path\r\n\r\n/f",
        headers={"Content-Type": "multipart/form-data; boundary=b"},
        auth=(ACCOUNT.sid, ACCOUNT.auth_token),
        timeout=10,
    )
    assert "incomplete" in refused(cut)[2]
    assert api.get(f"{shop.url}/{path}/{function['sid']}/Versions").json()["function_versions"] == []


def test_uploads_keep_every_byte(api: Api, shop: Shop) -> None:
    function = api.make(f"{shop.url}/Functions", FriendlyName="f")["sid"]
    source = 'const text = "--b\\r\\n";\r\n// ünïcödé \u2028 end\n\n'

    version = api.upload(shop.service, function, "f", source)

    assert version["path"] == "/f"  # the slash is added
    content = api.get(f"{shop.url}/Functions/{function}/Versions/{version['sid']}/Content").json()["content"]
    assert content == source


def test_delete_guards(api: Api, shop: Shop) -> None:
    function = api.make(f"{shop.url}/Functions", FriendlyName="/f")["sid"]
    version = api.upload(shop.service, function, "/f", ANSWER)["sid"]
    build = api.build(shop.service, version)["sid"]
    api.make(f"{shop.inside}/Deployments", BuildSid=build)

    said = refused(api.delete(f"{shop.url}/Builds/{build}"))
    assert said == (400, 20001, "Cannot delete Build because it's part of an active Deployment.")
    assert refused(api.delete(f"{shop.url}/Functions/{function}"))[:2] == (400, 20001)
    api.make(f"{shop.inside}/Deployments")
    assert api.delete(f"{shop.url}/Builds/{build}").status_code == 204
    assert api.delete(f"{shop.url}/Functions/{function}").status_code == 204
    assert api.delete(shop.url).status_code == 204
    assert api.get(shop.inside).status_code == 404


def test_deployments(api: Api, shop: Shop) -> None:
    version = api.function(shop.service, "/f", ANSWER)
    waiting = api.make(f"{shop.url}/Builds", FunctionVersions=version)["sid"]
    early = api.post(f"{shop.inside}/Deployments", {"BuildSid": waiting})
    assert "not completed" in refused(early)[2]
    build = api.build(shop.service, version)["sid"]
    first = api.make(f"{shop.inside}/Deployments", BuildSid=build)["sid"]

    again = api.post(f"{shop.inside}/Deployments", {"BuildSid": build})
    assert refused(again) == (409, 20409, "Environment already has requested deployment")
    empty = api.make(f"{shop.inside}/Deployments")

    assert empty["build_sid"] is None
    assert api.get(shop.inside).json()["build_sid"] is None
    listed = api.get(f"{shop.inside}/Deployments").json()["deployments"]
    assert [deployment["sid"] for deployment in listed] == [empty["sid"], first]


def test_too_many_variables_fail_the_deployment(api: Api, shop: Shop) -> None:
    build = api.build(shop.service, api.function(shop.service, "/f", ANSWER))["sid"]
    for number in range(7):
        api.make(f"{shop.inside}/Variables", Key=f"LONG_{number}", Value="x" * 450)

    assert "Environment variables take" in refused(api.post(f"{shop.inside}/Deployments", {"BuildSid": build}))[2]


def test_two_functions_at_one_path_are_no_build(api: Api, shop: Shop) -> None:
    versions = [api.function(shop.service, "/f", ANSWER) for _ in range(2)]

    answer = api.post(f"{shop.url}/Builds", {"FunctionVersions": versions})

    assert "more than one" in refused(answer)[2]


@pytest.mark.parametrize("quoted", [False, "raw", "escaped"])
def test_dependencies_come_plain_or_quoted(api: Api, shop: Shop, quoted: object) -> None:
    version = api.function(shop.service, "/f", ANSWER)
    listed = json.dumps([{"name": "axios", "version": "1.20.0"}, {"name": "twilio", "version": "5.13.1"}])
    text = {"raw": f'"{listed}"', "escaped": json.dumps(listed)}.get(str(quoted), listed)

    build = api.build(shop.service, version, Dependencies=text)

    found = {entry["name"]: entry["version"] for entry in build["dependencies"]}
    assert found == {"axios": "1.20.0", "twilio": "5.13.1", "@twilio/runtime-handler": "2.0.1"}


@pytest.mark.parametrize(
    ("dependencies", "message"),
    [
        ("{}", "not valid JSON"),
        ("[1]", "name and a version"),
        ("[", "not valid JSON"),
        ('"', "not valid JSON"),
        ('[{"name": "@twilio/runtime-handler", "version": "2.1.0"}]', "@twilio/runtime-handler@2.1.0"),
        ('[{"name": "mine", "version": "file:../mine"}]', "No matching version found for mine@file:../mine"),
        ('[{"name": "mine", "version": "git://example.com/mine"}]', "mine@git"),
    ],
)
def test_bad_dependencies(api: Api, shop: Shop, dependencies: str, message: str) -> None:
    version = api.function(shop.service, "/f", ANSWER)

    answer = api.post(f"{shop.url}/Builds", {"FunctionVersions": version, "Dependencies": dependencies})

    assert refused(answer)[:2] == (400, 20001)
    assert message in answer.json()["message"]


def test_versions_of_a_build_come_in_no_order_and_in_capitals(api: Api, shop: Shop) -> None:
    versions = [api.function(shop.service, f"/f{number}", ANSWER, "protected") for number in range(12)]
    build = api.build(shop.service, *versions)
    path = f"{shop.url}/Builds/{build['sid']}"

    orders = {tuple(entry["sid"] for entry in api.get(path).json()["function_versions"]) for _ in range(5)}

    assert len(orders) > 1
    assert {frozenset(order) for order in orders} == {frozenset(versions)}
    assert {entry["visibility"] for entry in build["function_versions"]} == {"PROTECTED"}


@pytest.mark.parametrize("size", ["0", "1001", "-1", "many"])
def test_page_sizes(api: Api, size: str) -> None:
    assert refused(api.get(f"/serverless/v1/Services?PageSize={size}"))[:2] == (400, 20001)
    if size == "1001":
        # The 2010 API takes the most it gives instead.
        numbers = f"/api/2010-04-01/Accounts/{ACCOUNT.sid}/IncomingPhoneNumbers.json?PageSize={size}"
        assert api.get(numbers).json()["page_size"] == 1000
        assert api.get("/sync/v1/Services/default/Documents?PageSize=101").status_code == 400


def test_pages_do_not_repeat_or_lose_what_stays(api: Api, shop: Shop) -> None:
    for number in range(6):
        api.make(f"{shop.url}/Functions", FriendlyName=f"f{number}")
    first = api.get(f"{shop.url}/Functions?PageSize=2").json()
    api.make(f"{shop.url}/Functions", FriendlyName="newer")
    gone = first["functions"][1]["sid"]
    assert api.delete(f"{shop.url}/Functions/{gone}").status_code == 204
    assert first["meta"]["next_page_url"].startswith(api.base_url)

    second = api.get(first["meta"]["next_page_url"].removeprefix(api.base_url)).json()

    assert [function["friendly_name"] for function in second["functions"]] == ["f3", "f2"]
    assert second["meta"]["previous_page_url"] is not None
    assert api.get(f"{shop.url}/Functions?PageToken=PA").status_code == 400


def test_the_2010_api_pages_by_relative_links(start: Callable[..., Api]) -> None:
    api = start()
    numbers = [f"+1555020{number:04}" for number in range(120)]
    api.control("/numbers", {"account_sid": ACCOUNT.sid, "numbers": numbers})
    path, found = f"/2010-04-01/Accounts/{ACCOUNT.sid}/IncomingPhoneNumbers.json", []

    while path:
        listed = api.get(path).json()
        found += [number["phone_number"] for number in listed["incoming_phone_numbers"]]
        assert (listed["start"], listed["end"]) == (listed["page"] * 50, len(found) - 1)
        path = listed["next_page_uri"]

    assert found == [*numbers[::-1], "+15550100001"]
