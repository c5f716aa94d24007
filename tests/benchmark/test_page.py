import base64
import io
import math
import re

import numpy as np
import pytest
import pyvips
from PIL import Image

from aimanga.benchmark import BenchmarkRecipe, benchmark
from aimanga.benchmark.page import write_page
from tests.browser import opened
from tests.conftest import ROOT

HOSTILE = "</script><script>alert(1)</script> & \"quotes' \ud800"
PSNR = {"name": "psnr", "title": "PSNR", "better": "higher", "digits": 2, "about": "Y, shaved"}
NIQE = {"name": "niqe", "title": "NIQE", "better": "lower", "digits": 3, "about": "official"}
COST = {"name": "seconds", "title": "s/MP", "better": "lower", "digits": 2, "about": "seconds"}
METHODS = ("bicubic", "mine", "theirs")


def picture(seed, width, height):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return pyvips.Image.new_from_array(pixels).jpegsave_buffer(Q=90)


def shown(seed, width=64, height=48, part=""):
    pictures = [("LR", picture(seed, width // 4, height // 4))]
    pictures += [(name, picture(seed + 1 + n, width, height)) for n, name in enumerate((*METHODS, "HR"))]
    return {"pictures": pictures, "width": width, "height": height, "part": part}


def mean(value, count, low=None, high=None, best=False, p=None):
    return {"value": value, "count": count, "low": low, "high": high, "best": best, "p": p}


def a_set(name, about, measures, means, cases):
    return {"name": name, "about": about, "measures": measures, "means": means, "cases": cases}


def case(number, category=None, **changes):
    scores = {
        method: {"psnr": 20.0 + 3 * number + n, "niqe": 5.0 - n + 0.1 * number} for n, method in enumerate(METHODS)
    }
    settings = {"scores": scores, "problems": {}, "shown": shown(10 * number)} | changes
    return {"name": f"p{number}", "category": category, **settings}


def content(cases=None, **changes):
    cases = [case(n, ("food", "animals")[n % 2]) for n in range(7)] if cases is None else cases
    means = {
        "bicubic": {"psnr": mean(29.0, 7, 27.5, 31.25), "niqe": mean(5.3, 7), "seconds": mean(0.25, 7, best=True)},
        "mine": {"psnr": mean(30.0, 7, 28.5, 32.25, p=0.0312), "niqe": mean(4.3, 7, p=0.7)},
        "theirs": {"psnr": mean(31.0, 7, 29.5, 33.25, best=True, p=0.0004), "niqe": mean(3.3, 7, best=True)},
    }
    settings = {
        "title": "Mine against theirs",
        "description": "Three ways.\nOn two sets.",
        "methods": {"bicubic": "a kernel", "mine": "a network", "theirs": "a program"},
        "baseline": "bicubic",
        "sets": [
            a_set("Set5", "Seven pictures.", (PSNR, NIQE, COST), means, cases),
            a_set("Real & other", "One picture.", (NIQE,), {name: {} for name in METHODS}, cases[:1]),
        ],
        "notices": ["musiq: weights missing"],
        "repeat": {"Command": "aimanga benchmark x", "Versions": "torch 2"},
    }
    settings |= changes
    return settings | {name: list(settings[name].items()) for name in ("methods", "repeat")}


@pytest.fixture
def path(tmp_path):
    write_page(content(), tmp_path / "report.html")
    return tmp_path / "report.html"


def follow(tab, path, link):
    """Open a part of a file at once; `opened` takes files alone."""
    tab.set_viewport_size({"width": 1280, "height": 400})
    tab.goto(path.as_uri() + link)


def names(page, table=0):
    return [text.strip() for text in page.locator(".table").nth(table).locator("tbody th").all_text_contents()]


def transforms(page):
    return page.locator("#viewer .frame img").evaluate_all("images => images.map(image => image.style.transform)")


def places(page):
    """Where the pictures begin, left and top, in shares of their frames."""
    return page.locator("#viewer .frame img").evaluate_all(
        """images => images.flatMap((image) => {
            const place = new DOMMatrix(image.style.transform);
            return [place.e / image.parentElement.clientWidth, place.f / image.parentElement.clientHeight];
        })"""
    )


def test_it_says_what_is_compared(tab, path):
    with opened(tab, path) as page:
        assert page.title() == "Mine against theirs \u2013 aimanga benchmark"
        assert page.locator("h1").text_content() == "Mine against theirs"
        assert page.locator(".methods dd").all_text_contents() == ["a kernel", "a network", "a program"]
        assert page.locator(".notices li").all_text_contents() == ["musiq: weights missing"]
        assert page.locator("#sets h2").all_text_contents() == ["Set5", "Real & other"]
        assert page.locator("#repeat pre").first.text_content() == "aimanga benchmark x"


def test_the_best_are_bold_and_what_differs_has_a_star(tab, path):
    with opened(tab, path) as page:
        cells = page.locator(".table").first.locator("tbody tr")
        assert cells.nth(0).locator("td").all_text_contents() == ["29.0027.50 \u2013 31.25", "5.300", "0.25"]
        assert cells.nth(1).locator("td").all_text_contents() == ["30.00*28.50 \u2013 32.25", "4.300", "\u2013"]
        assert cells.nth(2).locator(".best").all_text_contents() == ["31.00*29.50 \u2013 33.25", "3.300"]
        assert cells.nth(2).locator("td").first.get_attribute("title") == "7 pictures, p = 4.0e-4 against bicubic"
        assert "* differs from bicubic: p < 0.05" in page.locator(".legend").first.text_content()
        assert page.locator(".legend").nth(1).text_content() == ""


def test_heads_sort_a_table_the_best_first(tab, path):
    with opened(tab, path) as page:
        head = page.locator(".table").first.locator("thead th")
        assert names(page) == ["bicubic", "mine", "theirs"]
        head.nth(1).locator("button").click()
        assert names(page) == ["theirs", "mine", "bicubic"]
        assert head.nth(1).get_attribute("aria-sort") == "descending"
        head.nth(1).locator("button").press("Enter")
        assert names(page) == ["bicubic", "mine", "theirs"]
        assert head.nth(1).get_attribute("aria-sort") == "ascending"
        head.nth(2).locator("button").click()  # lower is better
        assert names(page) == ["theirs", "mine", "bicubic"]
        assert [head.nth(n).get_attribute("aria-sort") for n in range(4)] == ["none", "none", "ascending", "none"]
        head.nth(3).locator("button").click()  # what has no value comes last, whichever way
        assert names(page)[0] == "bicubic"
        head.nth(3).locator("button").click()
        assert names(page)[0] == "bicubic"
        head.nth(0).locator("button").click()
        assert names(page) == ["bicubic", "mine", "theirs"]


def test_the_slider_moves_by_keys_and_by_dragging(tab, path):
    with opened(tab, path) as page:
        clip = "element => element.style.clipPath"
        layer = page.locator("#left-layer")
        assert layer.evaluate(clip) == "inset(0px 50% 0px 0px)"
        page.locator("#divide").focus()
        page.keyboard.press("Home")
        assert layer.evaluate(clip) == "inset(0px 100% 0px 0px)"
        page.keyboard.press("End")
        assert layer.evaluate(clip) == "inset(0px 0% 0px 0px)"
        page.locator("#divide").fill("50")
        page.locator("#slider").scroll_into_view_if_needed()
        box = page.locator("#slider").bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2 + 3, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 60)
        page.mouse.up()
        assert float(page.locator("#divide").input_value()) == pytest.approx(25, abs=1)
        assert page.locator("#slider .tag").all_text_contents() == ["LR", "theirs"]
        page.locator("#left").select_option("HR")
        assert page.locator("#left-layer img").get_attribute("alt") == "p0, HR"


def test_all_pictures_zoom_and_move_together(tab, path):
    with opened(tab, path) as page:
        frames = page.locator("#panels .frame")
        assert page.locator("#panels h3").all_text_contents() == [
            "LR, the input", *METHODS, "HR, the ground truth",
        ]  # fmt: skip
        frame = frames.nth(2)
        frame.scroll_into_view_if_needed()
        box = frame.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4)
        before = page.evaluate("scrollY")
        page.mouse.wheel(0, 40)  # the page scrolls
        page.wait_for_function("scrollY > 0")
        assert all("scale(1)" in value for value in transforms(page))
        page.evaluate(f"scrollTo(0, {before})")
        page.mouse.click(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4)
        page.mouse.wheel(0, -100)
        page.wait_for_function("document.querySelector('#panels img').style.transform.includes('scale(1.2)')")
        found = places(page)
        assert found[::2] == pytest.approx([-0.05] * 7, abs=0.002)  # a quarter from the left stays where it was
        assert found[1::2] == pytest.approx([found[1]] * 7, abs=0.002)
        page.keyboard.press("ArrowRight")
        assert places(page) == pytest.approx([-0.15, found[1]] * 7, abs=0.002)
        page.keyboard.press("0")
        assert all("scale(1)" in value for value in transforms(page))
        page.locator("[data-zoom=in]").click()
        page.locator("[data-zoom=in]").click()
        assert all("scale(2.25)" in value for value in transforms(page))
        page.locator("[data-zoom=pixels]").click()
        width = frames.first.evaluate("frame => frame.clientWidth")
        assert f"scale({max(1, 64 / width):g}" in transforms(page)[2]


def test_a_finger_moves_pictures_only_where_they_are_zoomed(tab, path):
    with opened(tab, path) as page:
        action = "element => getComputedStyle(element).touchAction"
        assert page.locator("#slider").evaluate(action) == "pan-y"
        page.locator("[data-zoom=in]").click()
        assert page.locator("#slider").evaluate(action) == "none"
        page.locator("[data-zoom=fit]").click()
        assert page.locator("#slider").evaluate(action) == "pan-y"


def test_all_that_takes_the_focus_has_a_name(tab, path):
    with opened(tab, path) as page:
        nameless = page.locator("[tabindex='0']:not([aria-label])")
        assert nameless.count() == 0
        assert page.locator(".table").nth(1).get_attribute("aria-label") == "Set5, PSNR by category"


def test_every_picture_loads(tab, path):
    with opened(tab, path) as page:
        seen = set()
        for _ in range(8):
            # A picture that cannot be decoded is an error.
            images = page.evaluate(
                "Promise.all([...document.images].map(image => image.decode().then(() => [image.alt, image.width])))"
            )
            assert len(images) > 7 and all(alt and width for alt, width in images)
            seen.add((page.locator("#view-set").input_value(), page.locator("#view-case").input_value()))
            page.locator("#next").click()
        assert seen == {("Set5", f"p{n}") for n in range(7)} | {("Real & other", "p0")}
        page.locator("#previous").click()
        assert page.locator("#view-set").input_value() == "Real & other"
        page.locator("#view-set").select_option("Set5")
        page.locator("#view-case").select_option("p3")
        assert page.locator("#panels img").first.get_attribute("alt") == "p3, LR"


def test_scores_stand_below_each_picture(tab, path):
    with opened(tab, path) as page:
        panel = page.locator("#panels .panel").nth(3)
        assert panel.locator("dd").all_text_contents() == ["22.00", "3.000"]
        assert panel.locator(".best").count() == 2
        assert page.locator("#panels .panel").nth(0).locator("dl").count() == 0


def test_the_best_and_the_worst_lead_to_the_viewer(tab, path):
    with opened(tab, path) as page:
        section = page.locator("#set-0")
        cards = section.locator(".card")
        assert cards.locator("span:first-of-type").all_text_contents() == ["p6", "p5", "p4", "p0", "p1", "p2"]
        section.get_by_label("Method").select_option("mine")
        section.locator("select[aria-label=Measure]").last.select_option(label="NIQE ↓")
        assert cards.locator("span:first-of-type").all_text_contents() == ["p0", "p1", "p2", "p6", "p5", "p4"]
        assert cards.first.locator("img").get_attribute("alt") == "p0, mine"
        cards.nth(3).click()
        assert page.locator("#view-case").input_value() == "p6"
        assert page.locator("#right").input_value() == "mine"
        assert page.locator("#viewer").evaluate("element => Math.abs(element.getBoundingClientRect().top)") < 5


def test_categories_have_means_of_their_own(tab, path):
    with opened(tab, path) as page:
        rows = page.locator(".table").nth(1).locator("tbody tr")
        assert rows.nth(0).locator("th, td").all_text_contents() == ["animals 3", "29.00", "30.00", "31.00"]
        assert rows.nth(1).locator("th, td").all_text_contents() == ["food 4", "29.00", "30.00", "31.00"]
        assert rows.nth(1).locator(".best").all_text_contents() == ["31.00"]
        page.locator("#set-0 select[aria-label=Measure]").first.select_option(label="NIQE ↓")
        assert rows.nth(0).locator("td").first.text_content() == "5.300"


def test_single_scores_can_be_read_off_and_opened(tab, path):
    with opened(tab, path) as page:
        plots = page.locator("#set-0 .plot")
        assert plots.locator("figcaption").all_text_contents() == ["PSNR ↑", "NIQE ↓"]
        assert plots.first.locator(".dot").count() == 21
        assert plots.first.locator(".mean").count() == plots.first.locator(".bar").count() == 3
        ticks = [float(t) for t in plots.first.locator("text").all_text_contents() if re.fullmatch(r"[\d.]+", t)]
        assert len(ticks) >= 3
        dot = plots.first.locator(".dot").nth(20)
        box = dot.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        assert plots.first.locator("output").text_content() == "p6, theirs: 40.00"
        page.mouse.move(0, 0)
        plots.first.locator("svg").focus()
        page.keyboard.press("ArrowRight")
        assert plots.first.locator("output").text_content() == "p0, bicubic: 20.00"
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        assert page.locator("#view-case").input_value() == "p0"
        assert page.locator("#right").input_value() == "mine"


def test_a_link_opens_a_picture(tab, path):
    with opened(tab, path) as page:
        page.evaluate("location.hash = '#view=Real%20%26%20other/p0'")
        page.wait_for_function("document.querySelector('#view-set').value === 'Real & other'")
        page.locator("#view-set").select_option("Set5")
        page.locator("#next").click()
        assert page.evaluate("location.hash") == "#view=Set5/p1"
        page.evaluate("location.hash = '#view=Real & other/p0'")  # as some programs pass links on
        page.wait_for_function("document.querySelector('#view-set').value === 'Real & other'")


@pytest.mark.parametrize(
    ("link", "part"),
    [("#view=Set5/p3", "#viewer"), ("#set-1", "#set-1"), ("#repeat", "#repeat"), ("#viewer", "#viewer")],
)
def test_a_link_into_a_page_leads_there_from_the_start(tab, path, link, part):
    follow(tab, path, link)
    tab.wait_for_function(f"scrollY > 100 && document.querySelector('{part}').getBoundingClientRect().top < 400")
    assert tab.evaluate("location.hash") == link
    assert tab.locator("#view-case").input_value() == ("p3" if "p3" in link else "p0")


def test_a_link_to_no_picture_opens_the_page_at_its_top(tab, path):
    follow(tab, path, "#view=Set5/gone")
    assert tab.evaluate("scrollY") == 0
    assert tab.locator("#view-case").input_value() == "p0"


def test_a_page_that_is_only_opened_keeps_its_address(tab, path):
    with opened(tab, path) as page:
        assert page.evaluate("location.hash") == ""


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1600, "dark")])
def test_nothing_sticks_out(tab, tmp_path, width, scheme):
    long = "realesrgan-x4plus-with-a-very-long-name-of-my-own"
    methods = {"bicubic": "a kernel", "mine": long * 3, "theirs": "x"}
    cases = [case(n, long, shown=shown(n, 64, 200)) for n in range(3)]
    write_page(content(cases, methods=methods, title=long * 2, notices=[long * 5]), tmp_path / "report.html")
    with opened(tab, tmp_path / "report.html", width=width, scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_texts_can_hold_anything(tab, tmp_path):
    hostile = HOSTILE.replace("/", "_")
    cases = [case(0, HOSTILE, problems={"mine": HOSTILE}, shown=shown(0, part=HOSTILE))]
    page_set = a_set(hostile, HOSTILE, (PSNR,), {}, cases)
    texts = dict.fromkeys(("title", "description"), HOSTILE)
    write_page(
        content(cases, **texts, sets=[page_set], notices=[HOSTILE], repeat={HOSTILE: HOSTILE}), tmp_path / "r.html"
    )
    with opened(tab, tmp_path / "r.html") as page:
        assert "<script>alert(1)</script>" in page.locator("h1").text_content()
        assert "<script>alert(1)</script>" in page.locator(".problem").text_content()
        assert page.locator("script").count() == 2  # the data and the script


def test_infinite_and_missing_scores(tab, tmp_path):
    scores = {"bicubic": {"psnr": math.inf}, "mine": {"psnr": 30.0}, "theirs": {}}
    cases = [case(n, "food", scores=scores) for n in range(2)]
    means = {"bicubic": {"psnr": mean(math.inf, 2, best=True)}, "mine": {"psnr": mean(30.0, 2)}, "theirs": {}}
    write_page(content(cases, sets=[a_set("Set5", "", (PSNR,), means, cases)]), tmp_path / "r.html")
    with opened(tab, tmp_path / "r.html") as page:
        assert page.locator(".table").first.locator("td").all_text_contents() == ["∞", "30.00", "\u2013"]
        page.locator(".table").first.locator("thead th").nth(1).locator("button").click()
        assert names(page) == ["bicubic", "mine", "theirs"]
        assert page.locator(".table").nth(1).locator("td").all_text_contents() == ["∞", "30.00", "\u2013"]
        assert page.locator(".plot .dot").count() == 2
        assert "∞: 2" in page.locator(".plot text").all_text_contents()


def test_an_infinite_interval_is_shown(tab, tmp_path):
    means = {"bicubic": {"psnr": mean(math.inf, 6, 31.5, math.inf)}}
    write_page(content([case(0)], sets=[a_set("Set5", "", (PSNR,), means, [case(0)])]), tmp_path / "r.html")
    with opened(tab, tmp_path / "r.html") as page:
        cells = page.locator(".table").first.locator("td").all_text_contents()
        assert cells == ["∞31.50 \u2013 ∞", "\u2013", "\u2013"]


@pytest.mark.parametrize("others", [("2", "1"), ("constructor", "__proto__")])
def test_methods_can_be_called_anything_and_keep_their_order(tab, tmp_path, others):
    called = dict(zip(METHODS, ("bicubic", *others), strict=True))
    pictures = [(called.get(name, name), data) for name, data in shown(0)["pictures"]]
    cases = [case(0, scores={}, shown=shown(0) | {"pictures": pictures})]
    methods = dict.fromkeys(called.values(), "x")
    write_page(content(cases, methods=methods, sets=[a_set("Set5", "", (PSNR,), {}, cases)]), tmp_path / "r.html")
    with opened(tab, tmp_path / "r.html") as page:
        assert page.locator(".methods dt").all_text_contents() == ["bicubic", *others]
        assert page.locator("#panels h3").all_text_contents() == [
            "LR, the input", "bicubic", *others, "HR, the ground truth",
        ]  # fmt: skip
        assert page.locator("#slider .tag").all_text_contents() == ["LR", others[1]]
        assert page.locator(".problem").count() == page.locator(".panel dl").count() == 0
        assert page.locator(".table").first.locator("td").all_text_contents() == ["\u2013"] * 3


def test_a_page_without_pictures_has_no_viewer(tab, tmp_path):
    cases = [case(n, shown=None) for n in range(3)]
    write_page(content(cases), tmp_path / "r.html")
    with opened(tab, tmp_path / "r.html") as page:
        assert not page.locator("#viewer").is_visible()
        assert page.locator(".card:enabled").count() == 0
        assert page.locator("img").count() == 0


def test_the_same_content_gives_the_same_bytes(path):
    first = path.read_bytes()
    write_page(content(), path)
    assert path.read_bytes() == first


# From pictures to the page -------------------------------------------------------------------------------------------

KERNELS = [{"name": "bicubic", "resample": "bicubic"}, {"name": "lanczos", "resample": "lanczos"}]


def reported(folder, output, **settings):
    settings = {"metrics": ["psnr", "brisque"], "sets": [{"name": "Small", "folder": str(folder)}]} | settings
    benchmark(BenchmarkRecipe.model_validate({"methods": KERNELS, **settings}), output)
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
