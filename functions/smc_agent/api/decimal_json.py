"""JSON without floats: numbers come in as Decimal and go out with all their digits."""

import json
from collections.abc import Callable, Coroutine
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, BeforeValidator, PlainSerializer, WithJsonSchema

MAX_INTEGER_DIGITS = 12  # numeric(20,8), as the tables have it
MAX_DECIMALS = 8


def _refuse_constant(name: str) -> Any:
    raise json.JSONDecodeError(f"{name} is not a JSON number", name, 0)


class DecimalRequest(Request):
    """A request whose JSON body keeps every digit that was sent."""

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            body = await self.body()
            try:
                self._json = json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)
            except json.JSONDecodeError:
                raise
            except (ValueError, RecursionError) as error:  # not UTF-8, thousands of digits, nested without end
                raise json.JSONDecodeError(str(error), "", 0) from error
        return self._json


class DecimalRoute(APIRoute):
    """Gives its handler a DecimalRequest."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def with_decimals(request: Request) -> Response:
            return await handler(DecimalRequest(request.scope, request.receive))

        return with_decimals


def _parse_decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise ValueError("must be a number, or a string that holds one")
    try:
        number = Decimal(value)
    except ArithmeticError as error:
        raise ValueError("must be a number, or a string that holds one") from error
    if not number.is_finite():
        raise ValueError("must be finite")
    if number.adjusted() >= MAX_INTEGER_DIGITS:
        raise ValueError(f"must be below 10^{MAX_INTEGER_DIGITS}")
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    if exponent < -MAX_DECIMALS and number != round(number, MAX_DECIMALS):
        raise ValueError(f"must not have more than {MAX_DECIMALS} decimals")
    return number


def plain(number: Decimal) -> str:
    """All the digits and no more: 1E+3 -> '1000', 0.10 -> '0.1'."""
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


# A number that comes in: a JSON number or a string, exact.
Given = Annotated[Decimal, BeforeValidator(_parse_decimal, json_schema_input_type=float | str)]
# A number that goes out: a JSON number with all its digits.
Number = Annotated[Decimal, WithJsonSchema({"type": "number"})]
# Any other amount that goes out: a decimal string.
Amount = Annotated[
    Decimal,
    PlainSerializer(plain, return_type=str),
    WithJsonSchema({"type": "string", "description": "a decimal"}),
]


def dumps(value: object) -> str:
    """JSON of dicts, lists, strings, Decimals (as numbers), UUIDs and datetimes (ISO 8601, UTC as Z)."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(str(key))}:{dumps(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(dumps, value)) + "]"
    if isinstance(value, datetime):
        return json.dumps(value.isoformat().replace("+00:00", "Z"))
    if isinstance(value, UUID):
        return f'"{value}"'
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def answer(model: BaseModel, status: int = 200) -> Response:
    """The model as a JSON response; given back as it is, so that nothing turns its Decimals into strings or floats."""
    return Response(dumps(model.model_dump()), status, media_type="application/json")
