"""render: what is in the files, where they lie, and what is told when one cannot be made. Nothing runs here."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ga_deploy import template_sandbox
from ga_deploy.config.load import LocalStandIn, load_config
from ga_deploy.engine.plan.desired import make_desired
from ga_deploy.engine.plan.variable_limit import check_variable_size
from ga_deploy.errors import ConfigInvalid, DeployError
from ga_deploy.lint import find_node
from ga_deploy.model.bundle import MARKER, Bundle
from ga_deploy.model.observed import Observed
from ga_deploy.redact import Secret
from ga_deploy.render import built_in_templates, render, template_hashes, write_project
from ga_deploy.render.javascript import to_literal
from ga_deploy.twilio_rules.speech import estimate_seconds

if TYPE_CHECKING:
    from ga_deploy.model.desired import Desired

SECRETS = (
    "api-id-for-tests",
    "api-secret-for-tests",
    "hook-secret-1",
    "pbx-password-1",
    "0123456789abcdef0123456789abcdef",
)
EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"
STAND_IN = LocalStandIn(
    "AC" + "0" * 32, Secret("0" * 32), "http://127.0.0.1:9", Secret("api-id-for-tests"), Secret("api-secret-for-tests")
)


@pytest.fixture
def bundle_of(bench: Any, tmp_path: Path) -> Any:
    def make(changes: dict[str, Any] | None = None, files: dict[str, str] | None = None) -> Bundle:
        for name, text in (files or {}).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        config = bench.lay(bench.base_config("https://crm.example.com"), changes or {})
        return bench.load_bundle(config, tmp_path, "http://127.0.0.1:9")

    return make


def sources(bundle: Bundle) -> dict[str, str]:
    return {one.path: one.content for one in bundle.functions}


def test_no_file_holds_a_secret(bundle_of: Any) -> None:
    bundle = bundle_of()
    for text in sources(bundle).values():
        for secret in SECRETS:
            assert secret not in text
    held = {value.reveal() for value in bundle.variables.values() if isinstance(value, Secret)}
    assert set(SECRETS[:4]) <= held
    assert bundle.variables["ASAPP_API_HOST"] == "http://127.0.0.1:9"


def test_every_file_begins_with_our_marker(bundle_of: Any) -> None:
    for path, text in sources(bundle_of()).items():
        assert text.startswith(f"{MARKER} set=/ file={path[1:]}\n")


def test_rendering_is_deterministic(bundle_of: Any) -> None:
    assert bundle_of() == bundle_of()


def test_only_the_settings_differ_between_configs(bundle_of: Any) -> None:
    other = {
        "input": {"taskName": "x"},
        "waiting": {"max_seconds": 3},
        "destinations": {"extra": {"number": "+15550107777"}},
    }
    first, second = bundle_of(), bundle_of({**other, "outcomes": {"failed": [{"send": "extra"}]}})
    a, b = sources(first), sources(second)
    assert {path for path in a if a[path] != b[path]} == {"/lib/settings"}
    assert first.fingerprint != second.fingerprint
    assert first.fingerprint in a["/lib/settings"]


def test_a_secret_that_changes_leaves_the_files_alone(bench: Any, bundle_of: Any, tmp_path: Path) -> None:
    first = sources(bundle_of())
    config = bench.base_config("https://crm.example.com")
    config["destinations"]["billing"]["password"] = "${HOOK}"
    assert sources(bench.load_bundle(config, tmp_path, "http://127.0.0.1:9")) == first


def test_two_sets_in_one_service_do_not_meet(bundle_of: Any) -> None:
    paths = {
        "functions": {
            "engage": {"path": "/sales/engage"},
            "call_complete": {"path": "/sales/call-complete"},
            "stream_status": {"path": "/sales/stream-status"},
        }
    }
    first, second = sources(bundle_of()), sources(bundle_of(paths))
    assert not set(first) & set(second)
    assert "/sales/lib/settings" in second
    assert f"{MARKER} set=/sales/ file=engage" in second["/sales/engage"]
    assert "['sales/lib/modules']" in second["/sales/engage"]
    assert "`sales/lib/${name}`" in second["/sales/lib/modules"]
    assert '"/sales/call-complete"' in second["/sales/lib/settings"]


def test_flow_functions_come_with_the_flow(bundle_of: Any) -> None:
    assert "/flow/engage" not in sources(bundle_of())
    with_flow = sources(bundle_of({"flow": {"enabled": True}}))
    assert {"/flow/engage", "/flow/call-transfer"} <= set(with_flow)


# Prints the functions of over 40 lines, and how many lines have code, from {path: source} on standard input.
MEASURE = """
const acorn = require('internal/deps/acorn/acorn/dist/acorn');
const walk = require('internal/deps/acorn/acorn-walk/dist/walk');
const files = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
const long = [];
let lines = 0;
for (const [path, source] of Object.entries(files)) {
  const code = new Set();
  const onToken = ({ loc }) => { for (let at = loc.start.line; at <= loc.end.line; at += 1) code.add(at); };
  const tree = acorn.parse(source, { ecmaVersion: 2022, locations: true, onToken });
  walk.full(tree, (node) => {
    const length = node.loc.end.line - node.loc.start.line + 1;
    if (/Function/.test(node.type) && length > 40) long.push(`${path}:${node.loc.start.line} has ${length} lines`);
  });
  code.delete(source.split('\\n').length); // the end of the file is a token too
  lines += code.size;
}
console.log(JSON.stringify({ long, lines }));
"""


def test_the_generated_code_can_be_read_at_one_sitting() -> None:
    bundle = render(load_config(EXAMPLE, environ={}, local=STAND_IN))
    files = {path: text for path, text in sources(bundle).items() if path != "/lib/settings"}
    done = subprocess.run(
        [str(find_node()), "--expose-internals", "-e", MEASURE],
        input=json.dumps(files),
        capture_output=True,
        check=True,
        text=True,
    )
    measured = json.loads(done.stdout)
    assert measured["long"] == []
    assert measured["lines"] <= 850, "settings and comments apart"
    wide = [f"{path}:{at}" for path, text in files.items() for at, line in lines_of(text) if len(line) > 120]
    assert wide == []


def lines_of(text: str) -> list[tuple[int, str]]:
    return list(enumerate(text.splitlines(), 1))


TEXTS = [
    'say "hello"',
    "it's",
    "back\\slash",
    "a\nb\r\nc\td",
    "</script><!--",
    "\u2028 and \u2029",
    "\ufeffBOM \u202eright to left\u202c",
    "half \ud83d emoji",
    "whole 🙂 emoji, ñ and 中",
    "\x7f\x85",
    "${process.env.X} `tick` {{ jinja }}",
    "",
]


def test_every_text_survives_as_it_is() -> None:
    value = {
        "texts": TEXTS,
        "__proto__": {"x": 1},
        "constructor": None,
        "a-b": True,
        "": 1.5,
        "1": [],
        "nested": {"__proto__": "p"},
    }
    literal = to_literal(value)
    assert not re.search("[\u2028\u2029\ufeff\u202e\ud800-\udfff\x7f-\x9f]|</|<!--", literal)
    script = f"""
      const v = {literal};
      const own = Object.keys(v).includes('__proto__') && Object.getPrototypeOf(v) === Object.prototype;
      process.stdout.write(JSON.stringify({{ own, v: JSON.stringify(v) }}));
    """
    done = subprocess.run([str(find_node()), "-e", script], capture_output=True, check=True, text=True)
    answer = json.loads(done.stdout)
    assert answer["own"] is True
    assert json.loads(answer["v"]) == value


def test_a_users_file_wins(bundle_of: Any) -> None:
    mine = "exports.handler = (context, event, callback) => callback(); // {{ lib }}\n"
    bundle = bundle_of(
        {"templates": "./mine"}, {"mine/functions/engage.js.j2": mine, "mine/functions/lib/extra.private.js.j2": "1;\n"}
    )
    text = sources(bundle)["/engage"]
    assert text == f"{MARKER} set=/ file=engage\n{mine.replace('{{ lib }}', 'lib')}"
    assert sources(bundle)["/lib/extra"].endswith("1;\n")
    assert bundle.sources["/engage"].endswith("mine/functions/engage.js.j2")
    assert "/call-complete" in sources(bundle)


BROKEN = {
    "an undefined name": ("1;\n2;\n{{ nothing }}\n", 3, "nothing"),
    "a syntax error": ("1;\n{% if %}\n", 2, ""),
    "an unclosed tag": ("{{ lib", 1, ""),
    "an unknown filter": ("1;\n{{ lib | shout }}\n", 2, "shout"),
    "a call of nothing": ("1;\n\n{{ lib() }}\n", 3, ""),
    "a division by zero": ("{{ 1 / 0 }}", 1, "zero"),
}


@pytest.mark.parametrize(("text", "line", "named"), BROKEN.values(), ids=BROKEN)
def test_a_broken_template_is_told_with_file_and_line(bundle_of: Any, text: str, line: int, named: str) -> None:
    files = {"mine/functions/engage.js.j2": text, "mine/functions/lib/log.private.js.j2": "{{ also }}"}
    with pytest.raises(ConfigInvalid) as caught:
        bundle_of({"templates": "./mine"}, files)
    findings = caught.value.findings
    assert len(findings) == 2, "all at once"
    (mine,) = (one for one in findings if one.at and one.at.file.endswith("engage.js.j2"))
    assert mine.at is not None
    assert mine.at.line == line
    assert named in mine.why


HOSTILE = {
    "a loop without an end": (
        "1;\n{% for i in range(99999) %}{% for j in range(99999) %}\n{% endfor %}{% endfor %}",
        0,
        "5 s",
    ),
    "work that Python cannot interrupt": ("{{ 7 ** (10 ** 11) }}", 0, "5 s|MB of memory"),
    "a recursion": ("1;\n{% macro again() %}{{ again() }}{% endmacro %}\n{{ again() }}", 2, "without an end"),
    "a long range": ("\n{{ range(10 ** 11) | list }}", 2, "[Rr]ange"),
    "a text of gigabytes": ("1;\n{{ lib * (10 ** 11) }}", 2, "MB of memory"),
    "a deep nesting": ("{{ " + "(" * 30_000 + "1" + ")" * 30_000 + " }}", 0, ""),
    "a way to Python": ("1;\n{{ lib.__class__.__mro__[1].__subclasses__() }}", 2, "__class__"),
    "a change of what is not its own": ("{% set a = [] %}\n{{ a.append(1) }}", 2, "append"),
    "the environment": ("{{ self.__init__.__globals__ }}", 1, "__init__"),
}


@pytest.mark.parametrize(("text", "line", "why"), HOSTILE.values(), ids=HOSTILE)
def test_a_template_of_the_user_can_neither_hang_a_command_nor_reach_out(
    bundle_of: Any, monkeypatch: pytest.MonkeyPatch, text: str, line: int, why: str
) -> None:
    monkeypatch.setattr(template_sandbox, "SECONDS", 1.0)
    with pytest.raises(ConfigInvalid) as caught:
        bundle_of({"templates": "./mine"}, {"mine/functions/engage.js.j2": text})
    [finding] = caught.value.findings
    assert finding.at is not None
    assert finding.at.file.endswith("engage.js.j2")
    assert finding.at.line >= line
    assert re.search(why, finding.why), finding.why


def test_a_template_that_is_a_pipe_or_a_device_is_told(bundle_of: Any, tmp_path: Path) -> None:
    folder = tmp_path / "mine/functions"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "engage.js.j2")
    (folder / "call-complete.js.j2").symlink_to("/dev/zero")
    with pytest.raises(ConfigInvalid) as caught:
        bundle_of({"templates": "./mine"})
    assert {finding.why for finding in caught.value.findings} == {
        "it is a pipe, not a file",
        "it is a device, not a file",
    }


def test_a_template_that_replaces_nothing_is_told(bundle_of: Any) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        bundle_of({"templates": "./mine"}, {"mine/functions/engaje.js.j2": ""})
    assert "engage.js.j2" in caught.value.findings[0].fix


def test_a_template_that_is_no_text_is_told(bundle_of: Any, tmp_path: Path) -> None:
    (tmp_path / "mine/functions").mkdir(parents=True)
    (tmp_path / "mine/functions/engage.js.j2").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigInvalid):
        bundle_of({"templates": "./mine"})


def test_a_path_inside_our_modules_is_refused(bundle_of: Any) -> None:
    with pytest.raises(ConfigInvalid):
        bundle_of({"functions": {"stream_status": {"path": "/lib/log"}}})


def test_one_web_hook_with_two_secrets_is_refused(bundle_of: Any) -> None:
    url = "https://crm.example.com/x"
    steps = [{"notify": {"url": url, "secret": "${HOOK}"}}, {"notify": {"url": url, "secret": "${PBX}"}}, "hangup"]
    with pytest.raises(ConfigInvalid):
        bundle_of({"outcomes": {"system": steps}})


def test_what_is_too_large_together_is_the_same_for_validate_and_plan(bench: Any, tmp_path: Path) -> None:
    """Both count names and what the platform adds, and refuse from the same byte on."""
    names = [f"A_LONG_NAME_COUNTS_TOO_{at}" for at in range(7)]

    def wish(size: int) -> Desired:
        texts = dict.fromkeys(names, "x" * (size // 7)) | {names[-1]: "x" * (size - size // 7 * 6)}
        config = bench.lay(bench.base_config("https://crm.example.com"), {"variables": texts})
        bundle = bench.load_bundle(config, tmp_path, "http://127.0.0.1:9")
        stand_in = LocalStandIn("AC" + "0" * 32, Secret("t" * 32), "http://127.0.0.1:9", *[Secret("api-thing")] * 2)
        environ = {"ID": "api-thing", "SECRET": "api-thing", "HOOK": "hook-secret-1", "PBX": "pbx-password-1"}
        return make_desired(load_config(tmp_path / "config.yaml", local=stand_in, environ=environ), bundle)

    fits, too_large = 70, 7 * 440
    while too_large - fits > 1:
        size = (fits + too_large) // 2
        try:
            wish(size)
            fits = size
        except ConfigInvalid:
            too_large = size
    with pytest.raises(ConfigInvalid, match="the environment variables are too large"):
        wish(too_large)
    largest = wish(fits)
    check_variable_size(largest, Observed())
    one_more = {**largest.variables, names[0]: f"{largest.variables[names[0]]}x"}
    with pytest.raises(DeployError, match="would take 3073 bytes"):
        check_variable_size(replace(largest, variables=one_more), Observed())


def test_a_text_takes_as_long_wherever_that_is_asked(bench: Any, bundle_of: Any, tmp_path: Path) -> None:
    text = "Hello, and welcome. " * 40
    bundle = bundle_of({"greeting": [{"say": text}]})
    environ = {"ID": "api-thing", "SECRET": "api-thing", "HOOK": "hook-secret-1", "PBX": "pbx-password-1"}
    stand_in = LocalStandIn("AC" + "0" * 32, Secret("t" * 32), "http://127.0.0.1:9", *[Secret("api-thing")] * 2)
    warnings = load_config(tmp_path / "config.yaml", local=stand_in, environ=environ).warnings
    [warning] = [one for one in warnings if "greeting" in one.what]
    seconds = round(estimate_seconds(text))
    assert f"after about {seconds} s" in warning.why
    assert f"greetingSeconds: {seconds}," in sources(bundle)["/lib/settings"]


def test_a_profile_with_its_own_asapp_has_its_own_variables(bundle_of: Any) -> None:
    profiles = {"es": {"asapp": {"timeout_ms": 900}}, "fr": {"asapp": {"timeout_ms": 800}}}
    assert [name for name in bundle_of({"profiles": profiles}).variables if "ASAPP" in name] == [
        "ASAPP_API_HOST",
        "ASAPP_API_ID",
        "ASAPP_API_SECRET",
    ]


def test_another_app_of_a_profile_is_kept_apart(bench: Any, tmp_path: Path) -> None:
    config = bench.base_config("https://crm.example.com")
    config["profiles"]["es"]["asapp"] = {"api_id": "${PBX}", "url_cache_seconds": 60}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    environ = {
        "ID": "api-id-for-tests",
        "SECRET": "api-secret-for-tests",
        "HOOK": "hook-secret-1",
        "PBX": "pbx-password-1",
    }
    bundle = render(load_config(tmp_path / "config.yaml", environ=environ))
    held = {name: value.reveal() for name, value in bundle.variables.items() if isinstance(value, Secret)}
    (own,) = (name for name in held if name.startswith("GA_ASAPP_ID_"))
    assert held[own] == "pbx-password-1"
    assert held["ASAPP_API_ID"] == "api-id-for-tests"
    assert f'idVariable: "{own}"' in sources(bundle)["/lib/settings"]


def test_the_hashes_of_templates_tell_every_file() -> None:
    assert set(template_hashes()) == set(built_in_templates())
    assert "functions/lib/settings.private.js.j2" in template_hashes()
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in template_hashes().values())


def test_a_project_is_written_read_and_written_again(bundle_of: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    files = write_project(bundle_of({"flow": {"enabled": True}}), out, runtime="node20")
    assert "functions/engage.protected.js" in files
    assert "functions/lib/settings.private.js" in files
    assert "functions/flow/engage.protected.js" in files
    package = json.loads((out / "package.json").read_text())
    assert package["engines"] == {"node": "20"}
    assert package["dependencies"]["axios"] == "1.20.0"
    assert re.fullmatch(r"\d+\.\d+\.\d+", package["dependencies"]["twilio"])
    for path in out.rglob("*"):
        if path.is_file():
            assert not [secret for secret in SECRETS if secret in path.read_text()], path
    (out / "node_modules").mkdir()
    (out / ".env").write_text("ASAPP_API_SECRET=mine\n")
    fewer = write_project(bundle_of(), out)
    assert not (out / "functions/flow/engage.protected.js").exists(), "what is no longer rendered goes"
    assert "functions/flow/engage.protected.js" not in fewer
    assert (out / ".env").read_text() == "ASAPP_API_SECRET=mine\n"


def test_the_command_writes_the_flow_beside_the_functions(ga_deploy: Any, bench: Any, tmp_path: Path) -> None:
    config = bench.lay(bench.base_config("https://crm.example.com"), {"flow": {"enabled": True}})
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    environ = {
        "ID": "api-id-for-tests",
        "SECRET": "api-secret-for-tests",
        "HOOK": "hook-secret-1",
        "PBX": "pbx-password-1",
    }
    done = ga_deploy("--json", "render", "--out", "out", env=environ)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["findings"] == []
    assert "studio/flow.json" in told["files"]
    flow = json.loads((tmp_path / "out/studio/flow.json").read_text())
    assert flow["initial_state"] == "Trigger"
    assert "https://DOMAIN_NAME/flow/engage" in json.dumps(flow)
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or not [secret for secret in environ.values() if secret in path.read_text()], path
    refused = ga_deploy("render", "--out", ".", env=environ)
    assert refused.returncode == 1
    assert "not empty" in refused.stderr


def test_what_others_wrote_is_never_overwritten(bundle_of: Any, tmp_path: Path) -> None:
    bundle, out = bundle_of(), tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    with pytest.raises(DeployError, match="not empty"):
        write_project(bundle, out)
    assert [one.name for one in out.iterdir()] == ["thesis.txt"]
    with pytest.raises(DeployError, match="not a folder"):
        write_project(bundle, out / "thesis.txt")
    ours = tmp_path / "ours"
    write_project(bundle, ours)
    (ours / "functions/engage.protected.js").write_text("// my change")
    with pytest.raises(DeployError, match="changed"):
        write_project(bundle, ours)
    assert (ours / "functions/engage.protected.js").read_text() == "// my change"


def test_a_forged_manifest_reaches_no_file_outside(bundle_of: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_project(bundle_of(), out)
    outside = tmp_path / "precious"
    outside.write_text("keep me")
    manifest = json.loads((out / ".ga-deploy.json").read_text())
    manifest["files"]["../precious"] = "0" * 64
    (out / ".ga-deploy.json").write_text(json.dumps(manifest))
    with pytest.raises(DeployError):
        write_project(bundle_of(), out)
    assert outside.read_text() == "keep me"
