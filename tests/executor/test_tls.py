"""TLS to Postgres, as the URL's sslmode says."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.conftest import Database
from tests.executor.running_executor import BINARY, Executor

SSL_REQUEST = bytes([0, 0, 0, 8, 4, 210, 22, 47])


class Authority:
    """Signs certificates for servers."""

    def __init__(self, folder: Path, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(self.name, self.key.public_key(), None)
        self.pem = folder / f"{name}.pem"
        self.pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, host: str | None) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
        )
        if host is not None:
            address = x509.IPAddress(ipaddress.ip_address(host))
            builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def context(self, folder: Path, host: str) -> ssl.SSLContext:
        """A server's, with a certificate for `host`."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "postgres")])
        path = folder / f"{host}.pem"
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        certificate = self._sign(subject, key.public_key(), host)
        path.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


class TlsFront:
    """TLS in front of a Postgres that was built without: answers the SSLRequest, passes on what is inside."""

    def __init__(self, target: int, context: ssl.SSLContext) -> None:
        self._target, self._context = target, context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.encrypted = self.plain = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if client.recv(8, socket.MSG_PEEK) == SSL_REQUEST:
                client.recv(8)
                client.sendall(b"S")
                client = self._context.wrap_socket(client, server_side=True)
                self.encrypted += 1
            else:
                self.plain += 1
            server = socket.create_connection(("127.0.0.1", self._target))
            threading.Thread(target=pump, args=(server, client), daemon=True).start()
            pump(client, server)


def pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@pytest.fixture
def front(database: Database, authority: Authority, tmp_path: Path) -> Iterator[Callable[[str], TlsFront]]:
    """A TLS front of the database, its certificate for the given address."""
    made: list[TlsFront] = []

    def make(host: str) -> TlsFront:
        made.append(TlsFront(database.server.port, authority.context(tmp_path, host)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def check(executor: Executor) -> str:
    """What `executor check` says of the database."""
    executor.config_path.write_text(json.dumps(executor.config))
    executor.config_path.chmod(0o600)
    command = [str(BINARY), "check", "--config", str(executor.config_path)]
    out = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (out.stdout + out.stderr).splitlines()
    return next((line for line in lines if "database" in line), "\n".join(lines))


def test_sslmode_decides(
    front: Callable[[str], TlsFront], database: Database, authority: Authority, tmp_path: Path,
    make_executor: Callable[..., Executor],
) -> None:  # fmt: skip
    server = front("127.0.0.1")
    stranger = Authority(tmp_path, "stranger").pem
    url = database.executor.replace(f":{database.server.port}/", f":{server.port}/")
    for options, good, encrypted in [
        ("sslmode=disable", True, False),
        ("sslmode=prefer", True, True),
        ("sslmode=require", True, True),
        (f"sslmode=require&sslrootcert={authority.pem}", True, True),
        (f"sslmode=require&sslrootcert={stranger}", False, False),
        (f"sslmode=verify-ca&sslrootcert={authority.pem}", True, True),
        (f"sslmode=verify-full&sslrootcert={authority.pem}", True, True),
        (f"sslmode=verify-full&sslrootcert={stranger}", False, False),
        ("sslmode=verify-full", False, False),  # nobody whom everybody trusts has signed it
    ]:
        before = server.encrypted
        said = check(make_executor(database_url=f"{url}?{options}"))
        assert said.startswith("ok     database" if good else "WRONG  database"), (options, said)
        assert good or "UnknownIssuer" in said, said
        assert server.encrypted == before + encrypted, options
    said = check(make_executor(database_url=f"{url}?sslmode=verify-ca&sslrootcert=/no/such.pem"))
    assert "/no/such.pem" in said
    assert database.server.passwords["smc_executor"] not in said


def test_a_certificate_for_another_name_is_good_for_its_authority_only(
    front: Callable[[str], TlsFront], database: Database, authority: Authority, make_executor: Callable[..., Executor]
) -> None:
    url = database.executor.replace(f":{database.server.port}/", f":{front('10.1.2.3').port}/")
    full = check(make_executor(database_url=f"{url}?sslmode=verify-full&sslrootcert={authority.pem}"))
    assert full.startswith("WRONG  database"), full
    assert "not valid for" in full
    ca = check(make_executor(database_url=f"{url}?sslmode=verify-ca&sslrootcert={authority.pem}"))
    assert ca.startswith("ok     database"), ca


def test_a_server_without_tls_is_refused_by_require_only(
    database: Database, make_executor: Callable[..., Executor]
) -> None:
    assert check(make_executor(database_url=f"{database.executor}?sslmode=prefer")).startswith("ok     database")
    refused = check(make_executor(database_url=f"{database.executor}?sslmode=require"))
    assert refused.startswith("WRONG  database"), refused


def test_lease_and_rows_go_over_tls(
    front: Callable[[str], TlsFront], database: Database, authority: Authority, make_executor: Callable[..., Executor]
) -> None:
    server = front("127.0.0.1")
    url = database.executor.replace(f":{database.server.port}/", f":{server.port}/")
    executor = make_executor(database_url=f"{url}?sslmode=verify-full&sslrootcert={authority.pem}").start()
    assert executor.place(price="45000")["status"] == "accepted"
    assert (server.encrypted >= 3, server.plain) == (True, 0)
