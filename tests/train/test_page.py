import math
import random
import re
import time

import numpy as np
import pytest

from aimanga.images import Picture, write
from aimanga.train.log import Log
from aimanga.train.page import write_report
from tests.browser import opened
from tests.train.conftest import noise

HOSTILE = "</script><script>alert(1)</script> & \"quotes' \ud800"
START = {
    "recipe": "[train]\nlr = 1e-4", "description": "A trial", "device": "CPU", "processes": 1, "precision": "fp32",
    "start": "realesrgan-x4plus", "pictures": 1342, "held_out": 8, "real": 2, "data": "ab" * 32, "iterations": 4000,
    "parameters": {"generator": 16_800_000}, "samples_per_iteration": 16, "versions": {"torch": "2"}, "resumed": False,
}  # fmt: skip


def run(folder, *, trained=60, validated=4, end="finished", start=START):
    """The log and the sheets of a training."""
    chance = random.Random(0)
    folder.mkdir(parents=True, exist_ok=True)
    with Log(folder, tensorboard=False) as log:
        log.write("start", 0, **start)
        for number in range(validated):
            iteration = number * 1000
            path = folder / "validation" / f"{iteration:06}" / "held_out.png"
            path.parent.mkdir(parents=True)
            write(Picture(noise(number, 90, 60)), path)
            log.write(
                "validation", iteration, scores={"held_out": {"l1": 0.1 / (1 + number), "psnr": 20.0 - number}},
                grids={"held_out": path.relative_to(folder).as_posix()}, best=[],
                worse=["held_out psnr"] if number == validated - 1 else [], seconds=1.0,
            )  # fmt: skip
        for number in range(1, trained + 1):
            pixel = math.exp(-number / 10) + 0.01 * chance.random() + 1e-4
            log.write(
                "train", 50 * number, losses={"pixel": pixel, "total": 2 * pixel}, l1=pixel,
                lr={"generator": 1e-4}, gradients={"generator": 1.0}, samples_per_second=3.0, seconds=1.0,
            )  # fmt: skip
        if end:
            log.write("end", 50 * trained, reason=end, message=None, seconds=1.0)
    return folder


def rows(page):
    return [
        [cell.strip() for cell in row.locator("th, td").all_text_contents()] for row in page.locator("tbody tr").all()
    ]


def test_it_says_how_it_went(tab, tmp_path):
    with opened(tab, write_report(run(tmp_path / "night"))) as page:
        assert page.locator("h1").text_content() == "night"
        state = page.locator(".state").text_content()
        assert state == "Finished: iteration 3,000 of 4,000, 48,000 crops seen"
        assert (
            "From realesrgan-x4plus, 1,342 pictures; generator 16,800,000 weights"
            in page.locator("header").first.text_content()
        )
        assert rows(page) == [
            ["held out l1 ↓", "0.1", "0.025", "3,000", "0.025", "better"],
            ["held out psnr ↑", "20", "20", "0", "17", "worse"],
        ]
        assert page.locator(".notices li").all_text_contents() == [
            "Iteration 3,000: worse than the weights it started from, by held out psnr"
        ]


@pytest.mark.parametrize(
    ("end", "state"), [(None, "Running"), ("interrupted", "Interrupted"), ("diverged", "Diverged")]
)
def test_it_says_why_it_ended(tmp_path, end, state):
    assert f'"state":"{state}"' in write_report(run(tmp_path, end=end)).read_text()


def test_curves_can_be_read_off(tab, tmp_path):
    with opened(tab, write_report(run(tmp_path / "r"))) as page:
        curves = page.locator(".plot")
        titles = curves.locator("h3").all_text_contents()
        assert titles == [
            "L1", "pixel", "total", "held out l1", "held out psnr", "learning rate, generator",
            "gradient norm, generator", "crops/s",
        ]  # fmt: skip
        pixel = curves.nth(1)
        assert len(pixel.locator(".raw").get_attribute("points").split()) == 60
        assert pixel.locator("text").filter(has_text=re.compile("^0.01$")).count() == 1  # it spans decades
        box = pixel.locator("svg").bounding_box()
        pixel.locator("svg").hover(position={"x": box["width"] - 10, "y": 30})
        assert pixel.locator("output").text_content().startswith("3,000: 0.0")
        pixel.locator("svg").focus()
        page.keyboard.press("Home")
        assert pixel.locator("output").text_content().startswith("50: 0.9")
        page.keyboard.press("ArrowRight")
        assert pixel.locator("output").text_content().startswith("100: 0.8")


