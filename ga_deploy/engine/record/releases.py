"""Releases in the record: read the newest, write the next, remove the oldest. And the intent of an unfinished run."""

from __future__ import annotations

import json
import secrets
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ga_deploy.engine.record.codec import (
    RELEASE_KEY,
    chunk_numbers,
    count_number_parts,
    pack_intent,
    pack_numbers,
    pack_release,
    unpack_intent,
    unpack_numbers,
    unpack_release,
)
from ga_deploy.errors import ApiProblem
from ga_deploy.events import Report, Warned, ignore
from ga_deploy.model.release import Intent, Record, Release, ReleasedVariable
from ga_deploy.redact import Secret, fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.engine.parallel import Pool
    from ga_deploy.engine.record.store import Records
    from ga_deploy.model.sync import SyncItem

INTENT_KEY = "unfinished"
# Per set of functions, as a history and for rollbacks. Twilio deletes the builds of older ones long before.
KEPT_RELEASES = 50
# Listing all of them costs a request or two, so it happens only every tenth release.
_PRUNE_EVERY = 10
# One page: the newest releases of every set of functions in the environment, and the intent.
_NEWEST = 20
# Bytes. If the numbers need more, they get separate items.
_NUMBERS_INLINE = 4_000
_SPILLED = "bindings."


def read_record(records: Records, function_set: str, report: Report = ignore) -> Record:
    """Return what the record says about `function_set`; an unreadable item is skipped with a warning.

    The latest release has all its numbers, also those in separate items.
    """
    items = records.newest(_NEWEST)
    record = _read_items(items, function_set, records.where, report)
    if record.latest is None and len(items) == _NEWEST:
        # Other configs of this environment have filled the first page.
        items = sorted(records.starting_with(""), key=lambda item: item.key, reverse=True)
        record = _read_items(items, function_set, records.where, report)
    if record.latest is None or record.latest.numbers:
        return record
    parts = next(count_number_parts(item) for item in items if item.key == _release_key(record.latest.number))
    if parts == 0:
        return record
    spilled = records.starting_with(f"{_SPILLED}{record.latest.number:06d}.")
    return replace(record, latest=_with_spilled_numbers(record.latest, spilled, parts, report))


def list_releases(records: Records, function_set: str | None, report: Report = ignore) -> list[Release]:
    """Return all releases of the environment (of one set, if given), newest first, with all their numbers."""
    releases = []
    spilled = records.starting_with(_SPILLED)
    for item in reversed(records.starting_with("release.")):
        release = _read_release(item, report)
        if release is not None and function_set in (None, release.function_set):
            releases.append(_with_spilled_numbers(release, spilled, count_number_parts(item), report))
    return releases


def write_release(records: Records, release: Release) -> None:
    """Write a release, its numbers in separate items first, so that a readable release is complete."""
    inline = dict(release.numbers)
    chunks = chunk_numbers(inline) if len(json.dumps(pack_numbers(inline))) > _NUMBERS_INLINE else []
    for part, chunk in enumerate(chunks):
        records.put(f"{_SPILLED}{release.number:06d}.{part:03d}", {"numbers": pack_numbers(chunk)})
    content = pack_release(release, {} if chunks else inline, len(chunks))
    records.put(_release_key(release.number), content)


def write_intent(records: Records, intent: Intent) -> None:
    """Record what is about to be created, so that the next run recognizes it if this one is killed."""
    records.put(INTENT_KEY, pack_intent(intent))


def prune_releases(records: Records, pool: Pool, newest: int) -> None:
    """Remove the oldest releases, at every tenth release; `newest` is the release that was just written.

    The newest `KEPT_RELEASES` of each set of functions stay. A failure is ignored: the next time removes them.
    """
    if newest % _PRUNE_EVERY:
        return
    with suppress(ApiProblem):
        kept, gone = _choose_kept(records.starting_with("release."))
        spilled = [item.key for item in records.starting_with(_SPILLED)]
        # Numbers of a release that was never written (its run was killed) are removed as well.
        stray = [key for key in spilled if key.split(".")[1] not in kept and key.split(".")[1] <= f"{newest:06d}"]
        pool.gather(partial(records.remove, key) for key in (*gone, *stray))


def _choose_kept(items: list[SyncItem]) -> tuple[set[str], list[str]]:
    """Return the numbers of the releases that stay, and the keys of those that go."""
    kept: set[str] = set()
    gone = []
    counts: dict[str, int] = {}
    for item in reversed(items):
        function_set = str(item.data.get("set"))
        counts[function_set] = counts.get(function_set, 0) + 1
        if counts[function_set] > KEPT_RELEASES:
            gone.append(item.key)
        else:
            kept.add(item.key.removeprefix("release."))
    return kept, gone


def choose_salt(latest: Release | None) -> str:
    """Return the salt of the record's fingerprints: that of its newest release, else a new random one."""
    return (latest.salt if latest else "") or secrets.token_hex(16)


def record_variable(value: str | Secret, *, made: bool, salt: str) -> ReleasedVariable:
    """Return a variable as a release with that salt stores it: a secret only as its fingerprint."""
    if isinstance(value, Secret):
        return ReleasedVariable(made=made, fingerprint=value.fingerprint(salt))
    return ReleasedVariable(made=made, value=value)


def digest_variables(variables: Mapping[str, str | Secret], salt: str) -> str:
    """Return one fingerprint of all the variables, names and values, with the salt of a release."""
    plain = {key: value.reveal() if isinstance(value, Secret) else value for key, value in variables.items()}
    return fingerprint(json.dumps(plain, sort_keys=True), salt)


def _read_items(items: list[SyncItem], function_set: str, where: str, report: Report) -> Record:
    latest: Release | None = None
    last_number = 0
    intent: Intent | None = None
    for item in items:
        if item.key == INTENT_KEY:
            intent = unpack_intent(item)
        found = RELEASE_KEY.fullmatch(item.key)
        if not found:
            continue
        last_number = max(last_number, int(found.group(1)))
        if latest is None:
            release = _read_release(item, report)
            if release is not None and release.function_set == function_set:
                latest = release
    if intent is not None and (intent.function_set != function_set or intent.release <= last_number):
        intent = None
    return Record(where=where, latest=latest, last_number=last_number, intent=intent)


def _read_release(item: SyncItem, report: Report) -> Release | None:
    try:
        return unpack_release(item)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        report(
            Warned(
                f"the record's item `{item.key}` cannot be read",
                why=f"{type(error).__name__}: {error}; it is ignored, and ga-deploy reads everything from Twilio",
                fix="run `ga-deploy up`, which writes a new one",
            )
        )
        return None


def _with_spilled_numbers(release: Release, spilled: list[SyncItem], parts: int | None, report: Report) -> Release:
    """Return a release with its numbers from separate items, of which there should be `parts`."""
    numbers = dict(release.numbers)
    read = 0
    for item in spilled:
        if item.key.startswith(f"{_SPILLED}{release.number:06d}."):
            with suppress(KeyError, ValueError, TypeError):
                numbers.update(unpack_numbers(item.data["numbers"]))
                read += 1
    if parts is not None and read < parts:
        report(
            Warned(
                f"the record does not hold all numbers of release {release.name}",
                why=f"{parts - read} of {parts} items of numbers are missing or cannot be read",
                fix="run `ga-deploy up` after a change, which writes a new release",
            )
        )
    return replace(release, numbers=numbers)


def _release_key(number: int) -> str:
    return f"release.{number:06d}"
