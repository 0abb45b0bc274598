"""For random histories of ours and of others: `up` makes the wish live, a second plan is empty, what is foreign stays.

The platform is a small one in memory, written against the same list of calls as the gateway.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ga_deploy.engine.record.releases import list_releases
from ga_deploy.engine.session import Session, open_session
from ga_deploy.engine.timing import BuildTiming
from ga_deploy.engine.up import deploy, look
from ga_deploy.errors import ApiProblem, Conflict, DeployError, NotFound
from ga_deploy.gateway import SiteAnswer
from ga_deploy.model.bundle import MARKER, FunctionFile, Visibility
from ga_deploy.model.desired import Desired
from ga_deploy.model.serverless import (
    AssetVersion,
    Build,
    Deployment,
    Environment,
    FunctionResource,
    FunctionVersion,
    Service,
    Variable,
)
from ga_deploy.model.sids import (
    BuildSid,
    DeploymentSid,
    EnvironmentSid,
    FunctionSid,
    ServiceSid,
    VariableSid,
    VersionSid,
)
from ga_deploy.model.sync import SyncDocument, SyncItem

if TYPE_CHECKING:
    from collections.abc import Callable

OURS = ("/engage", "/call-complete", "/lib/settings", "/talk")
THEIRS = ("/hello", "/engage", "/lib/theirs")
PACKAGES = ("axios", "lodash", "dayjs")
NAMES = ("ASAPP_API_ID", "LOG_LEVEL", "THEIR_KEY")


@dataclass
class World:
    """Twilio in memory: enough of Serverless and Sync for the engine, with its semantics."""

    service: Service | None = None
    environments: dict[str, Environment] = field(default_factory=dict)
    resources: list[FunctionResource] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)
    versions: dict[str, FunctionVersion] = field(default_factory=dict)
    assets: dict[str, AssetVersion] = field(default_factory=dict)
    builds: dict[str, Build] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    deployments: list[Deployment] = field(default_factory=list)
    documents: dict[str, SyncDocument] = field(default_factory=dict)
    maps: dict[str, dict[str, SyncItem]] = field(default_factory=dict)
    writes: int = 0
    before_deployment: Callable[[], object] | None = None
    after_deployment: Callable[[], object] | None = None
    build_status: Callable[[str, str], str] = lambda service, build: "completed"
    lists_oldest_first: bool = False
    refuses_twilio: bool = False
    answers_nothing: bool = False
    lagging_lists: int = 0  # so many lists of functions show nothing
    _count: int = 0
    _guard: threading.RLock = field(default_factory=threading.RLock)

    def sid(self, prefix: str) -> str:
        with self._guard:
            self._count += 1
            self.writes += 1
            return f"{prefix}{self._count:032d}"

    # Serverless

    def find_service(self, unique_name):
        return self.service

    def create_service(self, unique_name, *, friendly_name, include_credentials, ui_editable):
        sid = ServiceSid(self.sid("ZS"))
        self.service = Service(sid, "AC" + "0" * 32, unique_name, friendly_name, include_credentials, ui_editable)
        return self.service

    def update_service(self, service, *, include_credentials=None, ui_editable=None):
        raise AssertionError("no wish here asks for it")

    def list_environments(self, service):
        return list(self.environments.values())

    def create_environment(self, service, unique_name, domain_suffix):
        made = Environment(EnvironmentSid(self.sid("ZE")), unique_name, domain_suffix, "ga-1234.twil.io", None)
        self.environments[made.sid] = made
        return made

    def get_environment(self, service, environment):
        return self.environments[environment]

    def list_functions(self, service):
        if self.lagging_lists:
            self.lagging_lists -= 1
            return []
        return list(self.resources)

    def create_function(self, service, friendly_name):
        made = FunctionResource(FunctionSid(self.sid("ZH")), friendly_name)
        self.resources.append(made)
        return made

    def upload_version(self, service, function, file):
        assert function in {resource.sid for resource in self.resources}
        made = FunctionVersion(VersionSid(self.sid("ZN")), function, file.path, file.visibility)
        self.versions[made.sid] = made
        self.sources[made.sid] = file.content
        return made

    def read_source(self, service, version):
        return self.sources[version.sid]

    def get_build(self, service, build):
        return self.builds[build]

    def create_build(self, service, *, function_versions, asset_versions, dependencies, runtime):
        chosen = [self.versions[sid] for sid in function_versions]
        assert len({version.path for version in chosen}) == len(chosen), "two versions of one path"
        if self.refuses_twilio and "twilio" in dependencies:
            raise ApiProblem(
                "the build was refused",
                status=400,
                code=20001,
                why="Some dependencies could not be validated. No matching version found for twilio@5.0.3",
            )
        made = Build(
            BuildSid(self.sid("ZB")),
            "completed",
            runtime,
            {"twilio": "5.0.3", "@twilio/runtime-handler": "2.0.1", **dependencies},
            tuple(chosen),
            tuple(self.assets[sid] for sid in asset_versions),
        )
        self.builds[made.sid] = made
        return replace(made, status="building")

    def list_variables(self, service, environment):
        return list(self.variables.values())

    def create_variable(self, service, environment, key, value):
        assert key not in self.variables
        self.variables[key] = Variable(VariableSid(self.sid("ZV")), key, value)
        return self.variables[key]

    def update_variable(self, service, environment, variable, value):
        self.writes += 1
        key = next(v.key for v in self.variables.values() if v.sid == variable)
        self.variables[key] = Variable(variable, key, value)
        return self.variables[key]

    def delete_variable(self, service, environment, variable):
        self.writes += 1
        del self.variables[next(v.key for v in self.variables.values() if v.sid == variable)]

    def list_deployments(self, service, environment, limit):
        return (self.deployments if self.lists_oldest_first else list(reversed(self.deployments)))[:limit]

    def create_deployment(self, service, environment, build):
        with self._guard:
            self.run_once("before_deployment")
            made = self.activate(environment, build)
            self.run_once("after_deployment")
            return made

    def activate(self, environment, build):
        made = Deployment(DeploymentSid(self.sid("ZD")), build, None)
        self.deployments.append(made)
        self.environments[environment] = replace(self.environments[environment], build_sid=build)
        return made

    def run_once(self, name):
        hook = getattr(self, name)
        setattr(self, name, None)
        if hook:
            hook()

    def list_numbers(self, numbers=None):
        return {}

    def probe(self, url):
        path = "/" + url.split("/", 3)[3]
        build = None if self.answers_nothing else self.live()
        version = next((v for v in build.function_versions if v.path == path), None) if build else None
        return SiteAnswer(404 if version is None or version.visibility == "private" else 403, {}, "")

    # Sync

    def get_document(self, name):
        return self.documents.get(name)

    def create_document(self, name, content, *, ttl=0):
        with self._guard:
            if name in self.documents:
                raise Conflict("taken", status=409, code=54301)
            self.documents[name] = SyncDocument(name, self.sid("r"), dict(content))
            return self.documents[name]

    def update_document(self, name, content, *, ttl=0, if_match=None):
        with self._guard:
            if name not in self.documents:
                raise NotFound("gone", status=404)
            if if_match not in (None, self.documents[name].revision):
                raise Conflict("moved", status=412, code=54103)
            self.documents[name] = SyncDocument(name, self.sid("r"), dict(content))
            return self.documents[name]

    def delete_document(self, name):
        del self.documents[name]

    def ensure_map(self, name):
        self.maps.setdefault(name, {})

    def list_items(self, name, *, newest_first=False, limit=None, prefix=""):
        found = [item for item in self.maps.get(name, {}).values() if item.key.startswith(prefix)]
        items = sorted(found, key=lambda item: item.key, reverse=newest_first)
        return items if limit is None else items[:limit]

    def put_item(self, name, key, content, *, if_match=None):
        self.maps.setdefault(name, {})[key] = SyncItem(key, self.sid("r"), dict(content))
        return self.maps[name][key]

    def delete_item(self, name, key):
        self.maps[name].pop(key, None)

    # What others do, and what tests ask

    def live(self) -> Build | None:
        for environment in self.environments.values():
            return self.builds[environment.build_sid] if environment.build_sid else None
        return None

    def live_build(self) -> Build:
        live = self.live()
        assert live is not None
        return live

    def foreign_setup(self) -> None:
        if self.service is None:
            self.service = Service(ServiceSid(self.sid("ZS")), "AC" + "0" * 32, "ga", "Theirs", True, True)
        if not self.environments:
            self.create_environment(self.service.sid, "ui", None)

    def foreign_deploy(
        self, path: str, visibility: Visibility, content: str, dependency: tuple[str, str] | None
    ) -> None:
        """Somebody adds a function by the Console, which carries the rest over."""
        self.foreign_setup()
        live = self.live()
        resource = self.create_function("", path)
        version = self.upload_version("", resource.sid, FunctionFile(path, visibility, content))
        others = [v.sid for v in (live.function_versions if live else ()) if v.path != path]
        asset = AssetVersion(
            VersionSid(self.sid("ZN")), FunctionSid(self.sid("ZH")), f"/asset-{self._count}.png", "public"
        )
        self.assets[asset.sid] = asset
        carried = {n: v for n, v in (live.dependencies if live else {}).items() if n != "@twilio/runtime-handler"}
        build = self.create_build(
            "",
            function_versions=[*others, version.sid],
            asset_versions=[*(v.sid for v in (live.asset_versions if live else ())), asset.sid],
            dependencies={**carried, **dict([dependency] if dependency else [])},
            runtime=live.runtime if live else "node20",
        )
        self.activate(next(iter(self.environments)), build.sid)


class Guarded:
    """The platform as the engine gets it: every write is checked first, but for locks."""

    WRITES = ("create_", "update_", "upload_", "delete_", "put_", "ensure_", "take_offline")

    def __init__(self, world: World) -> None:
        self._world = world

    def guard_writes(self, check):
        self._check = check

    def __getattr__(self, name):
        if name.startswith(self.WRITES) and "document" not in name:
            self._check()
        return getattr(self._world, name)


def make_wish(functions: dict[str, str], dependencies: dict[str, str], variables: dict[str, str]) -> Desired:
    files = tuple(
        FunctionFile(path, "private" if "/lib/" in path else "protected", f"{MARKER} set=/ file={path}\n{content}")
        for path, content in sorted(functions.items())
    )
    return Desired(
        account_sid="AC" + "0" * 32,
        service_name="ga",
        environment="ui",
        domain_suffix=None,
        functions=files,
        function_set="/",
        engage_path="/engage",
        fingerprint=str(hash(tuple(sorted(functions.items())))),
        dependencies=dependencies,
        variables=variables,
    )


def make_session(world: World, wish: Desired, folder: Path, state: str = "sync") -> Session:
    return open_session(
        Guarded(world),
        wish,
        state=state,
        folder=folder,
        timing=BuildTiming(poll=0),
        lock_timeout=0,
        check_within=0,
    )


contents = st.sampled_from(("one", "two", "three"))
versions = st.sampled_from(("1.0.0", "2.0.0"))
wishes = st.builds(
    make_wish,
    st.dictionaries(st.sampled_from(OURS), contents, min_size=1),
    st.dictionaries(st.sampled_from(PACKAGES), versions),
    st.dictionaries(st.sampled_from(NAMES), contents),
)
foreign_deployments = st.tuples(
    st.sampled_from(THEIRS),
    st.sampled_from(("public", "private")),
    contents,
    st.none() | st.tuples(st.sampled_from(PACKAGES), versions),
)
foreign_variables = st.tuples(st.sampled_from(NAMES), contents)
steps = st.lists(
    wishes
    | foreign_deployments.map(lambda made: ("deploy", made))
    | foreign_variables.map(lambda made: ("set", made))
    | st.just(("forget", None)),
    min_size=1,
    max_size=5,
)


def check_wish_is_live(world: World, wish: Desired) -> None:
    live = world.live_build()
    there = {v.path: (v.visibility, world.sources[v.sid]) for v in live.function_versions}
    assert {f.path: (f.visibility, f.content) for f in wish.functions}.items() <= there.items()
    assert wish.dependencies.items() <= live.dependencies.items()
    assert wish.variables.items() <= {v.key: v.value for v in world.variables.values()}.items()
    assert world.variables["DOMAIN_NAME"].value == "ga-1234.twil.io"


def play(history: list[Any], state: str) -> None:
    world = World()
    with TemporaryDirectory() as name:
        folder = Path(name)
        for step in history:
            if isinstance(step, Desired):
                play_wish(world, step, folder, state)
            elif step[0] == "deploy":
                world.foreign_deploy(*step[1])
            elif step[0] == "set":
                world.foreign_setup()
                key, value = step[1]
                world.variables[key] = Variable(VariableSid(world.sid("ZV")), key, value)
            else:
                world.maps.clear()


def play_wish(world: World, wish: Desired, folder: Path, state: str) -> None:
    before, set_before = world.live(), {v.key: v for v in world.variables.values()}
    session = make_session(world, wish, folder, state)
    releases = list_releases(session.records, None)
    made = {name for release in releases for name, variable in release.variables.items() if variable.made}
    brought = {name for release in releases for name in release.dependencies}
    deploy(session, agree=lambda plan: None)
    check_wish_is_live(world, wish)
    live = world.live_build()
    for version in before.function_versions if before else ():
        if world.sources[version.sid].startswith(MARKER) or version.path in wish.paths:
            continue
        assert version in live.function_versions, f"{version.path} is foreign and gone"
    if before:
        assert set(before.asset_versions) <= set(live.asset_versions)
        kept = {n: v for n, v in before.dependencies.items() if n not in {*wish.dependencies, *brought}}
        assert kept.items() <= live.dependencies.items()
        assert live.runtime == before.runtime
    for key, variable in set_before.items():
        if key not in wish.variables and key not in made:
            assert world.variables.get(key) == variable, f"{key} is foreign and gone"
    assert world.documents == {}, "the lock is given back"
    writes = world.writes
    again = deploy(session, agree=lambda plan: pytest.fail("a second run has nothing to ask"))
    assert again.outcome is None
    assert world.writes == writes, "a second run writes nothing"


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(steps, st.sampled_from(("sync", "local")))
def test_wish_is_live_and_foreign_parts_survive(history: list[object], state: str) -> None:
    play(history, state)


@pytest.mark.slow
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps, st.sampled_from(("sync", "local")))
def test_wish_is_live_and_foreign_parts_survive_long(history: list[object], state: str) -> None:
    play(history, state)


WISH = make_wish({"/engage": "one", "/lib/settings": "one"}, {"axios": "1.0.0"}, {"ASAPP_API_ID": "one"})
OTHER = make_wish({"/engage": "two", "/lib/settings": "one"}, {"axios": "1.0.0"}, {"ASAPP_API_ID": "one"})


def paths(world: World) -> set[str]:
    return {version.path for version in world.live_build().function_versions}


def test_old_paths_live_for_one_release(tmp_path: Path) -> None:
    world = World()
    renamed = make_wish({"/talk": "one", "/lib/settings": "one"}, {"axios": "1.0.0"}, {})
    changed = make_wish({"/talk": "two", "/lib/settings": "one"}, {"axios": "1.0.0"}, {})
    for wish, there in ((WISH, {"/engage"}), (renamed, {"/engage", "/talk"}), (changed, {"/talk"})):
        deploy(make_session(world, wish, tmp_path), agree=lambda plan: None)
        assert paths(world) == there | {"/lib/settings"}


@pytest.mark.parametrize("moment", ["before_deployment", "after_deployment"])
def test_somebody_deploys_in_between(tmp_path: Path, moment: str) -> None:
    world = World()
    deploy(make_session(world, WISH, tmp_path), agree=lambda plan: None)
    setattr(world, moment, lambda: world.foreign_deploy("/hello", "public", "theirs", ("lodash", "1.0.0")))
    warned = []
    session = replace(make_session(world, OTHER, tmp_path), report=lambda event: warned.append(type(event).__name__))
    deploy(session, agree=lambda plan: None)
    check_wish_is_live(world, OTHER)
    assert "/hello" in paths(world)
    assert world.live_build().dependencies["lodash"] == "1.0.0"
    # After ours, the Console's own look had ours in it: nothing to merge.
    assert ("Warned" in warned) == (moment == "before_deployment")
    assert look(session)[1].is_empty


def test_build_made_from_an_older_look_is_merged_again(tmp_path: Path) -> None:
    """Their look was before ours, their deployment after it: ours is gone until it is merged with theirs."""
    world = World()
    world.foreign_deploy("/old", "public", "theirs", None)
    stale = world.live_build()

    def slip_in() -> None:
        resource = world.create_function("", "/hello")
        version = world.upload_version("", resource.sid, FunctionFile("/hello", "public", "theirs"))
        build = world.create_build(
            "",
            function_versions=[*(v.sid for v in stale.function_versions), version.sid],
            asset_versions=[v.sid for v in stale.asset_versions],
            dependencies={},
            runtime="node22",
        )
        world.activate(next(iter(world.environments)), build.sid)

    world.after_deployment = slip_in
    deploy(make_session(world, WISH, tmp_path), agree=lambda plan: None)
    check_wish_is_live(world, WISH)
    assert {"/hello", "/old"} <= paths(world)


def stack(world: World, base: Build | None, path: str, content: str = "theirs", **more: str) -> Build:
    """Somebody deploys `base` with a function more, whatever is live; `more` are packages and versions."""
    world.foreign_setup()
    resource = world.create_function("", path)
    version = world.upload_version("", resource.sid, FunctionFile(path, "public", content))
    carried = {n: v for n, v in (base.dependencies if base else {}).items() if n != "@twilio/runtime-handler"}
    build = world.create_build(
        "",
        function_versions=[*(v.sid for v in (base.function_versions if base else ()) if v.path != path), version.sid],
        asset_versions=[a.sid for a in (base.asset_versions if base else ())],
        dependencies={**carried, **more},
        runtime=base.runtime if base else "node20",
    )
    world.activate(next(iter(world.environments)), build.sid)
    return world.builds[build.sid]


@pytest.mark.parametrize("base", ["ours", "stale"])
@pytest.mark.parametrize("first", [True, False], ids=["a first deployment", "an update"])
def test_somebody_deploys_right_before_ours_and_somebody_right_after(tmp_path: Path, base: str, first: bool) -> None:
    """The second saw ours, which had dropped the first one's function unseen, or an older look: nothing may be lost."""
    world = World()
    world.foreign_deploy("/old", "public", "theirs", ("dayjs", "1.0.0"))
    if not first:
        deploy(make_session(world, WISH, tmp_path), agree=lambda plan: None)
    stale = world.live()
    world.before_deployment = lambda: stack(world, stale, "/before", lodash="1.0.0")
    world.after_deployment = lambda: stack(world, world.live() if base == "ours" else stale, "/after", chalk="1.0.0")
    warned: list[str] = []
    session = make_session(world, OTHER, tmp_path)
    told = replace(session, report=lambda event: warned.append(str(event)) if "Warned" in repr(event) else None)
    deploy(told, agree=lambda plan: None)
    check_wish_is_live(world, OTHER)
    assert {"/old", "/before", "/after"} <= paths(world)
    packages = world.live_build().dependencies
    assert {name: packages.get(name) for name in ("dayjs", "lodash", "chalk")} == dict.fromkeys(
        ("dayjs", "lodash", "chalk"), "1.0.0"
    )
    assert len(warned) == 1
    assert "; then build" in warned[0]
    assert look(session)[1].is_empty