def test_the_slider_leads_through_the_validations(tab, tmp_path):
    with opened(tab, write_report(run(tmp_path / "r", validated=30))) as page:
        sheet = page.locator(".sheet")
        shown = sheet.locator("img:visible")
        assert sheet.locator("img").count() == 12
        assert shown.get_attribute("alt") == "iteration 29,000"
        sheet.locator("input").focus()
        page.keyboard.press("Home")
        assert shown.get_attribute("alt") == "iteration 0"
        assert sheet.locator("output").text_content() == "iteration 0"
        assert shown.evaluate("image => image.naturalWidth") == 90


def test_warnings_and_setbacks_come_first(tab, tmp_path):
    folder = run(tmp_path / "r", end=None)
    with Log(folder, tensorboard=False) as log:
        for iteration in (1000, 2000):
            log.write("warning", iteration, message="worse than at the start")
        log.write("rollback", 1500, to=1500, lr_factor=0.5, message="diverged")
    with opened(tab, write_report(folder)) as page:
        assert page.locator(".notices li").all_text_contents() == [
            "Iteration 2,000: worse than at the start", "Iteration 1,500: diverged",
        ]  # fmt: skip
        above = page.locator(".notices").bounding_box()["y"]
        assert above < page.locator("table").bounding_box()["y"]


def test_texts_can_hold_anything(tab, tmp_path):
    start = START | dict.fromkeys(("recipe", "description", "device", "start", "data"), HOSTILE)
    folder = run(tmp_path / "a<b>&c", start=start | {"versions": {HOSTILE: HOSTILE}})
    with Log(folder, tensorboard=False) as log:
        log.write("warning", 1, message=HOSTILE)
        log.write("end", 1, reason="failed", message=HOSTILE)
    with opened(tab, write_report(folder)) as page:
        assert page.locator("h1").text_content() == "a<b>&c"
        assert "<script>alert(1)</script>" in page.locator(".state").text_content()
        assert page.locator("script").count() == 2  # the data and the script


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1600, "dark")])
def test_nothing_sticks_out(tab, tmp_path, width, scheme):
    with opened(tab, write_report(run(tmp_path / "r")), width=width, scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_what_does_not_change_has_one_label(tab, tmp_path):
    with opened(tab, write_report(run(tmp_path / "r"))) as page:
        rate = page.locator(".plot").filter(has_text="learning rate")
        assert rate.locator("text").all_text_contents() == ["0.0001", "50", "3,000"]


def test_a_run_that_has_just_begun_has_a_page(tab, tmp_path):
    with opened(tab, write_report(run(tmp_path / "r", trained=0, validated=0, end=None))) as page:
        assert page.locator(".state").text_content() == "Running: iteration 0 of 4,000, 0 crops seen"
        assert page.locator(".plot").count() == page.locator("table").count() == 0


def test_a_missing_picture_is_named(tab, tmp_path):
    folder = run(tmp_path)
    (folder / "validation" / "001000" / "held_out.png").unlink()
    with opened(tab, write_report(folder)) as page:
        page.locator(".sheet input").fill("1")
        text = "iteration 1,000: validation/001000/held_out.png is gone"
        assert page.locator(".sheet p:visible").text_content() == text


def test_a_long_night_is_thinned_without_losing_its_peaks(tab, tmp_path):
    folder = run(tmp_path / "r", trained=5000)
    with Log(folder, tensorboard=False) as log:
        log.write(
            "train", 250_050, losses={"pixel": 7.5, "total": 1.0}, l1=0.1, lr={"generator": 1e-4},
            gradients={"generator": 1.0}, samples_per_second=3.0, seconds=1.0,
        )  # fmt: skip
    begin = time.monotonic()
    path = write_report(folder)
    with opened(tab, path) as page:
        pixel = page.locator(".plot").nth(1)
        assert 300 < len(pixel.locator(".raw").get_attribute("points").split()) < 700
        pixel.locator("svg").focus()
        page.keyboard.press("End")
        assert pixel.locator("output").text_content() == "250,050: 7.5"
    assert time.monotonic() - begin < 20
    assert path.stat().st_size < 3e6


def test_the_same_log_gives_the_same_bytes(tmp_path):
    folder = run(tmp_path)
    first = write_report(folder).read_bytes()
    assert write_report(folder).read_bytes() == first
    assert np.frombuffer(first, np.uint8).size > 10_000
