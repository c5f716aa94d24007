import base64
import hashlib
import json
import re

import pytest

from aimanga.pages import data_uri, embedded_json, template, write_html


def folder(path):
    (path / "page.html").write_text("<p>{{data}}</p>", encoding="utf-8")
    (path / "page.css").write_text("a { color: red }", encoding="utf-8")
    (path / "page.js").write_text("alert('ä')", encoding="utf-8")
    return path


def test_the_policy_lets_only_the_page_s_own_script_and_style_run(tmp_path):
    head, tail = template(folder(tmp_path), "An ä")
    assert "<title>An ä</title>" in head and "<p>{{data}}</p>" in head
    policy = re.search('<meta http-equiv="Content-Security-Policy" content="(.*?)">', head)[1]
    assert policy.startswith("default-src 'none'; img-src data:")
    for kind, text, own in (
        ("style", re.search("<style>(.*?)</style>", head, re.DOTALL)[1], "a { color: red }"),
        ("script", re.search("<script>(.*?)</script>", tail, re.DOTALL)[1], "alert('ä')"),
    ):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
        assert text.endswith(own) and len(text) > 1000  # after the kit's


def test_a_page_has_its_data_between_the_body_and_the_script(tmp_path):
    path = tmp_path / "out.html"
    write_html(path, folder(tmp_path), "x", {"a": ["</script>"]})
    head, tail = template(tmp_path, "x")
    [data] = re.findall('<script type="application/json" id="data">(.*)</script>', path.read_text(encoding="utf-8"))
    assert json.loads(data) == {"a": ["</script>"]}
    assert path.read_text(encoding="utf-8").startswith(head) and path.read_text(encoding="utf-8").endswith(tail)


def test_no_text_ends_what_it_is_embedded_in():
    hostile = ["</script><script>alert(1)</script>", "\ud800", "\u2028", "<!--"]
    made = embedded_json(hostile)
    assert made.isascii()
    assert "<" not in made
    assert json.loads(made) == hostile
    with pytest.raises(ValueError, match="Out of range"):
        embedded_json(float("nan"))


def test_a_picture_is_its_own_address():
    jpeg = b"\xff\xd8abc"
    assert data_uri(jpeg) == f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    assert data_uri(b"RIFF").startswith("data:image/webp;base64,")
