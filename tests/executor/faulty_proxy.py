"""A TCP proxy in front of the venue that can lose a request, lose an answer, or hold everything back."""

from __future__ import annotations

import contextlib
import json
import socket
import threading


class FaultyProxy:
    """Listens on a free port; `seen` are the requests that came in: "POST /path", or a WebSocket's "order.place"."""

    def __init__(self, target: str) -> None:
        host, port = target.rsplit(":", 1)
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.seen: list[str] = []
        self._faults: list[tuple[str, str]] = []
        self._open: set[socket.socket] = set()
        self._paused = False
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_next(self, what: str, request: str) -> None:
        """Loses the next `request` (as `seen` has it): the "request" itself, or only the "answer" to it."""
        with self._lock:
            self._faults.append((what, request))

    def pause(self) -> None:
        """Cuts every connection and takes none until `resume`."""
        with self._lock:
            self._paused = True
            cut = list(self._open)
        for end in cut:
            shut(end)

    def resume(self) -> None:
        with self._lock:
            self._paused = False

    def close(self) -> None:
        self.pause()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._paused:
                    client.close()
                    continue
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with socket.create_connection(self._target) as venue:
                self._pass_requests(client, venue)
        except OSError:
            pass
        finally:
            shut(client)

    def _pass_requests(self, client: socket.socket, venue: socket.socket) -> None:
        with self._lock:
            self._open |= {client, venue}
        try:
            mute = threading.Event()
            threading.Thread(target=self._pass_answers, args=(venue, client, mute), daemon=True).start()
            while data := client.recv(65536):
                request = request_in(data)
                if request:
                    self.seen.append(request)
                fault = self._take(request)
                if fault == "request":
                    break
                if fault == "answer":
                    mute.set()
                venue.sendall(data)
        finally:
            # A client that was killed resets its connection; the other end has to hear of it all the same.
            shut(venue)
            with self._lock:
                self._open -= {client, venue}

    def _pass_answers(self, venue: socket.socket, client: socket.socket, mute: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := venue.recv(65536):
                if mute.is_set():
                    break
                client.sendall(data)
        shut(client)
        shut(venue)

    def _take(self, request: str) -> str | None:
        with self._lock:
            for fault in self._faults:
                if fault[1] == request:
                    self._faults.remove(fault)
                    return fault[0]
        return None


def request_in(data: bytes) -> str:
    """What is asked for: by HTTP, or in a masked text frame (one frame at a time: nobody here asks twice at once)."""
    words = data.split(b"\r\n", 1)[0].decode(errors="replace").split(" ")
    if words[0] in ("GET", "POST", "DELETE"):
        return " ".join(words[:2]).split("?")[0]
    if data[:1] != b"\x81":
        return ""
    at = 4 if data[1] & 0x7F == 126 else 2
    mask, masked = data[at : at + 4], data[at + 4 :]
    text = bytes(byte ^ mask[i % 4] for i, byte in enumerate(masked))
    with contextlib.suppress(ValueError):
        return str(json.loads(text).get("method", ""))
    return ""


def shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
