"""A terminal of a given width: what is on its screen when a program has ended."""

import fcntl
import os
import pty
import re
import struct
import sys
import termios
from collections.abc import Mapping

_CODE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])")


class Screen:
    """Takes what is written to a terminal, as far as progress bars steer it."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.lines: list[list[str]] = [[]]
        self.row = self.column = 0

    def write(self, text: str) -> None:
        place = 0
        while place < len(text):
            code = _CODE.match(text, place)
            if code is not None:
                self._steer(code[1], code[2])
                place = code.end()
                continue
            self._put(text[place])
            place += 1

    def _steer(self, numbers: str, letter: str) -> None:
        count = int(numbers) if numbers.isdigit() else 1
        if letter == "A":
            self.row = max(0, self.row - count)
        elif letter == "K" and numbers == "2":
            self.lines[self.row] = []

    def _put(self, letter: str) -> None:
        if letter == "\r":
            self.column = 0
        elif letter == "\n":
            self._down()
        elif letter.isprintable():
            if self.column >= self.columns:
                self.column = 0
                self._down()
            line = self.lines[self.row]
            line += " " * (self.column + 1 - len(line))
            line[self.column] = letter
            self.column += 1

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append([])

    @property
    def text(self) -> list[str]:
        """The lines, without spaces at their ends, and without empty ones at the end."""
        lines = ["".join(line).rstrip() for line in self.lines]
        while lines and not lines[-1]:
            lines.pop()
        return lines


def run_on_terminal(code: str, columns: int, env: Mapping[str, str] | None = None) -> list[str]:
    """Run Python code on a terminal; return the lines that are on its screen at the end."""
    pid, terminal = pty.fork()
    if pid == 0:
        environ = dict(os.environ) | {"TERM": "xterm", "LINES": "40"} | dict(env or {})
        environ.pop("COLUMNS", None)
        # Told here: the parent might be late.
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        os.execve(sys.executable, [sys.executable, "-c", code], environ)  # noqa: S606 - our own
    data = b""
    while True:
        try:
            part = os.read(terminal, 65_536)
        except OSError:
            # Nobody holds its other end any more.
            break
        if not part:
            break
        data += part
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, data.decode()
    screen = Screen(columns)
    screen.write(data.decode())
    return screen.text