def test_what_both_changed_in_two_ways_stops(tmp_path: Path) -> None:
    """Right before ours and right after it the same function, each without knowing of the other: nobody can tell."""
    world = World()
    world.foreign_deploy("/old", "public", "theirs", None)
    world.before_deployment = lambda: stack(world, world.live(), "/old", "changed before")
    world.after_deployment = lambda: stack(world, world.live(), "/old", "changed after")
    with pytest.raises(DeployError, match="in two ways") as told:
        deploy(make_session(world, WISH, tmp_path), agree=lambda plan: None)
    assert "function /old" in told.value.why
    assert world.documents == {}


def test_what_others_built_upon_each_other_is_taken_as_it_is(tmp_path: Path) -> None:
    world = World()
    world.foreign_deploy("/old", "public", "theirs", None)
    undisturbed = world.build_status

    def two_more(service: str, build: str) -> str:
        stack(world, stack(world, world.live(), "/first"), "/second")
        world.build_status = undisturbed
        return "completed"

    world.build_status = two_more
    world.after_deployment = lambda: stack(world, stack(world, world.live(), "/third"), "/third", "once more")
    deploy(make_session(world, WISH, tmp_path), agree=lambda plan: None)
    check_wish_is_live(world, WISH)
    assert {"/old", "/first", "/second", "/third"} <= paths(world)
    [third] = [v for v in world.live_build().function_versions if v.path == "/third"]
    assert world.sources[third.sid] == "once more"


