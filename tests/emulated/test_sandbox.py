"""Which Node can keep functions in: asked of the executable itself, so that an old one still runs them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ga_deploy.emulator.functions.npm import NodeTools
from ga_deploy.emulator.functions.sandbox import allow, find_permission_flags

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
@pytest.mark.parametrize(
    ("unknown", "flags"),
    [
        ("--nothing", ("--permission", "--allow-net")),  # Node 25
        ("--allow-net", ("--permission",)),  # Node 22.13 and 24
        ("--permission", ()),  # Node 20
    ],
)
def test_an_executable_is_asked_what_it_knows(tmp_path: Path, unknown: str, flags: tuple[str, ...]) -> None:
    node = tmp_path / "node"
    node.write_text(f'#!/bin/sh\nfor option in "$@"; do [ "$option" != "{unknown}" ] || exit 9; done\n')
    node.chmod(0o755)
    assert find_permission_flags(node) == flags


def test_what_is_no_executable_knows_nothing(tmp_path: Path) -> None:
    assert find_permission_flags(tmp_path / "node") == ()
    assert allow((), read=[tmp_path], write=tmp_path) == []


def test_the_node_of_the_wheel_keeps_functions_in() -> None:
    assert "--permission" in find_permission_flags(NodeTools.find().node)
