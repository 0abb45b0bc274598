"""No text, however broken, ends in anything but findings or a config."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ga_deploy.config.load import load_config
from ga_deploy.config.schema import Config  # noqa: TC001 - a test module, read as a whole
from ga_deploy.errors import ConfigInvalid
from tests.unit.config.cases import ENVIRON, LOCAL

EXAMPLE = (Path(__file__).parents[3] / "config.example.yaml").read_text(encoding="utf-8")
PLAIN = yaml.safe_load(EXAMPLE)
SETTINGS = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def load(content: bytes, *, environment: str | None = None, local: bool = False) -> Config | None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_bytes(content)
        try:
            return load_config(path, environment, local=LOCAL if local else None, environ={} if local else ENVIRON)
        except ConfigInvalid as problem:
            findings = problem.findings
    assert all(finding.what and finding.why and finding.fix and finding.at for finding in findings)
    assert all((finding.what + finding.why + finding.fix).isprintable() for finding in findings)
    assert list(findings) == sorted(findings, key=lambda one: (one.at, one.level, one.what))
    return None


@SETTINGS
@given(st.binary(max_size=200))
@example(b"\xff\xfe")
@example(b"\x00")
@example("a: b".encode("utf-16"))
@example(b"\xef\xbb\xbfversion: 1\n")
@example(b"%YAML 9.9\n---\na: 1")
@example(b"? [a, b]\n: c")
@example(b"&a [*a]")
@example(rb'{"\ud800": 1}')
@example(rb'{a: "\ud83d"}')
@example(rb'{"a\nb\e[31m": 1}')
@example(rb'{templates: "a\0b", greeting: [{say: "\0"}], hooks: {after_call: "\0"}}')
@example(b"a: &b {c: *b}")
def test_any_bytes(content: bytes) -> None:
    load(content)


YAMLISH = st.text(alphabet=st.sampled_from("abc:-[]{}&*!|>'\"%@`#, \n\t${}0.1~<?"), max_size=60)


@SETTINGS
@given(YAMLISH, st.integers(0, len(EXAMPLE)), st.integers(0, 40))
def test_the_example_with_a_piece_replaced(piece: str, at: int, cut: int) -> None:
    load((EXAMPLE[:at] + piece + EXAMPLE[at + cut :]).encode())


KEYS = st.sampled_from(
    [
        "twilio",
        "asapp",
        "service",
        "input",
        "destinations",
        "outcomes",
        "profiles",
        "environments",
        "phone_numbers",
        "agent",
        "say",
        "send",
        "by",
        "map",
        "from",
        "hours",
        "open",
        "timezone",
        "enqueue",
        "number",
        "sip",
        "path",
        "default_environment",
        "ui",
        "es",
        "variables",
        "a",
    ]
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**12), st.floats(allow_nan=False), st.text(max_size=8), KEYS,
    st.sampled_from(["${X}", "${X:-y}", "${file:x}", "$${", "hangup", "call.From", "https://a.example.com"]),
)  # fmt: skip
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=15
)


@SETTINGS
@given(TREES)
def test_any_tree(tree: Any) -> None:
    load(yaml.safe_dump(tree).encode(), local=True)


def places(node: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [way, *(place for key, below in inner for place in places(below, (*way, key)))]


WAYS = [way for way in places(PLAIN) if way]


@settings(SETTINGS, max_examples=80)
@given(st.sampled_from(WAYS), TREES, st.sampled_from(["ui", "staging", "production"]))
def test_the_example_with_any_value_anywhere(way: tuple[Any, ...], tree: Any, environment: str) -> None:
    changed = copy.deepcopy(PLAIN)
    node = changed
    for key in way[:-1]:
        node = node[key]
    node[way[-1]] = tree
    load(yaml.safe_dump(changed).encode(), environment=environment, local=True)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{a: " * 5_000,
        "- " * 5_000 + "a",
        "".join(f"{' ' * depth}a:\n" for depth in range(1_000)),
        "a: &a0 x\n" + "".join(f"b{n}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(12)),
        "a: &a0 {x: y}\n" + "".join(f"b{n}: &a{n + 1} {{x: *a{n}}}\n" for n in range(3_000)),
        "a: " + "9" * 100_000,
        "a: 0." + "9" * 100_000,
        "a: 'x" * 50_000,
        "- !!timestamp 99999-99-99",
        "a: ${" + "A" * 100_000 + "}",
        "service: {name: " + "x" * 600_000 + "}",
        "x" * 2_000_000,
    ],
    ids=lambda text: text[:20],
)
def test_absurd_texts(text: str) -> None:
    assert load(text.encode()) is None


def test_a_folder_a_missing_file_and_a_path_that_cannot_be(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.yaml", tmp_path / "none" / "config.yaml", Path("a\0b"), Path("x" * 5_000)):
        with pytest.raises(ConfigInvalid) as caught:
            load_config(path, None, environ={})
        (finding,) = caught.value.findings
        assert finding.at is not None
        assert finding.at.file == str(path)
