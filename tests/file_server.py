"""A web server on this machine that fails when told to."""

import http.server
import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["DROP", "FileServer", "serve"]

DROP = 0
"""In place of a status: hang up without an answer."""


class FileServer(http.server.ThreadingHTTPServer):
    """Serves ``files`` by name, and keeps what was ``asked``: method, name and range.

    ``refusals`` are statuses, with a ``Retry-After`` or none, each for one request; ``cuts`` are
    the places in the file at which answers end early, each for one answer, the last for all after.
    With ``resets`` their connections are broken off, not closed.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.refusals: list[tuple[int, str]] = []
        self.cuts: list[int] = []
        self.takes_ranges = True
        self.tells_length = True
        self.resets = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def ranges(self) -> list[str]:
        return [wanted for _, _, wanted in self.asked]


class _Handler(http.server.BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        name = self.path.rpartition("/")[2]
        self.server.asked.append((self.command, name, wanted))
        if self.server.refusals:
            self.refuse(*self.server.refusals.pop(0))
            return
        if name not in self.server.files:
            self.send_error(404)
            return
        content, first = self.server.files[name], 0
        if wanted and self.server.takes_ranges:
            first = int(wanted.removeprefix("bytes=").rstrip("-"))
        if first and first >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if first else 200)
        if self.server.tells_length:
            self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        if self.command == "GET":
            end = self.end(len(content))
            self.wfile.write(content[first:end])
            if self.server.resets and end < len(content):
                self.reset()

    def reset(self) -> None:
        # What was sent is to be read first: a reset throws away what was not.
        threading.Event().wait(0.2)
        no_time = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_time)
        os.close(self.connection.detach())

    def do_HEAD(self) -> None:
        self.do_GET()

    def end(self, whole: int) -> int:
        cuts = self.server.cuts
        return whole if not cuts else cuts.pop(0) if len(cuts) > 1 else cuts[0]

    def refuse(self, status: int, retry_after: str) -> None:
        if status == DROP:
            self.close_connection = True
            return
        self.send_response(status)
        if retry_after:
            self.send_header("Retry-After", retry_after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serve() -> Iterator[FileServer]:
    """Run a server for as long as the context lasts."""
    with FileServer() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()
