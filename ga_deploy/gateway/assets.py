"""Serverless v1: assets and their versions. Twilio gives no content of an asset back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.gateway.builds import read_asset_version
from ga_deploy.gateway.creation import create_once
from ga_deploy.gateway.endpoints import Product
from ga_deploy.gateway.http import Attachment, TwilioHttp
from ga_deploy.gateway.serverless import DATE_MARGIN, PAGE, is_since, read_function

if TYPE_CHECKING:
    from ga_deploy.model.bundle import AssetFile
    from ga_deploy.model.serverless import AssetVersion, FunctionResource
    from ga_deploy.model.sids import FunctionSid, ServiceSid


class AssetCalls:
    """Assets of a service. All methods raise errors of `errors`."""

    _http: TwilioHttp

    def list_assets(self, service: ServiceSid) -> list[FunctionResource]:
        """Return all assets of a service."""
        answers = self._http.list(Product.SERVERLESS, f"/Services/{service}/Assets", "assets", PAGE)
        return [read_function(answer) for answer in answers]

    def create_asset(self, service: ServiceSid, friendly_name: str) -> FunctionResource:
        """Create an asset without versions. After a lost answer one of that name that was made since is taken."""
        started = self._http.transport.server_now() - DATE_MARGIN
        path = f"/Services/{service}/Assets"

        def find() -> FunctionResource | None:
            answers = self._http.list(Product.SERVERLESS, path, "assets", PAGE)
            named = (one for one in answers if one.text_or("friendly_name") == friendly_name and is_since(one, started))
            return next(map(read_function, named), None)

        return create_once(
            self._http.transport,
            lambda: read_function(self._http.create(Product.SERVERLESS, path, {"FriendlyName": friendly_name})),
            find,
        )

    def delete_asset(self, service: ServiceSid, asset: FunctionSid) -> None:
        """Delete an asset that no build contains. For `destroy` only."""
        self._http.delete(Product.SERVERLESS, f"/Services/{service}/Assets/{asset}")

    def upload_asset(self, service: ServiceSid, asset: FunctionSid, file: AssetFile) -> AssetVersion:
        """Upload a document as a new, public, immutable version.

        After a lost answer a version of that path that was made since is taken: the path tells the content.
        """
        started = self._http.transport.server_now() - DATE_MARGIN
        path = f"/Services/{service}/Assets/{asset}/Versions"
        name = file.path.rpartition("/")[2]
        attachment = Attachment("Content", name, file.content.encode(), content_type="text/xml")

        def find() -> AssetVersion | None:
            for answer in self._http.list(Product.SERVERLESS, path, "asset_versions", {"PageSize": 5}, limit=5):
                version = read_asset_version(answer)
                if version.path == file.path and version.visibility == "public" and is_since(answer, started):
                    return version
            return None

        fields = {"Path": file.path, "Visibility": "public"}
        return create_once(
            self._http.transport,
            lambda: read_asset_version(self._http.upload(path, fields, attachment)),
            find,
        )
