"""Random histories, played against the rules without a socket, beside a model that is a few dictionaries.

What must hold whatever happens: an environment runs exactly what was deployed last and can still read all of it;
nothing that anybody runs or has built is ever lost, refused deletions and a clock that jumps included; every list,
walked page by page, is what the model says, in its order; and a lock made of a Sync document has one holder.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import settings, strategies
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from ga_deploy.emulator.assembly import PRODUCTS, assemble
from ga_deploy.emulator.core.accounts import Account
from ga_deploy.emulator.core.api import ApiRequest, ApiResponse, Upload
from ga_deploy.emulator.core.problems import ApiError
from ga_deploy.emulator.core.rules import Rules

ACCOUNT = Account("AC" + "a" * 32, "token")
PATHS = strategies.sampled_from(["/a", "/b", "/c/d"])
KEYS = strategies.sampled_from(["A", "B", "C"])


class Histories(RuleBasedStateMachine):
    """Services as they are used: functions, versions, builds, deployments, variables, deletions, weeks going by."""

    versions = Bundle("versions")
    builds = Bundle("builds")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.backend = assemble(None, [ACCOUNT], Rules(build_polls=0), None)
        self.functions: dict[str, str] = {}  # path -> ZH
        self.sources: dict[str, tuple[str, str]] = {}  # ZN -> path, source
        self.contents: dict[str, frozenset[str]] = {}  # ZB -> ZN…
        self.live: dict[str, str | None] = {}  # ZE -> ZB
        self.history: dict[str, list[str]] = {}  # ZE -> ZD…, newest first
        self.variables: dict[str, dict[str, str]] = {}  # ZE -> key -> value

    def teardown(self) -> None:
        self.loop.run_until_complete(self.backend.stop())
        self.loop.close()

    def ask(
        self, method: str, path: str, form: Any = None, files: Any = None, product: str = "serverless"
    ) -> ApiResponse:
        """Answer as the emulator would, refusals included."""
        path, _, query = path.partition("?")
        fields = {name: value if isinstance(value, list) else [value] for name, value in (form or {}).items()}
        asked = {name: [value] for name, _, value in (pair.partition("=") for pair in query.split("&") if pair)}

        async def answer() -> ApiResponse:
            handler, at = PRODUCTS[product].find(method, path)
            base = "https://serverless.twilio.com"
            call = ApiRequest(product, method, path, base, ACCOUNT, asked, fields, files or {}, at=at)
            found = handler(self.backend, call)
            found = found if isinstance(found, ApiResponse) else await found
            # Lets a build that was begun come to its end.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return found

        try:
            return self.loop.run_until_complete(answer())
        except ApiError as refusal:
            return ApiResponse(refusal.status, refusal.body())

    def listed(self, path: str, key: str, size: int = 2) -> list[dict[str, Any]]:
        """Walk a list page by page."""
        rows, following = [], f"{path}?PageSize={size}"
        while following:
            body = self.ask("GET", following).body or {}
            rows += body[key]
            url = body["meta"]["next_page_url"]
            following = url.removeprefix("https://serverless.twilio.com") if url else ""
        return rows

    @initialize(target=builds)
    def begin(self) -> Any:
        body = self.ask("POST", "/v1/Services", {"UniqueName": "s", "FriendlyName": "s"}).body or {}
        self.url = f"/v1/Services/{body['sid']}"
        for name in ("one", "two"):
            made = self.ask("POST", f"{self.url}/Environments", {"UniqueName": name, "DomainSuffix": name}).body or {}
            self.live[made["sid"]], self.history[made["sid"]], self.variables[made["sid"]] = None, [], {}
        build = self.build([self.upload("/a", "first")])
        self.deploy(build, False)
        return build

    def environment(self, second: bool) -> tuple[str, str]:
        sid = sorted(self.live)[second]
        return sid, f"{self.url}/Environments/{sid}"

    @rule(target=versions, path=PATHS, source=strategies.text(max_size=5))
    def upload(self, path: str, source: str) -> str:
        if path not in self.functions:
            made = self.ask("POST", f"{self.url}/Functions", {"FriendlyName": path}).body or {}
            self.functions[path] = made["sid"]
        source = source.encode(errors="replace").decode()
        answer = self.ask(
            "POST",
            f"{self.url}/Functions/{self.functions[path]}/Versions",
            {"Path": path, "Visibility": "public"},
            {"Content": Upload(source.encode(), None, "f.js")},
            product="serverless-upload",
        )
        assert answer.status == 201
        sid = str((answer.body or {})["sid"])
        self.sources[sid] = path, source
        return sid

    @rule(target=builds, chosen=strategies.lists(versions, max_size=3))
    def build(self, chosen: list[str]) -> Any:
        wanted = set(chosen)
        known = wanted & set(self.sources)
        paths = [self.sources[sid][0] for sid in known]
        answer = self.ask("POST", f"{self.url}/Builds", {"FunctionVersions": chosen})
        if not wanted or wanted != known or len(paths) != len(set(paths)):
            assert answer.status == 400
            return multiple()
        assert answer.status == 201
        sid = str((answer.body or {})["sid"])
        self.contents[sid] = frozenset(wanted)
        return sid

    @rule(build=builds, second=strategies.booleans())
    def deploy(self, build: str, second: bool) -> None:
        sid, url = self.environment(second)
        answer = self.ask("POST", f"{url}/Deployments", {"BuildSid": build})
        if build not in self.contents:
            assert answer.status == 400
        elif self.live[sid] == build:
            assert answer.status == 409
        else:
            assert answer.status == 201
            self.live[sid] = build
            self.history[sid].insert(0, str((answer.body or {})["sid"]))

    @rule(second=strategies.booleans())
    def take_offline(self, second: bool) -> None:
        sid, url = self.environment(second)
        answer = self.ask("POST", f"{url}/Deployments")
        assert answer.status == 201
        self.live[sid] = None
        self.history[sid].insert(0, str((answer.body or {})["sid"]))

    @rule(build=consumes(builds))
    def delete_build(self, build: str) -> None:
        answer = self.ask("DELETE", f"{self.url}/Builds/{build}")
        if build not in self.contents:
            assert answer.status == 404
        elif build in self.live.values():
            assert answer.status == 400
        else:
            assert answer.status == 204
            del self.contents[build]

    @rule(path=PATHS)
    def delete_function(self, path: str) -> None:
        if path not in self.functions:
            return
        answer = self.ask("DELETE", f"{self.url}/Functions/{self.functions[path]}")
        of_it = {sid for sid, (where, _) in self.sources.items() if where == path}
        if any(of_it & content for content in self.contents.values()):
            assert answer.status == 400
        else:
            assert answer.status == 204
            del self.functions[path]
            self.sources = {sid: kept for sid, kept in self.sources.items() if sid not in of_it}

    @rule(second=strategies.booleans(), key=KEYS, value=strategies.text(min_size=1, max_size=4))
    def set_variable(self, second: bool, key: str, value: str) -> None:
        sid, url = self.environment(second)
        answer = self.ask("POST", f"{url}/Variables", {"Key": key, "Value": value})
        assert answer.status == (409 if key in self.variables[sid] else 201)
        self.variables[sid].setdefault(key, value)

    @rule(second=strategies.booleans(), key=KEYS)
    def delete_variable(self, second: bool, key: str) -> None:
        sid, url = self.environment(second)
        for variable in self.listed(f"{url}/Variables", "variables"):
            if variable["key"] == key:
                assert self.ask("DELETE", f"{url}/Variables/{variable['sid']}").status == 204
        self.variables[sid].pop(key, None)

    @rule()
    def a_week_goes_by(self) -> None:
        self.backend.advance(8 * 86_400)
        live = {build for build in self.live.values() if build}
        self.contents = {sid: content for sid, content in self.contents.items() if sid in live}
        kept = set().union(*self.contents.values()) if self.contents else set()
        self.sources = {sid: source for sid, source in self.sources.items() if sid in kept}
        paths = {path for path, _ in self.sources.values()}
        self.functions = {path: sid for path, sid in self.functions.items() if path in paths}

    @invariant()
    def the_world_is_as_the_model_says(self) -> None:
        if not self.live:
            return
        for sid in self.live:
            url = f"{self.url}/Environments/{sid}"
            assert (self.ask("GET", url).body or {})["build_sid"] == self.live[sid]
            found = {row["key"]: row["value"] for row in self.listed(f"{url}/Variables", "variables")}
            assert found == self.variables[sid]
            assert [row["sid"] for row in self.listed(f"{url}/Deployments", "deployments")] == self.history[sid]
        builds = self.listed(f"{self.url}/Builds", "builds")
        found_builds = {row["sid"]: frozenset(one["sid"] for one in row["function_versions"]) for row in builds}
        assert found_builds == self.contents
        assert all(row["status"] == "completed" for row in builds)

    @invariant()
    def everything_that_is_left_can_be_read(self) -> None:
        for sid, (path, source) in self.sources.items():
            url = f"{self.url}/Functions/{self.functions[path]}/Versions/{sid}"
            assert (self.ask("GET", f"{url}/Content").body or {})["content"] == source
        if self.live:
            names = {row["friendly_name"] for row in self.listed(f"{self.url}/Functions", "functions")}
            assert names == set(self.functions)


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)


class Locks(RuleBasedStateMachine):
    """Holders who take, renew and give back one lock on Sync, as the protocol allows and with clocks that jump.

    Whoever believes to hold it, by the answers it has had and the time that has passed, is alone in that belief. That
    needs the document's SID: under its name alone, a revision of a document that is gone fits the next one's again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.backend = assemble(None, [ACCOUNT], Rules(), None)
        self.beliefs: dict[str, tuple[str, str, float]] = {}  # holder -> SID, revision, until when

    def teardown(self) -> None:
        asyncio.run(self.backend.stop())

    def ask(self, method: str, path: str, form: Any = None, if_match: str | None = None) -> ApiResponse:
        handler, at = PRODUCTS["sync"].find(method, path)
        fields = {name: [value] for name, value in (form or {}).items()}
        call = ApiRequest(
            "sync", method, path, "https://sync.twilio.com", ACCOUNT, {}, fields, at=at, if_match=if_match
        )
        try:
            found = handler(self.backend, call)
        except ApiError as refusal:
            return ApiResponse(refusal.status, refusal.body())
        assert isinstance(found, ApiResponse)
        return found

    def believe(self, holder: str, answer: ApiResponse) -> None:
        document = answer.body or {}
        assert answer.headers["ETag"] == document["revision"]
        self.beliefs[holder] = document["sid"], document["revision"], self.backend.store.now() + 60

    @rule(holder=strategies.sampled_from("abc"))
    def take(self, holder: str) -> None:
        form = {"Data": json.dumps({"holder": holder}), "Ttl": "60"}
        answer = self.ask("POST", "/v1/Services/default/Documents", {"UniqueName": "lock", **form})
        if answer.status == 409:
            assert (answer.body or {})["code"] == 54301
            seen = self.ask("GET", "/v1/Services/default/Documents/lock").body or {}
            if self.backend.store.now() < self.backend.store.rows("documents")[0]["expires"]:
                return
            # Expired but lingering: taken over from the revision that was seen.
            answer = self.ask("POST", f"/v1/Services/default/Documents/{seen['sid']}", form, if_match=seen["revision"])
            assert answer.status == 200
        self.believe(holder, answer)

    @rule(holder=strategies.sampled_from("abc"))
    def renew(self, holder: str) -> None:
        if holder not in self.beliefs:
            return
        sid, revision, until = self.beliefs[holder]
        path = f"/v1/Services/default/Documents/{sid}"
        answer = self.ask("POST", path, {"Data": "{}", "Ttl": "60"}, if_match=revision)
        if answer.status == 200:
            self.believe(holder, answer)
        else:
            assert answer.status in {404, 412}
            # Only a lease that has run out can have been lost.
            assert self.backend.store.now() >= until
            del self.beliefs[holder]

    @rule(holder=strategies.sampled_from("abc"))
    def give_back(self, holder: str) -> None:
        if holder in self.beliefs and self.backend.store.now() < self.beliefs[holder][2]:
            sid, _, _ = self.beliefs.pop(holder)
            assert self.ask("DELETE", f"/v1/Services/default/Documents/{sid}").status == 204

    @rule(seconds=strategies.sampled_from([1, 30, 59, 61, 63, 300]))
    def time_passes(self, seconds: int) -> None:
        self.backend.advance(seconds)

    @invariant()
    def one_holder_at_most(self) -> None:
        now = self.backend.store.now()
        assert sum(now < until for _, _, until in self.beliefs.values()) <= 1


TestLocks = Locks.TestCase
TestLocks.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
