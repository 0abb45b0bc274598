"""What the emulated APIs refuse, in Twilio's words and codes. Raised by the rules, answered by the server."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """A refusal: HTTP status, Twilio's code, message, and for Studio the `details`."""

    def __init__(self, status: int, code: int, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details

    def body(self) -> dict[str, Any]:
        """Return the JSON object that Twilio answers with."""
        answer = {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
        return answer if self.details is None else {**answer, "details": self.details}


def invalid(message: str, code: int = 20001) -> ApiError:
    """Return the 400 that Serverless uses for nearly everything."""
    return ApiError(400, code, message)


def missing(parameter: str) -> ApiError:
    """Return the 400 for a required parameter that is absent or empty."""
    return invalid(f"Missing required parameter {parameter} in the post body")


def not_found(path: str, code: int = 20404) -> ApiError:
    """Return the 404 for a path, which Twilio shows without its version part."""
    return ApiError(404, code, f"The requested resource {path} was not found")


def conflict(message: str, code: int = 20409) -> ApiError:
    """Return a 409."""
    return ApiError(409, code, message)


def unauthorized() -> ApiError:
    """Return the 401 that says nothing about which half of the credentials is wrong."""
    return ApiError(401, 20003, "Authenticate")


def forbidden(message: str = "Forbidden") -> ApiError:
    """Return the 403 for a key that lacks a permission."""
    return ApiError(403, 20403, message)


def method_not_allowed() -> ApiError:
    """Return the 405."""
    return ApiError(405, 20004, "Method not allowed")


def too_many_requests() -> tuple[int, dict[str, Any]]:
    """Return status and body of the 429 of Twilio's front door, whose spelling differs from every other error.

    Source: the body quoted in issue serverless-api#37.
    """
    return 429, {
        "status": 429,
        "message": "Too many requests",
        "detail": "Concurrency limit reached; the request was not processed",
        "code": 20429,
        "moreInfo": "https://www.twilio.com/docs/errors/20429",
    }
