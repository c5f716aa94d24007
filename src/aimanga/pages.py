"""HTML pages that are one file: they open from the disk, without a server and without the network."""

import base64
import hashlib
import json
from pathlib import Path


def template(folder: Path, name: str, title: str) -> tuple[str, str]:
    """A page before and after its data, with the policy that lets its own script and style run, and nothing else.

    Args:
        folder: Where NAME.html, NAME.css and NAME.js lie; the first one is the body, with the place `{{data}}`.
        name: The stem of the three files.
        title: The title of the window; no data, which has a place of its own.
    """
    style, script = ("\n" + (folder / f"{name}.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"script-src '{_digest(script)}'; style-src '{_digest(style)}'"
    )
    page = (Path(__file__).parent / "pages.html").read_text(encoding="utf-8")
    body = (folder / f"{name}.html").read_text(encoding="utf-8")
    head, tail = (
        page.replace("{{title}}", title).replace("{{policy}}", policy).replace("{{body}}", body).split("{{data}}")
    )
    return head.replace("{{style}}", style), tail.replace("{{script}}", script)


def embedded_json(content: object) -> str:
    """JSON that no text in it can end: in ASCII, where lone surrogates are escapes too, and without any `<`.

    Raises:
        ValueError: There is a number that is not finite, which JSON does not have.
    """
    return json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def data_uri(picture: bytes) -> str:
    """The address under which a page holds a JPEG or WebP file itself."""
    kind = "jpeg" if picture.startswith(b"\xff\xd8") else "webp"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


def _digest(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode('ascii')}"
