"""HTML pages in one file each: they open from the disk, without a server and without the network.

A page is three files in a folder of its own: `page.html` (the body), `page.css` and `page.js`. The kit here has the
frame around the body, and the styles and helpers that all pages share; it comes before the page's own.
"""

import base64
import hashlib
import json
from pathlib import Path

from aimanga.atomic import replacing

_KIT = Path(__file__).parent


def write_html(path: Path, folder: Path, title: str, data: object) -> None:
    """Write a page whose script reads all of its data from the element `data`.

    Args:
        path: The HTML file; an existing one is replaced. The same data give the same bytes.
        folder: The folder of `page.html`, `page.css` and `page.js`.
        title: The title of the window until the script sets another; no data, which is escaped only as JSON.
        data: Anything that JSON can hold.
    """
    head, tail = template(folder, title)
    with replacing(path) as part:
        part.write_text(head + json_element("data", data) + tail, encoding="utf-8", newline="\n")


def template(folder: Path, title: str) -> tuple[str, str]:
    """The page before and after its data, with a policy that runs its own script and style and nothing else.

    Args:
        folder: As for `write_html`.
        title: Likewise.
    """
    style, script = (
        "\n".join(("", *(path.read_text(encoding="utf-8") for path in (_KIT / f"kit.{kind}", folder / f"page.{kind}"))))
        for kind in ("css", "js")
    )
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"script-src '{_digest(script)}'; style-src '{_digest(style)}'"
    )
    frame = (_KIT / "frame.html").read_text(encoding="utf-8")
    head, tail = frame.replace("{{title}}", title).replace("{{policy}}", policy).split("{{data}}")
    head = head.replace("{{style}}", style).replace("{{body}}", (folder / "page.html").read_text(encoding="utf-8"))
    return head, tail.replace("{{script}}", script)


def json_element(name: str, content: object) -> str:
    """An element that holds data for the page's script, under an id."""
    return f'<script type="application/json" id="{name}">{embedded_json(content)}</script>\n'


def embedded_json(content: object) -> str:
    """JSON that cannot end its element: in ASCII, with lone surrogates escaped, and without any `<`.

    Raises:
        ValueError: A number is not finite, which JSON does not have.
    """
    return json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def data_uri(picture: bytes) -> str:
    """The `data:` URI of a JPEG or WebP file."""
    kind = "jpeg" if picture.startswith(b"\xff\xd8") else "webp"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


def _digest(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode('ascii')}"
