"""Risk: a signal or a hand-made order in, an approved order or a refusal with its reason out. Pure."""

from smc_agent.risk.account import AccountView, Balance, Book, OpenOrder
from smc_agent.risk.assess import assess
from smc_agent.risk.by_hand import OrderPreview, OrderRequest, assess_order, preview_order
from smc_agent.risk.intent import OrderIntent, OrderType, Refusal, Side
from smc_agent.risk.limits import RiskLimits

__all__ = [
    "AccountView",
    "Balance",
    "Book",
    "OpenOrder",
    "OrderIntent",
    "OrderPreview",
    "OrderRequest",
    "OrderType",
    "Refusal",
    "RiskLimits",
    "Side",
    "assess",
    "assess_order",
    "preview_order",
]
