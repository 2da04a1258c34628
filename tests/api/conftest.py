"""The API against a real Postgres."""

import json
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from tests.api.desk import Desk, open_desk
from tests.api.world import World, open_world
from tests.conftest import Database


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    async with open_world(database.owner, database.functions) as made:
        yield made


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with world.client() as made:
        yield made


@pytest.fixture
def httpserver_jwks() -> Iterator[tuple[ec.EllipticCurvePrivateKey, str]]:
    """A project that signs with ES256: its private key, and the URL under which its public keys are published."""
    private = ec.generate_private_key(ec.SECP256R1())
    key = json.loads(ECAlgorithm.to_jwk(private.public_key())) | {"kid": "k1", "alg": "ES256", "use": "sig"}

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/auth/v1/.well-known/jwks.json"
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(json.dumps({"keys": [key]}).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield private, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def desk(world: World, database: Database, tmp_path: Path) -> Iterator[Desk]:
    with open_desk(world, database.executor, tmp_path) as made:
        yield made


@pytest.fixture
async def trading(world: World, desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API that has an executor."""
    async with world.client(world.app(**desk.settings)) as made:
        yield made
