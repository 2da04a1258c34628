"""A port that was claimed is ours: two agents that start at once get two addresses."""

import socket

import pytest

from smc_agent.local.ports import PortTaken, claim_first, free_ports


def test_what_is_claimed_cannot_be_claimed_again() -> None:
    first, second = free_ports(2)
    with claim_first([first, second]) as one, claim_first([first, second]) as two:
        assert [one.getsockname()[1], two.getsockname()[1]] == [first, second]
        with pytest.raises(PortTaken, match=f"Port {first} to {second} is in use"):
            claim_first([first, second])
        # It listens from the start: who comes before the gateway serves waits, instead of being refused.
        socket.create_connection(("127.0.0.1", first), timeout=5).close()
    claim_first([first]).close()
