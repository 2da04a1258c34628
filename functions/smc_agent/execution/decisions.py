"""What a trading session decides at the close of a bar."""

from dataclasses import dataclass
from uuid import UUID, uuid5

from smc_agent.risk import OrderIntent
from smc_agent.strategy import Signal


@dataclass(frozen=True, slots=True)
class Place:
    """Send this order; `intent.order_id` is its command id."""

    intent: OrderIntent
    signal: Signal


@dataclass(frozen=True, slots=True)
class Cancel:
    """Take back what is left of an entry."""

    order_id: str
    reason: str

    @property
    def command_id(self) -> str:
        """uuid5(order id, "cancel"): the same cancel is the same command, however often it is decided."""
        return str(uuid5(UUID(self.order_id), "cancel"))


@dataclass(frozen=True, slots=True)
class Refused:
    """A signal that risk did not let pass: kept, as a taken one is."""

    signal: Signal
    code: str
    reason: str


Decision = Place | Cancel | Refused
