"""A headless Chromium that is spoken to over its DevTools protocol: to measure a page as readers see it."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
OPTIONS: Final = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0")


def installed() -> str | None:
    """Where a Chromium is, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def browser(program: str, profile: Path) -> Iterator[str]:
    """A running browser; gives the address of its first tab."""
    command = [program, *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = next((line for line in process.stderr if "DevTools listening" in line), "")
            port = re.search(r"ws://[^:]+:(\d+)/", line)
            assert port is not None, "Chromium did not start"
            yield f"http://127.0.0.1:{port[1]}/json"
        finally:
            process.kill()


class Tab:
    """One tab, and what it has said and asked for since the page was opened."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.sent = 0
        self.events: list[dict[str, Any]] = []

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask for something and wait for the answer; events that come before it are kept."""
        self.sent += 1
        await self.socket.send_json({"id": self.sent, "method": method, "params": parameters})
        while True:
            answer: dict[str, Any] = json.loads((await self.socket.receive(timeout=60)).data)
            if answer.get("id") == self.sent:
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    async def value(self, expression: str) -> Any:
        """What a JavaScript expression comes to on the page; scripts of the page itself stay forbidden."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def open(self, page: Path, width: int, scheme: str = "light") -> None:
        """Load a page in a window of that width, and wait until it is there."""
        for domain in ("Page", "Network", "Runtime", "Log"):
            await self.call(f"{domain}.enable")
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        await self.media("", scheme)
        self.events.clear()
        await self.call("Page.navigate", url=page.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(json.loads((await self.socket.receive(timeout=60)).data))

    async def media(self, kind: str, scheme: str = "light") -> None:
        """Show the page as on ``screen`` or in ``print``, light or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.call("Emulation.setEmulatedMedia", media=kind, features=features)

    async def press(self, key: str, code: int) -> None:
        """Press and let go of a key."""
        for kind in ("rawKeyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def told(self, *methods: str) -> list[dict[str, Any]]:
        """Parameters of the events of these kinds."""
        return [event["params"] for event in self.events if event.get("method") in methods]


def visit(address: str, visitor: Any) -> Any:
    """Run ``visitor(tab)`` with the browser's first tab."""

    async def session() -> Any:
        async with aiohttp.ClientSession() as client:
            async with client.get(address) as answer:
                tabs = await answer.json()
            url = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
            async with client.ws_connect(url, max_msg_size=0) as socket:
                return await visitor(Tab(socket))

    return asyncio.run(session())
