"""Marks on the functions that are compiled into the machine. In Python they stay what they are: call and debug them."""

from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])
FUNCTIONS: dict[FunctionType, bool] = {}
"""The functions of the machine, and whether each is taken into its callers."""


def compiled(function: F) -> F:
    FUNCTIONS[cast(FunctionType, function)] = False
    return function


def inlined(function: F) -> F:
    """As `compiled`, for what runs on every bar: a call would copy the whole State."""
    FUNCTIONS[cast(FunctionType, function)] = True
    return function
