"""Free TCP ports on loopback."""

import errno
import secrets
import socket
from collections.abc import Iterable

# Below the range from which systems take the ports of outgoing connections (from 32768 on Linux, 49152 on others):
# a part that is started again finds its port still free.
OURS = range(20_000, 32_000)


class PortTaken(Exception):
    """No port is free; the message names those that were tried."""


def free_ports(count: int) -> list[int]:
    """`count` different ports that nobody listens on now."""
    found: list[int] = []
    for port in secrets.SystemRandom().sample(OURS, 50 * count):
        if _is_free(port):
            found.append(port)
            if len(found) == count:
                return found
    raise PortTaken(f"No {count} free ports from {OURS.start} to {OURS.stop - 1} on 127.0.0.1. Stop what holds them.")


def claim_first(ports: Iterable[int]) -> socket.socket:
    """A socket that listens on the first of `ports` that is free: from then on nobody else can have it.

    Raises PortTaken.
    """
    tried = []
    for port in ports:
        if (claimed := _claim(port)) is not None:
            claimed.listen(2048)
            return claimed
        tried.append(port)
    shown = str(tried[0]) if len(tried) == 1 else f"{tried[0]} to {tried[-1]}"
    raise PortTaken(f"Port {shown} is in use by another program. Choose a free one with --port.")


def _is_free(port: int) -> bool:
    if (claimed := _claim(port)) is None:
        return False
    claimed.close()
    return True


def _claim(port: int) -> socket.socket | None:
    claimed = socket.socket()
    # As servers do: a port whose last connections are only fading out is free.
    claimed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        claimed.bind(("127.0.0.1", port))
    except PermissionError:
        claimed.close()
        raise PortTaken(f"Port {port} is not for this user. Choose one above 1023 with --port.") from None
    except OSError as error:
        claimed.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return None
    return claimed
