"""lint: what is found in functions without running them, and that nothing is found where nothing is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ga_deploy.lint import find_node, lint
from ga_deploy.model.bundle import Bundle, FunctionFile

HANDLER = "exports.handler = async (context, event, callback) => { %s };\n"
PARSES = "const twiml = new Twilio.twiml.VoiceResponse(); "


def bundle(*functions: tuple[str, str, str]) -> Bundle:
    marker = "// ga-deploy: set=/ file=x\n"
    files = tuple(FunctionFile(path, seen, marker + text) for path, seen, text in functions)  # type: ignore[arg-type]
    return Bundle(files, {"axios": "1.20.0", "@scope/pkg": "1.0.0"}, {}, "0", "/engage")


def found(code: str, path: str = "/x", seen: str = "protected") -> list[tuple[str, str, int]]:
    findings = lint(bundle((path, seen, code)), find_node())
    return [(one.level, one.what, one.at.line if one.at else -1) for one in findings]


GOOD = {
    "a TwiML object": HANDLER % (PARSES + "callback(null, twiml)"),
    "a response": HANDLER % "const r = new Twilio.Response(); r.setBody('<x/>'); callback(null, r)",
    "an error": HANDLER % "callback('went wrong')",
    "a wrapped handler": "const wrap = (f) => f;\nexports.handler = wrap(async (context, event, cb) => cb());",
    "module.exports": "module.exports = { handler: (context, event, callback) => callback() };",
    "module.exports.handler": "module.exports.handler = function (context, event, callback) { callback(); };",
    "a field of the event": HANDLER % "console.log(event.CallSid, `x ${event.CallStatus}`); callback()",
    "the message of an error": HANDLER % "try { f() } catch (error) { console.error(error.message) } callback()",
    "comments and strings": HANDLER
    % "/* require('left-pad') console.log(event) */ const s = \"console.log(event)\"; callback()",
    "declared packages": "require('axios'); require('@scope/pkg/sub'); require('twilio/lib/x');\n"
    + HANDLER % "callback()",
    "Node's own": "require('fs'); require('node:crypto'); require('fs/promises');\n" + HANDLER % "callback()",
    "a private module": HANDLER % "require(Runtime.getFunctions()['lib/x'].path); callback()",
    "an event of its own": HANDLER % "const log = (event) => 1; log('x'); callback()",
    "a handler by its name in quotes": "exports['handler'] = (context, event, callback) => callback();",
    "a handler in an object, in quotes": "module.exports = { 'handler': (context, event, callback) => callback() };",
    "exports by both names": "exports = module.exports = { handler: (context, event, callback) => callback() };",
    "events of a list": HANDLER % "[].forEach((event) => console.log(event)); callback()",
    "contexts of a list": HANDLER % "[].map(async (context) => { console.log(context); }); callback()",
    "a callback of another's": HANDLER % "const read = (path, callback) => callback(null, 'text'); read('x', callback)",
    "a callback inside a promise": HANDLER % "await new Promise((callback) => callback(null, 'x')); callback()",
    "an e that is no error": HANDLER % "try { f() } catch (e) { g() } [1].map((e) => console.log(e)); callback()",
    "an error as text": HANDLER
    % "try { f() } catch (error) { console.error(`failed: ${error}`, 'x' + error) } callback()",
    "a part of a rejection": HANDLER % "await f().catch((error) => console.error(error.message)); callback()",
    "a part of an answer": HANDLER % "try { f() } catch (e) { console.error(e.response?.status) } callback()",
    "what follows from the event": HANDLER % "console.log(event && event.CallSid, event.x ? 'a' : 'b'); callback()",
    "the type of an error": HANDLER % "try { f() } catch (e) { console.log(e instanceof TypeError) } callback()",
    "a package that may be missing": HANDLER % "let x; try { x = require('fast-json') } catch { x = JSON } callback()",
    "parameters taken apart": "exports.handler = ({ A }, { To }, callback) => { console.log(To); callback(); };",
    "a class and a generator": "class A { #x = 1; static y = 2; *z() { yield this.#x } }\n" + HANDLER % "callback()",
}


@pytest.mark.parametrize("code", GOOD.values(), ids=GOOD)
def test_nothing_is_found_in_good_code(code: str) -> None:
    assert found(code) == []


BAD = {
    "no handler": ("const x = 1;\n", "error", "exports.handler is missing"),
    "a handler in a comment": ("// exports.handler = x\n", "error", "exports.handler is missing"),
    "a string": (HANDLER % "callback(null, 'OK')", "error", "the function returns a plain string"),
    "a template": (
        HANDLER % "callback(null, `<Response>${1}</Response>`)",
        "error",
        "the function returns a plain string",
    ),
    "toString": (
        HANDLER % (PARSES + "callback(null, twiml.toString())"),
        "error",
        "the function returns a plain string",
    ),
    "a string by its name": (
        HANDLER % (PARSES + "const xml = '<a>' + twiml; callback(null, xml)"),
        "error",
        "the function returns a plain string",
    ),
    "another name for callback": (
        "exports.handler = (c, e, done) => done(null, 'OK');",
        "error",
        "the function returns a plain string",
    ),
    "the event": (HANDLER % "console.log('got', event); callback()", "warning", "`event` is logged as a whole"),
    "the event, stringified": (
        HANDLER % "console.log(JSON.stringify({ ...event })); callback()",
        "warning",
        "`event` is logged as a whole",
    ),
    "the context": (HANDLER % "console.log(`${context}`); callback()", "warning", "`context` is logged as a whole"),
    "another name for event": (
        "exports.handler = (c, e, done) => { console.dir(e); done(); };",
        "warning",
        "`e` is logged as a whole",
    ),
    "an error": (
        HANDLER % "try { f() } catch (oops) { console.error(oops) } callback()",
        "warning",
        "`oops` is logged as a whole",
    ),
    "a rejection": (
        HANDLER % "await f().catch((oops) => console.error('x', oops)); callback()",
        "warning",
        "`oops` is logged as a whole",
    ),
    "a rejection, second of then": (
        HANDLER % "await f().then(g, (oops) => console.error(oops)); callback()",
        "warning",
        "`oops` is logged as a whole",
    ),
    "a rejection, unseen": (
        HANDLER % "await f().catch(console.error); callback()",
        "warning",
        "`the error` is logged as a whole",
    ),
    "the request of an error": (
        HANDLER % "try { f() } catch (e) { console.error(e?.config) } callback()",
        "warning",
        "`e.config` is logged as a whole",
    ),
    "an error as JSON": (
        HANDLER % "try { f() } catch (e) { console.error(JSON.stringify(e)) } callback()",
        "warning",
        "`e` is logged as a whole",
    ),
    "the headers of the event": (
        HANDLER % "console.log(event.request); callback()",
        "warning",
        "`event.request` is logged as a whole",
    ),
    "the event by another name": (
        HANDLER % "const all = { at: 1, ...event }; console.table(all); callback()",
        "warning",
        "`event` is logged as a whole",
    ),
    "the event's values": (
        HANDLER % "console.log(Object.values(event)); callback()",
        "warning",
        "`event` is logged as a whole",
    ),
    "the event in a helper": (
        "function tell(event) { console.log(event); }\n" + HANDLER % "tell(event); callback()",
        "warning",
        "`event` is logged as a whole",
    ),
    "an undeclared import": (
        HANDLER % "await import('lodash/fp'); callback()",
        "error",
        "the package `lodash` is required but not declared",
    ),
    "an undeclared package": (
        "require('lodash');\n" + HANDLER % "callback()",
        "error",
        "the package `lodash` is required but not declared",
    ),
    "a neighbour": ("require('./other');\n" + HANDLER % "callback()", "error", "`./other` cannot be required"),
}


@pytest.mark.parametrize(("code", "level", "what"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_found(code: str, level: str, what: str) -> None:
    assert [(one[0], one[1]) for one in found(code)] == [(level, what)]


def test_a_syntax_error_is_told_by_line() -> None:
    ((level, what, line),) = found("const a = 1;\nconst b = 2;\nconst c = ;\n")
    assert level == "error"
    assert what.startswith("the JavaScript does not parse")
    assert line == 3


def test_modules_of_another_kind_do_not_parse() -> None:
    ((_, what, line),) = found("import axios from 'axios';\nexport const handler = () => {};\n")
    assert what.startswith("the JavaScript does not parse")
    assert line == 1


def test_a_finding_names_the_users_file(tmp_path: Path) -> None:
    one = bundle(("/x", "protected", HANDLER % "callback(null, 'OK')"))
    one.sources["/x"] = str(tmp_path / "x.js.j2")
    (finding,) = lint(one, find_node())
    assert finding.at is not None
    assert (finding.at.file, finding.at.line) == (str(tmp_path / "x.js.j2"), 1)


def test_public_functions_are_told() -> None:
    assert found(HANDLER % "callback()", seen="public") == [("warning", "/x is public", 0)]


def test_a_function_that_is_too_large_is_told() -> None:
    assert found(HANDLER % "callback()" + "// " + "x" * 1_000_000)[0][1] == "/x is too large"


def test_a_hook_that_exports_nothing_is_told() -> None:
    assert [one[1] for one in found("const x = 1;\n", "/hooks/before-engage", "private")] == [
        "the hook exports nothing"
    ]
    assert found("module.exports = async (call, context) => ({});", "/hooks/before-engage", "private") == []
    for named in ("exports.hook = () => {};", "module.exports = { hook() {} };", "module.exports.hook = () => {};"):
        assert [one[1] for one in found(named, "/hooks/before-engage", "private")] == ["the hook exports no function"]
    for good in ("const hook = () => {};\nmodule.exports = hook;", "module.exports = require('axios').get;"):
        assert found(good, "/hooks/before-engage", "private") == []
    text = found(
        "module.exports = (call, context) => { const cb = (a, callback) => callback(null, 'x'); };",
        "/hooks/x",
        "private",
    )
    assert text == []
    logs = found("module.exports = async (call, context) => { console.log(call); };", "/hooks/before-engage", "private")
    assert [one[1] for one in logs] == ["`call` is logged as a whole"]


def test_without_node_it_says_so() -> None:
    (finding,) = lint(bundle(("/x", "protected", "const = ;")), None)
    assert finding.level == "warning"
    assert "not checked" in finding.what
    (broken,) = lint(bundle(("/x", "protected", "const = ;")), Path("/nowhere/node"))
    assert broken.level == "warning"


def test_our_own_functions_are_clean(deploy: Any) -> None:
    hooks = {"hooks": {"before_engage": "./h.js", "after_call": "./h.js"}, "flow": {"enabled": True}}
    made = deploy(hooks, files={"h.js": "module.exports = () => undefined;\n"})
    assert lint(made.bundle, find_node()) == ()
