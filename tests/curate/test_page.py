import html.parser
import io
import itertools
import json
import math
import re
import tracemalloc
from dataclasses import replace

import pytest
from PIL import Image

from aimanga.curate.page import Entry, Score, write_page
from tests.browser import opened

SCORES = (
    Score("detail", "Detail", "How much fine structure it has.", low=8.0),
    Score("noise", "Noise", "How much of it is noise.", high=4.0),
    Score("colour", "Colour", "How colourful it is."),
)
OPTIONS = {"min detail": "8", "max noise": "4"}


def thumbnail(kind="WEBP"):
    encoded = io.BytesIO()
    Image.linear_gradient("L").resize((40, 30)).save(encoded, kind)
    return encoded.getvalue()


THUMBNAIL = thumbnail()
PICTURE = Entry("", 400, 300, True, (), (), {}, None, (), THUMBNAIL)


def picture(name, detail, noise, *reasons, **changes):
    words = tuple(f"it has {reason}" for reason in reasons)
    scores = {"detail": detail, "noise": noise, "colour": 30.0}
    return replace(PICTURE, name=name, scores=scores, kept=not reasons, reasons=reasons, words=words, **changes)


UNREADABLE = Entry("broken.jpg", 0, 0, False, ("unreadable",), ("the file ends early",), {}, None, (), None)
SET = (
    picture("a10.jpg", 30.0, 3.0, crops=((100, 75, 200, 150), (0, 0, 40, 40))),
    picture("a1.jpg", 10.0, 1.0, group=7),
    picture("A2.jpg", 20.0, 2.0),
    picture("b/grainy.jpg", 9.0, 6.0, "noise"),
    picture("b/flat.jpg", 2.0, 0.5, "detail"),
    picture("b/both.jpg", 3.0, 5.0, "detail", "noise"),
    picture("copy of a1.jpg", 8.0, 4.0, "duplicate", group=7, thumbnail=None),
    UNREADABLE,
)
BY_NAME = ["a1.jpg", "A2.jpg", "a10.jpg", "b/both.jpg", "b/flat.jpg", "b/grainy.jpg", "broken.jpg", "copy of a1.jpg"]


@pytest.fixture
def show(tab, tmp_path):
    """Write a report and open it."""

    def write_and_open(entries=SET, title="Photos", scores=SCORES, **window):
        path = tmp_path / "report.html"
        write_page(path, title, scores, entries, options=OPTIONS)
        return opened(tab, path, **window)

    return write_and_open


def names(page):
    """The pictures as they are listed; those that are kept come first where they stand beside the others."""
    return page.locator("main .card .name").all_text_contents()


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def assert_pictures_are_shown(page):
    # A picture that cannot be decoded is an error.
    widths = page.evaluate("Promise.all([...document.images].map((one) => one.decode().then(() => one.naturalWidth)))")
    assert widths and set(widths) == {40}


# ---- in a browser


def test_what_stands_above(show):
    with show() as page:
        assert page.title() == "Photos \u2013 aimanga curate"
        assert page.locator("h1").text_content() == "Photos"
        numbers = dict(zip(*(page.locator(f".numbers {tag}").all_text_contents() for tag in ("dt", "dd")), strict=True))
        assert numbers == {
            "Pictures": "8", "Kept, 38 %": "3", "Rejected": "5", "Duplicates rejected": "1", "Duplicate groups": "1",
            "Crops": "2", "Unreadable": "1",
        }  # fmt: skip
        assert page.locator(".options dt").all_text_contents() == list(OPTIONS)
        assert page.locator(".options dd").all_text_contents() == list(OPTIONS.values())


def test_kept_and_rejected_stand_side_by_side_with_their_reasons(show):
    with show() as page:
        kept, rejected = page.locator(".shelf").all()
        assert kept.locator(".name").all_text_contents() == BY_NAME[:3]
        assert rejected.locator(".name").all_text_contents() == BY_NAME[3:]
        assert rejected.locator(".why").first.text_content() == "it has detail; it has noise"
        left, right = kept.bounding_box(), rejected.bounding_box()
        assert left["y"] == right["y"] and left["x"] + left["width"] < right["x"]
        assert page.locator("main img").count() == 6
        assert page.locator("main .nothing").all_text_contents() == ["cannot be read", "no thumbnail"]
        assert_pictures_are_shown(page)


