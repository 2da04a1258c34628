"""Checks that a part serves, for the supervisor."""

import asyncio
import json
from urllib.parse import urlsplit

from .supervisor import NotReady, Ready


def http_ok(url: str) -> Ready:
    """Ready when GET `url` (http, loopback) answers 2xx."""

    async def check() -> None:
        status, body = await get(url)
        if not 200 <= status < 300:
            raise NotReady(f"GET {url} answered {status} {_shorten(body)}".rstrip())

    return check


def tcp_open(host: str, port: int) -> Ready:
    """Ready when a connection is accepted."""

    async def check() -> None:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError as error:
            raise NotReady(f"{host}:{port}: {error.strerror or error}") from None
        writer.close()

    return check


async def get(url: str) -> tuple[int, bytes]:
    """Status and body of GET `url`, without proxies or a client to keep. Raises NotReady where nobody answers."""
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        raise NotReady(f"{host}:{port}: {error.strerror or error}") from None
    try:
        writer.write(f"GET {parts.path or '/'} HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        return int(head.split(None, 2)[1]), body
    except (OSError, IndexError, ValueError):
        raise NotReady(f"GET {url}: no HTTP answer") from None
    finally:
        writer.close()


def _shorten(body: bytes) -> str:
    try:
        return json.dumps(json.loads(body))[:300]
    except ValueError:
        return ""
