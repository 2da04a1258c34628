"""Every error leaves as a problem document, with the request's id, and without what the client sent."""

import logging
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from smc_agent.api.decimal_json import dumps
from smc_agent.platform.problems import CONTENT_TYPE, KINDS, FieldError, Problem

log = logging.getLogger("smc_agent.api")


class FieldProblem(BaseModel):
    """What is wrong with one field, or one reason of a refusal."""

    field: str = Field(examples=["body.price"], description="where it is; empty for the request as a whole")
    code: str = Field(examples=["missing"])
    message: str = Field(examples=["Field required"])


class ProblemDocument(BaseModel):
    """An error after RFC 9457; `code` is stable, the sentences are not."""

    type: str = Field(examples=["urn:smc-agent:problem:validation_failed"])
    title: str = Field(examples=["The request does not fit"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["body.price: a limit order needs a price."])
    code: str = Field(examples=["validation_failed"], json_schema_extra={"enum": [*sorted(KINDS)]})
    errors: list[FieldProblem] = Field(default=[], description="field errors, or the reasons of a refusal")
    request_id: str = Field(examples=["3f0c9d2c5c1f4c06a6a9f3b9d7f8e012"], description="names this request in our logs")


def responses(*codes: str) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` of a route that may answer with these problem codes."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(KINDS[code].status, []).append(code)
    return {
        status: {
            "model": ProblemDocument,
            "description": "; ".join(f"`{code}`: {KINDS[code].title}" for code in of_status),
        }
        for status, of_status in sorted(by_status.items())
    }


def problem_response(request: Request, problem: Problem) -> Response:
    body = problem.body() | {"request_id": request.state.request_id}
    return Response(dumps(body), problem.status, problem.headers, CONTENT_TYPE)


def _of_validation(error: RequestValidationError) -> Problem:
    found = error.errors()
    for item in found:
        if item["type"] == "json_invalid":
            reason = str(item.get("ctx", {}).get("error", "syntax error"))[:200]
            return Problem("invalid_json", f"The body is not valid JSON: {reason}.")
    errors = tuple(
        FieldError(".".join(map(str, item["loc"])), item["type"], item["msg"].removeprefix("Value error, "))
        for item in found
    )
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return Problem("validation_failed", f"{first.field}: {first.message}{more}.", errors)


def _of_http(error: HTTPException) -> Problem:
    if error.status_code == 404:
        return Problem("not_found", "No such route; /openapi.json lists them all.")
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        return Problem("method_not_allowed", f"Allowed here: {allowed or 'another method'}.", headers=error.headers)
    if error.status_code == 413:
        return Problem("body_too_large", "A body may hold at most 64 KiB.")
    return Problem("invalid_json", "The body cannot be read.")


def add_error_handlers(app: FastAPI) -> None:
    """Make every error of `app` a problem document."""

    @app.exception_handler(Problem)
    async def _(request: Request, error: Problem) -> Response:
        return problem_response(request, error)

    @app.exception_handler(RequestValidationError)
    async def _(request: Request, error: RequestValidationError) -> Response:
        return problem_response(request, _of_validation(error))

    @app.exception_handler(HTTPException)
    async def _(request: Request, error: HTTPException) -> Response:
        return problem_response(request, _of_http(error))

    @app.exception_handler(Exception)
    async def _(request: Request, error: Exception) -> Response:
        # The type and the place say what broke; the message could hold what a user sent.
        log.error("unhandled %s [%s]", type(error).__name__, request.state.request_id, exc_info=error)
        return problem_response(request, Problem("internal_error", "This is our fault; report it with the request_id."))


def described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of `app`, its errors under the media type that they come as."""
    document = app.openapi_schema
    if document is None:
        document = get_openapi(
            title=app.title, version=app.version, summary=app.summary, description=app.description, routes=app.routes
        )
        for path in document["paths"].values():
            for operation in path.values():
                for status, response in operation["responses"].items():
                    if int(status) >= 400 and "application/json" in response["content"]:
                        response["content"] = {CONTENT_TYPE: response["content"]["application/json"]}
        for unused in ("HTTPValidationError", "ValidationError"):  # FastAPI's own shape, which no route answers with
            document["components"]["schemas"].pop(unused, None)
        app.openapi_schema = document
    return document
