"""Free TCP ports on loopback."""

import errno
import socket
from collections.abc import Iterable


class PortTaken(Exception):
    """No port is free; the message names those that were tried."""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def first_free(ports: Iterable[int]) -> int:
    """The first of `ports` that nobody listens on. Raises PortTaken."""
    tried = []
    for port in ports:
        with socket.socket() as probe:
            # As servers do: a port whose last connections are only fading out is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except PermissionError:
                raise PortTaken(f"Port {port} is not for this user. Choose one above 1023 with --port.") from None
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                tried.append(port)
    shown = str(tried[0]) if len(tried) == 1 else f"{tried[0]} to {tried[-1]}"
    raise PortTaken(f"Port {shown} is in use by another program. Choose a free one with --port.")
