"""A real browser, without a screen, asked by its own protocol for tools: JSON objects, each ended by a zero byte."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

    from tests.packaging.container import Container

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
# The browser reads its orders from descriptor 3 and answers on 4.
DESCRIPTORS = 'exec 3<&0 4>&1 1>&2 </dev/null; exec "$@"'


class Browser:
    """A browser with one page open, in a container; as a context manager it ends with the block.

    complaints  what the page has said on its console, and what else was wrong with it
    """

    def __init__(self, container: Container) -> None:
        made = container.run(["mktemp", "-d"]).stdout.strip()
        command = ["chromium", *FLAGS, f"--user-data-dir={made}", "--remote-debugging-pipe", "about:blank"]
        self._process = container.start(["sh", "-c", DESCRIPTORS, "sh", *command])
        self._number = 0
        self._session = ""
        self.complaints: list[Any] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> Any:
        """The result of a command. Raises AssertionError."""
        self._number += 1
        session = {"sessionId": self._session} if self._session else {}
        order = {"id": self._number, "method": method, "params": parameters, **session}
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order).encode() + b"\0")
        self._process.stdin.flush()
        while (said := self._next()).get("id") != self._number:
            continue
        assert "result" in said, said
        return said["result"]

    def open(self, url: str) -> None:
        """Load a page to its end."""
        self.ask("Page.navigate", url=url)
        while self._next().get("method") != "Page.loadEventFired":
            continue

    def value(self, expression: str) -> Any:
        """What a piece of JavaScript comes to in the page."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"]
        assert found.get("subtype") != "error", found
        return found["value"]

    def media(self, media: str = "", scheme: str = "light") -> None:
        """As on a screen, or on paper ("print"), for a person who likes this colour scheme."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.ask("Emulation.setEmulatedMedia", media=media, features=features)

    def width(self, pixels: int) -> None:
        """Of the window."""
        self.ask("Emulation.setDeviceMetricsOverride", width=pixels, height=900, deviceScaleFactor=1, mobile=False)

    def _next(self) -> Any:
        """The next object; events that are complaints are kept."""
        assert self._process.stdout
        data = bytearray()
        while (byte := self._process.stdout.read(1)) != b"\0":
            assert byte, self._process.communicate()[1].decode(errors="replace")[-2000:]
            data += byte
        said = json.loads(data)
        if said.get("method") in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            self.complaints.append(said["params"])
        return said

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
