"""Tells whether functions compile, with the Node that will run them."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from typing import TYPE_CHECKING

from ga_deploy.child_environment import clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

# The wrapper is the one Node puts around a CommonJS module: `return` at top level is legal in one.
_COMPILE = """
const vm = require('node:vm');
let text = '';
process.stdin.setEncoding('utf8').on('data', (part) => { text += part; }).on('end', () => {
  for (const [path, source] of Object.entries(JSON.parse(text))) {
    try {
      vm.compileFunction(source, ['exports', 'require', 'module', '__filename', '__dirname'], { filename: path });
    } catch (problem) {
      process.stdout.write(`${path}: ${problem}`);
      return;
    }
  }
});
"""

# Digests of sources that compiled. A deployment in a test compiles the same few files over and over.
_compiled: OrderedDict[bytes, None] = OrderedDict()
_REMEMBERED = 5000


async def first_broken(sources: Mapping[str, bytes]) -> str | None:
    """Return what is wrong with the first function that does not compile, None when all do.

    `sources` maps paths to source bytes. Needs the Node of the `local` extra; raises DeployError without it.
    """
    from ga_deploy.emulator.functions.npm import NodeTools

    digests = {path: hashlib.sha256(source).digest() for path, source in sources.items()}
    fresh = {
        path: sources[path].decode(errors="replace") for path, digest in digests.items() if digest not in _compiled
    }
    if fresh:
        process = await asyncio.create_subprocess_exec(
            NodeTools.find().node,
            "--eval",
            _COMPILE,
            env=clean_environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await process.communicate(json.dumps(fresh).encode())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if out or process.returncode:
            return (out or err).decode(errors="replace")
    for digest in digests.values():
        _compiled[digest] = None
        _compiled.move_to_end(digest)
    while len(_compiled) > _REMEMBERED:
        _compiled.popitem(last=False)
    return None
