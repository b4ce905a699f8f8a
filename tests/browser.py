"""Run pages in headless Chromium."""

from __future__ import annotations

import base64
import hashlib
import html as markup
import json
import re
import shutil
import subprocess
from collections.abc import Mapping
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
AUDIT = (Path(__file__).parent / "audit.js").read_text("utf-8")
HOSTILE = (
    "<script>hacked=1</script>",
    "</script>",
    "<!--",
    '"onload="hacked=1"',
    "<img/src=x/onerror=hacked=1>",
    "{{7*7}}",
    "{%raw%}",
    "\x1b[31m",
    "\u202eabc",
    "\u2028",
    "\ud800",
    "__proto__",
    "constructor",
    "&lt;",
)
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


def open_page(page: Path, clock: str = VIRTUAL, timeout: float = 60, dark: bool = False) -> Opened:
    """Open a page in a browser of its own, and let it run until nothing is left to do.

    Without a ``clock`` it runs in real time, and only until it is loaded.
    """
    assert BROWSER is not None
    profile = f"--user-data-dir={page.parent / 'browser'}"
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    options = [*OPTIONS, profile, scheme, *filter(None, [clock])]
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


FRAMES = """
const results = {};
addEventListener("message", ({ data }) => {
  results[data.name] = data.value;
  if (Object.keys(results).length === document.querySelectorAll("iframe").length) report(results);
});
"""
TELL = """
async function tell(name, result) {
  parent.postMessage({ name, value: await result }, "*");
}
"""


def open_pages(
    pages: Mapping[str, str], scripts: Mapping[str, str], folder: Path, dark: bool = False
) -> Opened:
    """Open several pages in one browser, each in a frame as wide as a phone.

    Args:
        pages: name -> HTML.
        scripts: name -> JavaScript that calls ``tell(NAME, RESULT)``; the result is a dictionary
            of what each has told.
        folder: an empty folder.
        dark: whether the browser prefers dark pages.
    """
    frames = []
    for number, (name, text) in enumerate(pages.items()):
        path = folder / f"{number}.html"
        path.write_text(with_script(text, TELL + scripts[name]), "utf-8", errors="replace")
        frames.append(f'<iframe src="{path.name}" width="390" height="844"></iframe>')
    outer = folder / "frames.html"
    body = f"<script>{REPORT}{FRAMES}</script>{''.join(frames)}"
    outer.write_text(f'<!DOCTYPE html><meta charset="utf-8"><body>{body}</body>', "utf-8")
    return open_page(outer, dark=dark)
