"""Each breaker trips at its limit, not before, and says why."""

from decimal import Decimal

from smc_agent.risk import RiskLimits
from smc_agent.risk.breakers import daily_loss, drawdown, exposure

LIMITS = RiskLimits(max_daily_loss=Decimal("0.03"), max_drawdown=Decimal("0.15"), max_exposure=Decimal("0.5"))


def test_daily_loss() -> None:
    assert daily_loss(Decimal("97000.01"), Decimal(100_000), LIMITS) is None
    reason = daily_loss(Decimal(97_000), Decimal(100_000), LIMITS)
    assert reason is not None
    assert "3 %" in reason
    assert "next UTC day" in reason


def test_drawdown() -> None:
    assert drawdown(Decimal("85000.01"), Decimal(100_000), LIMITS) is None
    reason = drawdown(Decimal(85_000), Decimal(100_000), LIMITS)
    assert reason is not None
    assert "15 %" in reason
    assert "To go on, end it and open a new session" in reason


def test_exposure() -> None:
    assert exposure(Decimal(50_000), Decimal(100_000), LIMITS) is None
    reason = exposure(Decimal(50_001), Decimal(100_000), LIMITS)
    assert reason is not None
    assert "50 %" in reason


def test_an_empty_account_trips_nothing() -> None:
    zero = Decimal(0)
    assert daily_loss(zero, zero, LIMITS) is None
    assert drawdown(zero, zero, LIMITS) is None
    assert exposure(zero, zero, LIMITS) is None
