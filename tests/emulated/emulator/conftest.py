"""Fixtures of the emulator's own tests: one running, and a client that says what Twilio's users say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests

from ga_deploy.emulator.control.run_token import find_token
from ga_deploy.emulator.core.accounts import Account, ApiKey
from ga_deploy.emulator.server import Emulator, EmulatorThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ACCOUNT = Account(
    "AC" + "a" * 32,
    "token-of-a",
    api_keys={"SK" + "a" * 32: "key-of-a", "SK" + "c" * 32: ApiKey("narrow-key", denied=frozenset({"sync"}))},
    numbers=["+15550100001"],
)
OTHER = Account("AC" + "b" * 32, "token-of-b", numbers=["+15550100002"])


class Api:
    """A client of one account. Paths start with the product, as `/serverless/v1/Services`."""

    def __init__(self, base_url: str, username: str = ACCOUNT.sid, password: str = ACCOUNT.auth_token) -> None:
        self.base_url = base_url
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.auth = (username, password)

    def get(self, path: str, **arguments: Any) -> requests.Response:
        return self._session.get(self.base_url + path, timeout=300, **arguments)

    def post(self, path: str, form: Any = None, **arguments: Any) -> requests.Response:
        return self._session.post(self.base_url + path, data=form or {}, timeout=300, **arguments)

    def delete(self, path: str) -> requests.Response:
        return self._session.delete(self.base_url + path, timeout=300)

    def make(self, path: str, **form: Any) -> dict[str, Any]:
        """Create something, which must succeed."""
        answer = self.post(path, form)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def upload(self, service: str, function: str, path: str, source: str, **more: Any) -> dict[str, Any]:
        """Upload a version; `visibility`, `kind` and `content_type` may be given."""
        answer = self.post(
            f"/serverless-upload/v1/Services/{service}/{more.get('kind', 'Functions')}/{function}/Versions",
            {"Path": path, "Visibility": more.get("visibility", "public")},
            files={"Content": ("file.js", source, more.get("content_type", "application/javascript"))},
        )
        assert answer.status_code == 201, answer.text
        return answer.json()

    def function(self, service: str, path: str, source: str, visibility: str = "public") -> str:
        """Make a function with one version and return the version's SID."""
        function = self.make(f"/serverless/v1/Services/{service}/Functions", FriendlyName=path)
        return self.upload(service, function["sid"], path, source, visibility=visibility)["sid"]

    def build(self, service: str, *versions: str, **form: Any) -> dict[str, Any]:
        """Make a build and wait for its end."""
        build = self.make(f"/serverless/v1/Services/{service}/Builds", FunctionVersions=list(versions), **form)
        path = f"/serverless/v1/Services/{service}/Builds/{build['sid']}"
        for _ in range(600):
            if self.get(f"{path}/Status").json()["status"] != "building":
                return self.get(path).json()
        raise AssertionError("the build never ends")

    def site(self, domain: str, path: str, **arguments: Any) -> requests.Response:
        """Ask a deployed function."""
        headers = {"Host": domain, **arguments.pop("headers", {})}
        method = arguments.pop("method", "GET")
        return requests.request(method, self.base_url + path, headers=headers, timeout=300, **arguments)

    def ask_control(self, path: str, body: Any = None, method: str = "") -> requests.Response:
        """Ask the control plane, whatever it answers."""
        method = method or ("GET" if body is None else "POST")
        token = find_token(urlsplit(self.base_url).port or 0)
        assert token is not None, "the emulator publishes its token for its user"
        headers = {"Authorization": f"Bearer {token.reveal()}"}
        return requests.request(method, f"{self.base_url}/_emulator{path}", json=body, headers=headers, timeout=300)

    def control(self, path: str, body: Any = None, method: str = "") -> Any:
        """Ask the control plane for what it must do."""
        answer = self.ask_control(path, body, method)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(autouse=True)
def _no_proxy_to_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's proxy is for the outside; the clients of these tests are not ours and would use it."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")


@pytest.fixture
def start() -> Iterator[Callable[..., Api]]:
    """Start an emulator with any options and return a client of its first account; all end with the test."""
    threads: list[EmulatorThread] = []

    def run(**options: Any) -> Api:
        thread = EmulatorThread(Emulator(**{"accounts": [ACCOUNT, OTHER], **options}))
        threads.append(thread)
        return Api(thread.start())

    yield run
    for thread in threads:
        thread.stop()


@pytest.fixture
def api(start: Callable[..., Api]) -> Api:
    """A client of an emulator that runs no npm."""
    return start()


class Shop:
    """A service with an environment."""

    def __init__(self, api: Api, name: str = "shop", suffix: str = "dev") -> None:
        service = api.make("/serverless/v1/Services", UniqueName=name, FriendlyName=name)
        self.service = service["sid"]
        self.url = f"/serverless/v1/Services/{self.service}"
        environment = api.make(f"{self.url}/Environments", UniqueName=f"{suffix}-environment", DomainSuffix=suffix)
        self.environment = environment["sid"]
        self.domain = environment["domain_name"]
        self.inside = f"{self.url}/Environments/{self.environment}"


@pytest.fixture
def shop(api: Api) -> Shop:
    """A service with an environment, on the emulator of `api`."""
    return Shop(api)
