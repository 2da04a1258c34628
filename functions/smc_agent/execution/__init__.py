"""Execution: one trading session's decisions, and the signed commands that carry them to the executor."""

from smc_agent.execution.client import (
    Answer,
    ExecutorAway,
    ExecutorClient,
    ExecutorError,
    Snapshot,
    UnknownAccount,
    WrongToken,
)
from smc_agent.execution.commands import cancel_payload, place_payload, sign
from smc_agent.execution.decisions import Cancel, Decision, Place, Refused
from smc_agent.execution.session import SessionConfig
from smc_agent.execution.trader import Figures, Trader

__all__ = [
    "Answer",
    "Cancel",
    "Decision",
    "ExecutorAway",
    "ExecutorClient",
    "ExecutorError",
    "Figures",
    "Place",
    "Refused",
    "SessionConfig",
    "Snapshot",
    "Trader",
    "UnknownAccount",
    "WrongToken",
    "cancel_payload",
    "place_payload",
    "sign",
]
