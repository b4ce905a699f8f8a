"""Run pages in headless Chromium."""

from __future__ import annotations

import base64
import hashlib
import html as markup
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--enable-logging=stderr", "--v=0", "--window-size=390,844"),  # a phone
)
VIRTUAL = "--virtual-time-budget=60000"  # ms of waiting that take no time
RESULT = re.compile(r'<pre id="result">(.*?)</pre>', re.DOTALL)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium here")


@dataclass(frozen=True)
class Opened:
    """What a page is after its scripts have run.

    Attributes:
        dom: its HTML.
        console: the lines that it wrote to the console, errors among them.
    """

    dom: str
    console: list[str]

    @property
    def result(self) -> Any:
        """What `report` was called with."""
        found = RESULT.search(self.dom)
        assert found, self.console
        return json.loads(markup.unescape(found[1]))


def open_page(page: Path, clock: str = VIRTUAL, timeout: float = 60) -> Opened:
    """Open a page in a browser of its own, and let it run until nothing is left to do.

    Without a ``clock`` it runs in real time, and only until it is loaded.
    """
    assert BROWSER is not None
    profile = f"--user-data-dir={page.parent / 'browser'}"
    options = [*OPTIONS, profile, *filter(None, [clock])]
    done = subprocess.run(
        [BROWSER, *options, "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=True,
    )
    return Opened(done.stdout, [one for one in done.stderr.splitlines() if "CONSOLE" in one])


REPORT = """
function report(value) {
  const node = document.createElement("pre");
  node.id = "result";
  node.textContent = JSON.stringify(value);
  document.body.append(node);
}
"""


def with_script(text: str, script: str) -> str:
    """Return a page that runs one more script, which its Content-Security-Policy allows."""
    script = REPORT + script
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = text.replace("script-src '", f"script-src 'sha256-{digest}' '", 1)
    return text.replace("</body>", f"<script>{script}</script></body>")