def test_list_that_begins_with_the_oldest_misleads_nobody(tmp_path: Path) -> None:
    world = World()
    world.lists_oldest_first = True
    for wish in (WISH, OTHER):
        deploy(make_session(world, wish, tmp_path), agree=lambda plan: None)
        check_wish_is_live(world, wish)
    assert len(world.deployments) == 2


def test_same_path_changed_meanwhile_stops(tmp_path: Path) -> None:
    world = World()
    deploy(make_session(world, WISH, tmp_path), agree=lambda plan: None)
    deployed = len(world.deployments)
    undisturbed = world.build_status

    def somebody_else(service: str, build: str) -> str:
        world.foreign_deploy("/engage", "public", "theirs", None)
        world.build_status = undisturbed
        return "completed"

    world.build_status = somebody_else
    with pytest.raises(DeployError) as stopped:
        deploy(make_session(world, OTHER, tmp_path), agree=lambda plan: None)
    assert "/engage" in stopped.value.why
    assert len(world.deployments) == deployed + 1, "theirs is the last; ours was not activated over it"
    assert world.documents == {}


def test_foreign_part_moved_before_activation_is_merged(tmp_path: Path) -> None:
    world = World()
    deploy(make_session(world, WISH, tmp_path), agree=lambda plan: None)
    undisturbed = world.build_status

    def somebody_else(service: str, build: str) -> str:
        world.foreign_deploy("/hello", "public", "theirs", None)
        world.build_status = undisturbed
        return "completed"

    world.build_status = somebody_else
    deploy(make_session(world, OTHER, tmp_path), agree=lambda plan: None)
    check_wish_is_live(world, OTHER)
    assert "/hello" in paths(world)