def test_filters(show):
    expected = [
        ({}, BY_NAME),
        ({"status": "Kept"}, BY_NAME[:3]),
        ({"status": "Rejected"}, BY_NAME[3:]),
        ({"reason": "detail"}, ["b/both.jpg", "b/flat.jpg"]),
        ({"reason": "unreadable"}, ["broken.jpg"]),
        ({"words": "B/"}, ["b/both.jpg", "b/flat.jpg", "b/grainy.jpg"]),
        ({"words": "a1 jpg"}, ["a1.jpg", "a10.jpg", "copy of a1.jpg"]),
        ({"words": "a1", "status": "Rejected"}, ["copy of a1.jpg"]),
        ({"reason": "noise", "words": "flat"}, []),
    ]
    with show() as page:
        for wanted, found in expected:
            page.locator(".choices button", has_text=wanted.get("status", "All")).first.click()
            page.get_by_label("Reason", exact=True).select_option(wanted.get("reason", ""))
            page.get_by_label("Search in names").fill(wanted.get("words", ""))
            assert names(page) == found
            assert page.locator("#found").text_content() == (f"{len(found)} of 8 pictures" if wanted else "8 pictures")
            assert page.locator(".chip").count() == len(wanted)
        press(page, "Clear all")
        assert names(page) == BY_NAME


def test_counts_beside_the_filters_tell_what_each_would_find(show):
    with show() as page:
        statuses = page.locator(".choices").first.locator("button")
        reasons = page.get_by_label("Reason", exact=True).locator("option")
        assert statuses.all_text_contents() == ["All 8", "Kept 3", "Rejected 5"]
        assert reasons.all_text_contents() == [
            "Any reason", "High noise (2)", "Low detail (2)", "Near-duplicate (1)", "Unreadable (1)",
        ]  # fmt: skip
        page.get_by_label("Search in names").fill("b/")
        page.get_by_label("Reason", exact=True).select_option("noise")
        assert statuses.all_text_contents() == ["All 2", "Kept 0", "Rejected 2"]
        assert reasons.all_text_contents()[1:3] == ["High noise (2)", "Low detail (2)"]


def test_the_list_of_reasons_filters_too(show):
    with show() as page:
        assert page.locator(".reason").all_text_contents() == [
            "High noise2", "Low detail2", "Near-duplicate1", "Unreadable1",
        ]  # fmt: skip
        page.locator(".reason", has_text="Near-duplicate").click()
        assert names(page) == ["copy of a1.jpg"]
        page.locator(".reason", has_text="Near-duplicate").click()
        assert names(page) == BY_NAME


def test_order(show):
    # Those that are kept stand apart, and what is not known stands last.
    expected = {
        "name": "a1 A2 a10 / both flat grainy broken copy",
        "detail": "a1 A2 a10 / flat both copy grainy broken",
        "noise": "a1 A2 a10 / flat copy both grainy broken",
    }
    with show() as page:
        for by, ascending in expected.items():
            page.get_by_label("Sort by").select_option(label=f"Sort by {by}")
            short = [re.fullmatch(r"(?:b/)?(\w+?)(?: of a1)?\.jpg", name)[1] for name in names(page)]
            assert [*short[:3], "/", *short[3:]] == ascending.split()
        press(page, "Ascending")
        assert [name for name in names(page) if name in BY_NAME[:3]] == ["a10.jpg", "A2.jpg", "a1.jpg"]
        assert names(page)[3:] == ["b/grainy.jpg", "b/both.jpg", "copy of a1.jpg", "b/flat.jpg", "broken.jpg"]


