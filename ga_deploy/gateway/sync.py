"""Sync v1 in the account's default service: documents and maps, where the release record and the lock are kept.

Facts: Twilio docs, Sync "Mutation and Conflict Resolution", errors 54010, 54103, 54200, 54205, 54208 and 54301.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ga_deploy.errors import ApiProblem, Conflict, NotFound
from ga_deploy.gateway.creation import create_once
from ga_deploy.gateway.endpoints import Product
from ga_deploy.gateway.http import TwilioHttp, quoted
from ga_deploy.gateway.problems import RevisionMoved
from ga_deploy.model.sync import SyncDocument, SyncItem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.gateway.answers import Answer

_BASE = "/Services/default"

# Twilio docs, error 54200. Any other 404 may as well mean that the account has no Sync.
_NO_MAP = 54200

# Sync's description caps PageSize at 100, unlike the other products'.
_PAGE = {"PageSize": 100}


class SyncCalls:
    """Documents, and items of maps, by name. Contents are JSON objects of at most 16 KiB; `ttl` is in seconds, 0 keeps.

    All methods raise errors of `errors`; AccessDenied means that the credentials have no access to Sync.
    """

    _http: TwilioHttp

    def get_document(self, name: str) -> SyncDocument | None:
        """Return a document, which may be `expired`; None if there is none."""
        answer = self._http.find(Product.SYNC, f"{_BASE}/Documents/{quoted(name)}")
        return None if answer is None else read_document(answer)

    def create_document(self, name: str, content: Mapping[str, object], *, ttl: int = 0) -> SyncDocument:
        """Create a document: of several creators exactly one succeeds, the others get Conflict.

        A document of that name with the very same content is taken for our own, whose answer got lost; so put an id of
        the creator into it where that matters.
        """

        def find() -> SyncDocument | None:
            found = self.get_document(name)
            return found if found is not None and found.data == content else None

        form = {"UniqueName": name, **_form(content, ttl)}
        return create_once(
            self._http.transport,
            lambda: read_document(self._http.create(Product.SYNC, f"{_BASE}/Documents", form)),
            find,
        )

    def update_document(
        self, name: str, content: Mapping[str, object], *, ttl: int = 0, if_match: str | None = None
    ) -> SyncDocument:
        """Replace a document's content and time to live; with `if_match` only if it still has that revision.

        Raises RevisionMoved if it has not (unless what stands there is this very content, written by a first try whose
        answer got lost), NotFound if it is gone.
        """
        path = f"{_BASE}/Documents/{quoted(name)}"
        try:
            return read_document(self._http.update(Product.SYNC, path, _form(content, ttl), _match(if_match)))
        except ApiProblem as problem:
            if not _may_be_done(problem):
                raise
            found = self.get_document(name)
            if found is None or found.data != content:
                raise
            return found

    def delete_document(self, name: str) -> None:
        """Delete a document, whatever its revision."""
        self._http.delete(Product.SYNC, f"{_BASE}/Documents/{quoted(name)}")

    def ensure_map(self, name: str) -> None:
        """Create a map unless there is one of that name."""
        try:
            create_once(
                self._http.transport,
                lambda: self._http.create(Product.SYNC, f"{_BASE}/Maps", {"UniqueName": name}),
                lambda: self._http.find(Product.SYNC, f"{_BASE}/Maps/{quoted(name)}"),
            )
        except Conflict as problem:
            if problem.code != 54301:
                raise

    def delete_map(self, name: str) -> None:
        """Delete a map with its items."""
        self._http.delete(Product.SYNC, f"{_BASE}/Maps/{quoted(name)}")

    def list_items(
        self, name: str, *, newest_first: bool = False, limit: int | None = None, prefix: str = ""
    ) -> list[SyncItem]:
        """Return a map's items ordered by key (Twilio's order), backwards if asked; an empty list if there is no map.

        Raises NotFound where there is no Sync at all. `prefix` starts at the first key that is not less and stops after
        the last that begins so.
        """
        params: dict[str, object] = dict(_PAGE, PageSize=min(limit or 100, 100))
        if newest_first:
            params["Order"] = "desc"
        elif prefix:
            params |= {"From": prefix, "Bounds": "inclusive"}
        found: list[SyncItem] = []
        try:
            for page in self._http.pages(Product.SYNC, f"{_BASE}/Maps/{quoted(name)}/Items", "items", params):
                items = [read_item(answer) for answer in page]
                found += [item for item in items if item.key.startswith(prefix)]
                past = bool(prefix) and not newest_first and bool(items) and not items[-1].key.startswith(prefix)
                if past or (limit is not None and len(found) >= limit):
                    break
        except NotFound as problem:
            if problem.code != _NO_MAP and self._http.find(Product.SYNC, _BASE) is None:
                raise
            return []
        return found if limit is None else found[:limit]

    def get_item(self, name: str, key: str) -> SyncItem | None:
        """Return an item; None if there is none, or no such map."""
        answer = self._http.find(Product.SYNC, _item_path(name, key))
        return None if answer is None else read_item(answer)

    def put_item(
        self,
        name: str,
        key: str,
        content: Mapping[str, object],
        *,
        if_match: str | None = None,
        ttl: int = 0,
    ) -> SyncItem:
        """Write an item, making it and its map if need be; with `if_match` only over that revision of it.

        Raises RevisionMoved or NotFound where `if_match` no longer holds.
        """
        if if_match is not None:
            return self._replace_item(name, key, content, if_match, ttl)
        form = {"Key": key, **_form(content, ttl)}
        path = f"{_BASE}/Maps/{quoted(name)}/Items"

        def make() -> SyncItem:
            try:
                return read_item(self._http.create(Product.SYNC, path, form))
            except NotFound:
                self.ensure_map(name)
                return read_item(self._http.create(Product.SYNC, path, form))

        def find() -> SyncItem | None:
            try:
                return self._replace_item(name, key, content, None, ttl)
            except NotFound:
                return None

        return create_once(self._http.transport, make, find)

    def delete_item(self, name: str, key: str) -> None:
        """Delete an item."""
        self._http.delete(Product.SYNC, _item_path(name, key))

    def _replace_item(
        self, name: str, key: str, content: Mapping[str, object], if_match: str | None, ttl: int
    ) -> SyncItem:
        path = _item_path(name, key)
        try:
            return read_item(self._http.update(Product.SYNC, path, _form(content, ttl), _match(if_match)))
        except ApiProblem as problem:
            if not _may_be_done(problem):
                raise
            found = self.get_item(name, key)
            if found is None or found.data != content:
                raise
            return found


def read_document(answer: Answer) -> SyncDocument:
    """Read a document. Expired ones may linger: whether it is is judged by Twilio's clock at the time of the answer."""
    expires = answer.moment("date_expires")
    expired = expires is not None and answer.server_time is not None and expires.timestamp() <= answer.server_time
    return SyncDocument(
        unique_name=answer.text_or("unique_name"),
        revision=answer.text("revision"),
        data=answer.mapping("data"),
        date_expires=answer.optional_text("date_expires"),
        expired=expired,
        sid=answer.text("sid"),
    )


def read_item(answer: Answer) -> SyncItem:
    """Read an item of a map."""
    return SyncItem(answer.text("key"), answer.text("revision"), answer.mapping("data"))


def _item_path(name: str, key: str) -> str:
    return f"{_BASE}/Maps/{quoted(name)}/Items/{quoted(key)}"


def _form(content: Mapping[str, object], ttl: int) -> dict[str, object]:
    return {"Data": json.dumps(content, separators=(",", ":"), ensure_ascii=False), "Ttl": ttl}


def _match(revision: str | None) -> dict[str, str]:
    return {} if revision is None else {"If-Match": revision}


def _may_be_done(problem: ApiProblem) -> bool:
    """Tell whether a refused update may be the second try of one that was carried out; 54010: nothing to change."""
    return isinstance(problem, RevisionMoved) or problem.code == 54010