def test_environment_that_keeps_moving_stops(tmp_path: Path) -> None:
    world = World()
    deploy(make_session(world, WISH, tmp_path), agree=lambda plan: None)

    def somebody_else(service: str, build: str) -> str:
        world.foreign_deploy(f"/hello-{world._count}", "public", "theirs", None)
        return "completed"

    world.build_status = somebody_else
    with pytest.raises(DeployError, match="keeps deploying"):
        deploy(make_session(world, OTHER, tmp_path), agree=lambda plan: None)
    assert {path for path in paths(world) if path.startswith("/hello")}


def test_paths_that_do_not_answer_are_told(tmp_path: Path) -> None:
    world = World()
    world.answers_nothing = True
    with pytest.raises(DeployError, match="does not answer") as told:
        deploy(make_session(world, WISH, tmp_path), agree=lambda plan: None)
    assert "/engage (HTTP 404)" in told.value.why
    world.answers_nothing = False
    assert deploy(make_session(world, WISH, tmp_path), agree=lambda plan: None).outcome is not None
    assert look(make_session(world, WISH, tmp_path))[1].is_empty


def test_failed_build_says_what_can_be_known(tmp_path: Path) -> None:
    world = World()
    world.build_status = lambda service, build: "failed"
    with pytest.raises(DeployError, match="the build failed") as told:
        deploy(make_session(world, WISH, tmp_path), agree=lambda plan: None)
    assert "axios 1.0.0" in told.value.why
    assert "/engage" in told.value.why
    assert world.live() is None
    assert world.documents == {}


