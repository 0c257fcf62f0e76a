"""JSON messages between the window and a worker.

JSON and not pickle: the window never has to import what a worker computes with. A long message
goes as a file of the shared scratch folder, so that no send can block on a worker that is busy.
"""

from __future__ import annotations

import json
import threading
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from pathlib import Path

Message = dict[str, Any]
LONGEST = 32_768
"""Bytes of one message on the wire; the socket takes several of these without a reader."""


class Channel:
    """One end of the connection; `send` may be called from any thread."""

    def __init__(self, connection: Connection[bytes, bytes], scratch: Path) -> None:
        self._connection = connection
        self._scratch = scratch
        self._sending = threading.Lock()

    def fileno(self) -> int:
        return self._connection.fileno()

    def send(self, message: Message) -> None:
        raw = json.dumps(message, separators=(",", ":")).encode()
        if len(raw) > LONGEST:
            file = self._scratch / f"message-{uuid.uuid4().hex}.json"
            file.write_bytes(raw)
            raw = json.dumps({"file": file.name}).encode()
        with self._sending:
            self._connection.send_bytes(raw)

    def receive(self) -> Message:
        """The next message; EOFError or OSError when the other end is gone."""
        message: Message = json.loads(self._connection.recv_bytes())
        if "file" in message:
            file = self._scratch / message["file"]
            message = json.loads(file.read_bytes())
            file.unlink()
        return message

    def close(self) -> None:
        self._connection.close()