def test_histograms_count_every_picture_and_no_bar_straddles_a_threshold(show):
    with show() as page:
        for score in SCORES:
            histogram = page.locator(f'[data-score="{score.name}"]')
            labels = histogram.locator(".bin").evaluate_all("(bars) => bars.map((bar) => bar.ariaLabel)")
            counts = {
                status: sum(int(n) for label in labels for n in re.findall(rf"(\d+) {status}", label))
                for status in ("kept", "rejected")
            }
            assert counts == {"kept": 3, "rejected": 4}
            assert histogram.locator("rect.kept").count() and histogram.locator("rect.rejected").count()
            lines = histogram.locator("line.threshold").all()
            assert len(lines) == (score.low is not None) + (score.high is not None)
            for line in lines:
                limit = f"{score.low or score.high:g}"
                place = float(line.get_attribute("x1"))
                assert place == pytest.approx(round(place))
                assert labels[round(place)].startswith(f"{limit} to")
                assert line.bounding_box()["height"] > 50
                assert limit in histogram.locator(".limit").text_content()


@pytest.mark.parametrize(("low", "high"), [(2.0, 30.0), (5.0, 5.0), (29.0, 29.5)])
def test_two_thresholds_and_their_labels_do_not_meet(show, low, high):
    with show(scores=[Score("detail", "Detail", "How much.", low, high)]) as page:
        assert page.locator("line.threshold").count() == 2
        lower, upper = (label.bounding_box() for label in page.locator(".limit").all())
        assert page.locator(".limit").all_text_contents() == [f"at least {low:g}", f"at most {high:g}"]
        assert lower["x"] + lower["width"] <= upper["x"] + 1
        panel = page.locator(".histogram").bounding_box()
        assert panel["x"] <= lower["x"] and upper["x"] + upper["width"] <= panel["x"] + panel["width"]


def test_a_threshold_far_from_all_pictures_leaves_them_their_room(show):
    with show(scores=[Score("detail", "Detail", "How much.", high=1e9)]) as page:
        assert page.locator("line.threshold").count() == 0
        assert page.locator("rect.kept").count() > 1


def test_a_bar_filters_to_its_range(show):
    with show() as page:
        histogram = page.locator('[data-score="noise"]')
        bar = histogram.locator(".bin", has=page.locator("rect.kept")).first
        bar.click()
        assert names(page) == ["a1.jpg"]
        assert bar.get_attribute("aria-pressed") == "true"
        histogram.locator(".bin", has=page.locator("rect.kept")).last.click(modifiers=["Shift"])
        assert names(page) == ["a1.jpg", "A2.jpg", "a10.jpg"]
        page.get_by_role("button", name="Remove the filter: Noise").click()
        assert names(page) == BY_NAME
        bar.click()
        press(page, "Clear the range of noise")
        assert names(page) == BY_NAME
        bar.click()
        bar.click()
        assert names(page) == BY_NAME


def test_the_bars_are_reached_by_the_keyboard(show):
    with show() as page:
        histogram = page.locator('[data-score="detail"]')
        histogram.locator('.bin[tabindex="0"]').focus()
        page.keyboard.press("End")
        page.keyboard.press("Enter")
        assert names(page) == ["a10.jpg"]
        page.keyboard.press("Home")
        page.keyboard.press("Shift+Enter")
        assert len(names(page)) == 7
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.activeElement.dataset.bin") == "1"
        assert histogram.locator('.bin[tabindex="0"]').count() == 1


def test_a_picture_in_detail(show):
    with show() as page:
        page.get_by_role("button", name="a1.jpg, kept", exact=True).click()
        dialog = page.get_by_role("dialog", name="a1.jpg")
        assert dialog.locator(".verdict").text_content() == "Kept"
        assert dialog.locator(".measure dt").all_text_contents() == ["Detail", "Noise", "Colour"]
        assert dialog.locator(".measure b").all_text_contents() == ["10", "1", "30"]
        assert dialog.locator(".meaning").all_text_contents() == [score.meaning for score in SCORES]
        assert "at least 8" in dialog.text_content() and "at most 4" in dialog.text_content()
        assert dialog.locator(".frame img").first.bounding_box()["width"] > 300
        assert dialog.locator(".members h3").text_content() == "Group 7: 1 other picture"
        dialog.locator(".members .card").click()
        dialog = page.get_by_role("dialog", name="copy of a1.jpg")
        assert dialog.locator(".sentences li").all_text_contents() == ["it has duplicate"]
        press(page, "Close")
        assert page.get_by_role("dialog").count() == 0


