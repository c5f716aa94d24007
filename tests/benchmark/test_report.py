"""From pictures to the page in a browser, and what of the pictures is on it."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from aimanga.benchmark import BenchmarkRecipe, benchmark_methods
from aimanga.benchmark.report import _rooms
from tests.browser import opened
from tests.conftest import ROOT

METHODS = [{"name": "bicubic", "resample": "bicubic"}, {"name": "lanczos", "resample": "lanczos"}]


def reported(folder, output, **settings):
    settings = {"metrics": ["psnr", "brisque"], "sets": [{"name": "Small", "folder": str(folder)}]} | settings
    benchmark_methods(BenchmarkRecipe.model_validate({"methods": METHODS, **settings}), output)
    return output / "report.html"


def test_a_benchmark_to_look_at(tab, small_set, tmp_path):
    path = reported(small_set, tmp_path / "out", title="To look at")
    with opened(tab, path) as page:
        head = page.locator(".table thead th").nth(1)
        head.locator("button").click()
        assert page.locator(".table tbody th").first.text_content() == "lanczos"
        assert head.get_attribute("aria-sort") == "descending"
        page.locator("#divide").fill("20")
        assert page.locator("#left-layer").evaluate("layer => layer.style.clipPath") == "inset(0px 80% 0px 0px)"
        seen = set()
        for _ in range(7):
            page.wait_for_function("[...document.images].every(image => image.complete)")
            loaded = page.locator("img").evaluate_all("images => images.map(image => [image.alt, image.naturalWidth])")
            assert {width for _, width in loaded} == {24, 96}
            seen |= {name for name, _ in loaded}
            page.locator("#next").click()
        assert seen == {f"p{n}, {kind}" for n in range(7) for kind in ("LR", "bicubic", "lanczos", "HR")}
        artefact = ROOT / "out" / "benchmark-report.png"
        artefact.parent.mkdir(exist_ok=True)
        page.screenshot(path=artefact, full_page=True)
    assert np.asarray(Image.open(artefact)).std() > 10


def test_pictures_on_the_page_are_those_of_the_methods(tab, small_set, tmp_path):
    with opened(tab, reported(small_set, tmp_path / "out")) as page:
        page.locator("#view-case").select_option("p2")
        source = page.locator("#panels img").nth(1).get_attribute("src")
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))), np.int16)
        made = np.asarray(Image.open(tmp_path / "out" / "results" / "bicubic" / "Small" / "p2.png"), np.int16)
        assert np.abs(shown - made).mean() < 3  # but for JPEG


def test_as_many_pictures_as_there_is_room_for(tab, small_set, tmp_path):
    sets = [{"name": "A", "folder": str(small_set)}, {"name": "B", "folder": str(small_set / "LR")}]
    with opened(tab, reported(small_set, tmp_path / "out", sets=sets, page_pictures=5)) as page:
        assert page.locator("#view-case option").count() == 3
        page.locator("#view-set").select_option("B")
        assert page.locator("#view-case option").count() == 2
        assert page.locator("#panels h3").all_text_contents() == ["LR, the input", "bicubic", "lanczos"]


@pytest.mark.parametrize(
    ("pictures", "room", "shares"),
    [({"a": 9, "b": 9}, 4, [2, 2]), ({"a": 1, "b": 9}, 6, [1, 5]), ({"a": 2, "b": 2}, 40, [2, 2]), ({"a": 0}, 3, [0])],
)
def test_sets_share_the_room(pictures, room, shares):
    assert list(_rooms(pictures, room).values()) == shares


def test_of_large_pictures_the_part_is_shown_where_methods_differ(tab, tmp_path):
    for folder in ("HR", "LR"):
        (tmp_path / "set" / folder).mkdir(parents=True)
    low = np.full((200, 250, 3), 90, np.uint8)
    low[150:170, 200:230] = np.random.default_rng(0).integers(0, 256, (20, 30, 3))
    Image.fromarray(low).save(tmp_path / "set" / "LR" / "a.png")
    Image.fromarray(low.repeat(4, 0).repeat(4, 1)).save(tmp_path / "set" / "HR" / "a.png")
    with opened(tab, reported(tmp_path / "set", tmp_path / "out", metrics=["psnr"])) as page:
        about = page.locator("#view-about").text_content()
        assert about.startswith("640 x 640 of 1000 x 800 pixels, from ")
        assert page.locator("#panels img").first.evaluate("image => image.naturalWidth") == 160
        left, top = (int(text.strip(",:")) for text in about.split("from ")[1].split()[:2])
        assert left <= 800 and left + 640 >= 920 and top <= 600 and top + 640 >= 680