def test_build_that_never_ends_is_given_up(tmp_path: Path) -> None:
    world = World()
    world.build_status = lambda service, build: "building"
    session = replace(make_session(world, WISH, tmp_path), timing=BuildTiming(poll=0.001, limit=0.05))
    with pytest.raises(DeployError, match="did not end within"):
        deploy(session, agree=lambda plan: None)
    assert world.live() is None


def test_platform_that_refuses_its_own_twilio_is_asked_without(tmp_path: Path) -> None:
    world = World()
    world.foreign_deploy("/hello", "public", "theirs", None)
    world.refuses_twilio = True
    deploy(make_session(world, WISH, tmp_path), agree=lambda plan: None)
    check_wish_is_live(world, WISH)
    assert look(make_session(world, WISH, tmp_path))[1].is_empty


@pytest.mark.parametrize("state", ["sync", "local"])
def test_functions_of_a_run_that_did_not_end_are_waited_for_where_lists_lag(tmp_path: Path, state: str) -> None:
    """Twilio takes a second function of the same name: the record knows what was about to be made, and when."""
    world = World(build_status=lambda service, build: "failed")
    session = replace(make_session(world, WISH, tmp_path, state), timing=BuildTiming(poll=0, lists=3600))
    with pytest.raises(DeployError, match="the build failed"):
        deploy(session, agree=lambda plan: None)
    names = [resource.friendly_name for resource in world.resources]
    world.build_status = lambda service, build: "completed"
    world.lagging_lists = 5
    deploy(session, agree=lambda plan: None)
    assert [resource.friendly_name for resource in world.resources] == names
    assert world.lagging_lists == 0


def test_functions_that_no_list_ever_shows_are_made_in_the_end(tmp_path: Path) -> None:
    """The run before was stopped before it had made them."""
    world = World(build_status=lambda service, build: "failed")
    session = replace(make_session(world, WISH, tmp_path), timing=BuildTiming(poll=0.001, lists=0.05))
    with pytest.raises(DeployError, match="the build failed"):
        deploy(session, agree=lambda plan: None)
    world.resources.clear()
    world.build_status = lambda service, build: "completed"
    deploy(session, agree=lambda plan: None)
    check_wish_is_live(world, WISH)