def test_the_dialog_by_keyboard(show):
    with show() as page:
        page.get_by_role("button", name="a1.jpg, kept", exact=True).focus()
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        assert page.locator("#detail-name").text_content() == "a1.jpg"
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert page.locator("#detail-name").text_content() == "a10.jpg"
        assert dialog.locator(".crops li").all_text_contents() == [
            "1. 200 \u00d7 150 at 100, 75",
            "2. 40 \u00d7 40 at 0, 0",
        ]
        page.keyboard.press("ArrowRight")
        assert page.locator("#detail-name").text_content() == "a10.jpg"
        page.get_by_label("Previous picture").focus()
        page.keyboard.press("Space")
        page.keyboard.press("Space")
        assert page.locator("#detail-name").text_content() == "a1.jpg"
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Escape")
        # The focus is then on the picture that was looked at last.
        page.locator("main .card:focus", has_text="A2.jpg").wait_for()


def test_an_unreadable_picture_in_detail(show):
    with show() as page:
        page.get_by_role("button", name="broken.jpg, rejected: the file ends early").click()
        dialog = page.get_by_role("dialog")
        assert dialog.locator(".sentences li").all_text_contents() == ["the file ends early"]
        assert "It has no scores." in dialog.text_content()


def test_crops_are_drawn_where_they_are(show):
    with show() as page:
        shown = page.get_by_role("button", name="a10.jpg, kept")
        frame, crop = shown.locator(".frame").bounding_box(), shown.locator(".boxes rect").nth(1).bounding_box()
        # A quarter of 400 x 300, in the middle; the frame has the same proportions.
        for side, start, extent in (("x", "x", "width"), ("y", "y", "height")):
            assert crop[side] == pytest.approx(frame[start] + frame[extent] / 4, abs=2)
            assert crop[extent] == pytest.approx(frame[extent] / 2, abs=4)
        page.get_by_label("crop boxes").uncheck()
        assert not shown.locator(".boxes").is_visible()


def test_contact_sheet(show):
    with show() as page:
        press(page, "Contact sheet")
        cards = page.locator(".sheet .card")
        spoken = cards.evaluate_all("(cards) => cards.map((card) => card.ariaLabel)")
        assert [label.split(",")[0] for label in spoken] == BY_NAME
        assert_pictures_are_shown(page)
        cards.first.click()
        assert page.get_by_role("dialog").is_visible()


def test_pictures_of_a_scene_stand_together(show):
    with show([*SET, picture("c1.jpg", 9.0, 1.0, scene=3), picture("c2.jpg", 9.0, 1.0, "scene", scene=3)]) as page:
        assert "Scene already shown1" in page.locator(".reason").all_text_contents()
        press(page, "Scenes")
        assert page.locator(".groups h3").all_text_contents() == ["Scene 3 · 2 pictures, 1 kept"]
        assert names(page) == ["c1.jpg", "c2.jpg"]


def test_duplicates_stand_in_their_groups(show):
    crowd = [picture(f"crowd {n}.jpg", 9.0, 1.0, "duplicate", group=8) for n in range(40)]
    with show([*SET, *crowd]) as page:
        press(page, "Duplicates")
        groups = page.locator(".groups > li")
        assert groups.locator("h3").all_text_contents() == [
            "Group 7 · 2 pictures, 1 kept", "Group 8 · 40 pictures, 0 kept",
        ]  # fmt: skip
        assert groups.first.locator(".name").all_text_contents() == ["a1.jpg", "copy of a1.jpg"]
        assert groups.last.locator(".card").count() == 12
        press(page, "Show all 40")
        assert len(names(page)) == 40
        press(page, "Remove the filter: Group 8")
        assert page.locator("#found").text_content() == "48 pictures"


