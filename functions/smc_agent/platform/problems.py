"""Errors as RFC 9457 problems: every one of them has a stable code, and the table below is the list of all."""

from collections.abc import Mapping
from typing import NamedTuple

CONTENT_TYPE = "application/problem+json"


class Kind(NamedTuple):
    status: int
    title: str


KINDS: dict[str, Kind] = {
    "invalid_json": Kind(400, "The body is not valid JSON"),
    "missing_credentials": Kind(401, "Credentials are missing"),
    "invalid_token": Kind(401, "The access token is not valid"),
    "token_expired": Kind(401, "The access token has expired"),
    "invalid_api_key": Kind(401, "The API key is not valid"),
    "api_key_expired": Kind(401, "The API key has expired"),
    "api_key_revoked": Kind(401, "The API key was revoked"),
    "inactive_user": Kind(403, "The account is not active"),
    "insufficient_scope": Kind(403, "The API key may not do this"),
    "not_found": Kind(404, "There is nothing at this address"),
    "unknown_portfolio": Kind(404, "No such portfolio"),
    "unknown_order": Kind(404, "No such order"),
    "unknown_market": Kind(404, "No bars of this market"),
    "method_not_allowed": Kind(405, "This address does not answer to that method"),
    "idempotency_conflict": Kind(409, "The Idempotency-Key was used for another request"),
    "body_too_large": Kind(413, "The body is too large"),
    "validation_failed": Kind(422, "The request does not fit"),
    "portfolio_required": Kind(422, "Say which portfolio"),
    "unknown_symbol": Kind(422, "This symbol is not traded here"),
    "unsupported_timeframe": Kind(422, "This time frame cannot be made of the stored bars"),
    "order_refused": Kind(422, "The order was refused"),
    "too_many_bars": Kind(422, "The period holds too many bars"),
    "rate_limited": Kind(429, "Too many requests"),
    "backtest_busy": Kind(429, "Too many backtests are running"),
    "internal_error": Kind(500, "Something broke on our side"),
    "command_not_accepted": Kind(502, "The executor does not accept the API's commands"),
    "database_unavailable": Kind(503, "The database does not answer"),
    "executor_unavailable": Kind(503, "The executor does not answer"),
    "no_price": Kind(503, "There is no price to judge the order by"),
}


class FieldError(NamedTuple):
    """What is wrong with one field: where it is ('body.price'), a stable code, and a sentence."""

    field: str
    code: str
    message: str


class Problem(Exception):
    """An error that a client is told: a code of KINDS, what happened and what cures it."""

    def __init__(
        self,
        code: str,
        detail: str,
        errors: tuple[FieldError, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code, self.detail, self.errors, self.headers = code, detail, errors, dict(headers or {})
        self.status, self.title = KINDS[code]

    def body(self) -> dict[str, object]:
        """The members of the problem document, without `instance`."""
        body: dict[str, object] = {
            "type": f"urn:smc-agent:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.errors:
            body["errors"] = [error._asdict() for error in self.errors]
        return body
