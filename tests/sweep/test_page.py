import pytest

from tests.browser import opened


def test_curves_crops_and_commands(tab, swept):
    report, folder = swept
    with opened(tab, folder / "report.html") as page:
        assert page.locator("h1").text_content() == report.title
        assert report.title.startswith("From /") and report.title.endswith("/20.safetensors")
        assert page.locator(".notices").count() == 0
        assert page.locator(".plot h3").all_text_contents() == ["PSNR ↑", "NIQE ↓", "BRISQUE ↓"]
        assert page.locator(".plot").nth(0).locator(".dot").count() == 2  # that of t = 0 is infinite
        assert page.locator(".plot").nth(1).locator(".dot").count() == 3
        rows = page.locator("tbody tr")
        assert rows.locator("th").all_text_contents() == ["t=0", "t=0.5", "t=1"]
        assert rows.locator(".command").all_text_contents() == list(report.methods.values())
        assert rows.nth(0).locator("td").first.text_content() == "\u2013"
        assert rows.nth(1).locator("td").first.text_content() == f"{report.sets['val'].mean('t=0.5', 'psnr'):.3f}"
        strips = page.locator(".strip")
        assert strips.count() == 3
        assert strips.first.locator("figcaption").all_text_contents() == ["LR", "t=0", "t=0.5", "t=1", "HR"]
        sizes = strips.first.locator("img").evaluate_all("images => images.map(image => image.naturalWidth)")
        assert sizes[0] * 4 == sizes[1] == sizes[-1]


def test_curves_can_be_read_off(tab, swept):
    with opened(tab, swept[1] / "report.html") as page:
        psnr = page.locator(".plot").first
        psnr.locator("svg").focus()
        page.keyboard.press("End")
        assert psnr.locator("output").text_content() == f"t = 1: {swept[0].sets['val'].mean('t=1', 'psnr'):.3f}"
        page.keyboard.press("ArrowLeft")
        assert psnr.locator("output").text_content().startswith("t = 0.5: ")


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1600, "dark")])
def test_nothing_sticks_out(tab, swept, width, scheme):
    with opened(tab, swept[1] / "report.html", width=width, scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