EVIL = (
    '</script><script>document.title = "owned"</script>.jpg',
    "<!--<script>.jpg",
    '<img src="x" onerror="document.title = `owned`">.jpg',
    "\"double\" 'single' `back` ${title} & &lt; {{data}} {{policy}}.jpg",
    "lone \udce9 surrogate \ud83d.jpg",
    "\u202ebackwards \u2028 line\nbreak.jpg",
    "图片 é 🖼.jpg",
)


def test_names_are_text_whatever_they_hold(show):
    rejected = replace(PICTURE, kept=False, group=1)
    entries = [replace(rejected, name=name, reasons=("__proto__", name), words=(name, name)) for name in EVIL]
    with show([*entries, picture("constructor", 1.0, 1.0, "constructor")], title=EVIL[0]) as page:
        assert page.locator("h1").text_content() == EVIL[0]
        assert set(names(page)) == {*EVIL, "constructor"}
        page.locator("main .card", has_text="img src").click()
        assert page.get_by_role("dialog").locator("h2").text_content() == EVIL[2]
        press(page, "Close")
        page.get_by_label("Search in names").fill("图片 É")
        assert names(page) == [EVIL[-1]]
        assert page.locator("script").count() == len(EVIL) + 1 + 3
        assert "owned" not in page.title().replace(EVIL[0], "")


CONTRAST = """() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = parts(colour).slice(0, 3).map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return (parts(colour)[3] ?? 1) === 1 || !element.parentElement ? colour : behind(element.parentElement);
  };
  const texts = document.createTreeWalker(document.querySelector(".page"), NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    if (element.closest("[aria-disabled=true]")) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(behind(element))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), element.className || element.tagName]);
  }
  return found;
}"""


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_contrast_of_all_text(show, scheme, dark):
    with show(scheme=scheme) as page:
        page.locator(".reason").first.click()
        found = page.evaluate(CONTRAST)
        assert len(found) > 50
        assert [text for text in found if text[0] < 4.5] == []
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (int(re.findall(r"\d+", background)[0]) < 64) == dark


@pytest.mark.parametrize("width", [320, 1100])
def test_nothing_sticks_out_of_a_narrow_window(show, width):
    with show([*SET, picture("n" * 250 + ".jpg", 9.0, 1.0)], width=width) as page:
        if width < 1024:
            assert not page.locator(".histogram").first.is_visible()
            page.locator("#facets > summary").click()
        assert page.locator(".histogram").first.is_visible()
        for view in ("Duplicates", "Contact sheet", "Side by side"):
            press(page, view)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.locator(".card").last.click()
        assert page.evaluate("document.querySelector('dialog').scrollWidth") <= width


