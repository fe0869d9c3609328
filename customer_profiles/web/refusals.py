"""How a request is refused: a status, a code and a message in one shape, which never repeats what was sent."""

from __future__ import annotations

from http import HTTPStatus

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException


class Refused(Exception):
    """A request that is not taken, and what its sender can do about it."""

    def __init__(self, status: int, code: str, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after


def answer(content: object, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(orjson.dumps(content), status, media_type="application/json")


def refuse_alike(app: FastAPI) -> None:
    """Let every error of the application leave in the same shape."""

    async def refused(_request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        response = refusal(error.status, error.code, error.message)
        if error.retry_after is not None:
            response.headers["Retry-After"] = str(error.retry_after)
        return response

    async def http_error(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        status = HTTPStatus(error.status_code)
        response = refusal(status, status.name.lower(), f"{status.phrase}.")
        response.headers.update(error.headers or {})
        return response

    async def invalid(_request: Request, error: Exception) -> Response:
        # FastAPI's own answer repeats the values.
        assert isinstance(error, RequestValidationError)
        places = ", ".join(".".join(map(str, one["loc"])) for one in error.errors())
        return refusal(400, "invalid_request", f"These parts are missing or of a wrong type: {places}.")

    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, invalid)


def refusal(status: int, code: str, message: str) -> Response:
    """An answer that says why a request is refused."""
    return answer({"success": False, "code": code, "message": message}, status)
