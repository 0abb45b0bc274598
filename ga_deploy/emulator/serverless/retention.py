"""What the platform throws away by itself. Twilio docs, Serverless API "Retention policy"; field reports for builds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ga_deploy.emulator.core.backend import Backend


def collect(backend: Backend) -> None:
    """Delete what is past its time: builds nobody runs, then versions in no build, then functions without versions;
    logs.

    What a live environment runs is never touched, however old.
    """
    store, rules = backend.store, backend.rules
    now = store.now()
    with store.transaction():
        store.query(
            "DELETE FROM builds WHERE updated<? AND sid NOT IN (SELECT build FROM environments WHERE build IS NOT NULL)"
            " AND outcome IS NOT NULL RETURNING sid",
            now - rules.keep_builds,
        )
        store.query(
            "DELETE FROM versions WHERE created<? AND sid NOT IN (SELECT version FROM build_versions) RETURNING sid",
            now - rules.keep_versions,
        )
        store.query(
            "DELETE FROM containers WHERE updated<? AND sid NOT IN (SELECT container FROM versions) RETURNING sid",
            now - rules.keep_versions,
        )
        store.query("DELETE FROM logs WHERE created<? RETURNING seq", now - rules.keep_logs)
        store.query("DELETE FROM documents WHERE expires<? RETURNING sid", now - rules.keep_expired)
        store.query("DELETE FROM maps WHERE expires<? RETURNING sid", now - rules.keep_expired)
        store.query("DELETE FROM items WHERE expires<? RETURNING seq", now - rules.keep_expired)