def test_thousands_of_pictures_but_few_at_a_time(show):
    numbers = itertools.count()
    some = (picture(f"{n}.jpg", n / 100, 1.0, *(["detail"] if n < 800 else []), group=n // 50) for n in numbers)
    with show(itertools.islice(some, 5000)) as page:
        images = page.locator("img")
        assert page.locator('script[type="text/plain"]').count() == 5000
        assert 0 < images.count() < 250
        for view in ("Contact sheet", "Duplicates", "Side by side"):
            press(page, view)
            assert 0 < images.count() < 250
        assert_pictures_are_shown(page)
        page.get_by_label("Search in names").fill("499")
        assert page.locator("#found").text_content() == "15 of 5,000 pictures"
        press(page, "Clear all")
        page.get_by_label("Sort by").select_option(label="Sort by detail")
        press(page, "Ascending")
        kept = page.get_by_role("region", name="Kept")
        assert kept.locator(".name").first.text_content() == "4999.jpg"
        kept.get_by_label("Next page").first.click()
        assert kept.locator(".pager").first.text_content() == "\u203937\u201372 of 4,200\u203a"
        assert kept.locator(".name").first.text_content() == "4963.jpg"
        assert 0 < images.count() < 250


@pytest.mark.parametrize(
    "entries",
    [[], SET[:3], SET[3:], [UNREADABLE], [replace(PICTURE, name="a.jpg", scores={"detail": 8.0})]],
    ids=["none", "all kept", "all rejected", "unreadable", "one score"],
)
def test_unbalanced_sets(show, entries):
    with show(entries) as page:
        assert page.locator("#found").text_content() == f"{len(entries)} picture{'s' * (len(entries) != 1)}"
        assert page.locator(".card").count() == len(entries)
        kept = sum(entry.kept for entry in entries)
        assert page.locator(".empty").count() == (kept == 0) + (kept == len(entries))
        press(page, "Contact sheet")
        assert page.locator(".card").count() == len(entries)


# ---- without one


class Data(html.parser.HTMLParser):
    """The contents of the elements that hold data, by their names."""

    def __init__(self, path):
        super().__init__()
        self.found = {}
        self._name = None
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self._name = dict(attrs).get("id") if tag == "script" else None

    def handle_endtag(self, tag):
        self._name = None

    def handle_data(self, data):
        if self._name:
            self.found[self._name] = self.found.get(self._name, "") + data


def test_data_come_back_as_they_were(tmp_path):
    path = tmp_path / "report.html"
    entries = [replace(picture(name, 9.5, 1.0), group=n, crops=((1, 2, 3, 4),)) for n, name in enumerate(EVIL)]
    write_page(path, EVIL[0], SCORES, entries, options={EVIL[1]: EVIL[2], "surrogate": EVIL[4]})
    found = Data(path).found
    report, pictures = json.loads(found["report"]), json.loads(found["pictures"])
    assert report["title"] == EVIL[0]
    assert report["options"] == {EVIL[1]: EVIL[2], "surrogate": EVIL[4]}
    assert [one["name"] for one in pictures] == list(EVIL)
    assert pictures[0]["scores"] == [9.5, 1.0, 30.0]
    assert pictures[0]["crops"] == [[1, 2, 3, 4]]
    assert len(found) == len(EVIL) + 2


def test_thumbnails_are_what_they_are(tmp_path):
    path = tmp_path / "report.html"
    entries = [replace(PICTURE, thumbnail=one) for one in (thumbnail("JPEG"), None, THUMBNAIL)]
    write_page(path, "", SCORES, entries, options={})
    found = {name: data for name, data in Data(path).found.items() if name.startswith("thumbnail")}
    assert list(found) == ["thumbnail-0", "thumbnail-2"]
    assert [data.partition(";")[0] for data in found.values()] == ["data:image/jpeg", "data:image/webp"]


def test_numbers_that_json_does_not_have(tmp_path):
    path = tmp_path / "report.html"
    unbounded = [Score("detail", "Detail", "", low=-math.inf, high=math.inf)]
    entries = [replace(PICTURE, scores={"detail": value}) for value in (math.nan, -math.inf, 1.0)]
    write_page(path, "", unbounded, entries, options={})
    found = Data(path).found
    assert [one["scores"] for one in json.loads(found["pictures"])] == [[None], [None], [1.0]]
    (score,) = json.loads(found["report"])["scores"]
    assert (score["low"], score["high"]) == (None, None)


def test_an_error_leaves_the_former_report(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("former")

    def entries():
        yield from SET
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_page(path, "", SCORES, entries(), options={})
    assert path.read_text() == "former"
    assert list(tmp_path.iterdir()) == [path]


def test_memory_does_not_grow_with_the_thumbnails(tmp_path):
    path = tmp_path / "report.html"
    tracemalloc.start()
    try:
        write_page(path, "", SCORES, (replace(PICTURE, thumbnail=bytes(2**20)) for _ in range(30)), options={})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 40e6
    assert peak < 8e6


def test_the_page_asks_for_nothing(tmp_path):
    path = tmp_path / "report.html"
    write_page(path, "", SCORES, SET, options={})
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\"'\s]+", text)) == {"http://www.w3.org/2000/svg"}
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    assert policy.startswith("default-src 'none'; img-src data:;") and "unsafe" not in policy
