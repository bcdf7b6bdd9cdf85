"""Receives what is posted to it, as JSON, on loopback."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import Self


class Receiver:
    """Everything that was posted, in order."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        held = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                held.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                answer = b'{"errcode": 0, "errmsg": "ok"}'
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def names(self, alert: str) -> list[Any]:
        """Alertmanager's notifications that have an alert of that name."""
        return [body for body in self.bodies if any(held["labels"]["alertname"] == alert for held in body["alerts"])]
