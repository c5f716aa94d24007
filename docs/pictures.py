"""Make the pictures of docs/images that show what models do, from free photos.

python docs/pictures.py
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import aimanga
from aimanga.benchmark.crops import most_different_crop

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
MODELS = ("aimanga-x4", "realesrgan-x4plus", "realsr-df2k", "realesrgan-x4plus-anime")
SIDE = 80  # of the crop of the input that all models upscale

PAIR = 240  # of the crops of the results that are compared
PAIRS = (
    "animals/114webmidtermp_dragonfly", "animals/114webmidtermp_leopard",
    "animation/gophers_pirate-boat", "animation/testfiles_FairytaleCastle15_300dpi",
    "architecture/dcabundance_arena-stage", "architecture/maxgooosegithu_krak-des-chevaliers",
    "food/contentslidera_autumn-2", "food/maxresnet50_burger",
    "human/communitytheme_Cab_Calloway_Gottlieb", "human/maximageresolu_face",
    "landscape/lomiri_life_by_Aitzol_Berasategi", "landscape/lomiri_picosdeeuropa_by_Aitzol_Berasategi",
    "objects/moiraine_desktop", "objects/pydatanyc2018o_contraption",
    "plants/contentslidera_spring-1", "plants/contentslidera_winter-4",
    "text/pydatanyc2018o_bug-report-woskay", "text/visiondata_aldi_18042020_11_00883",
    "vehicles/demolicerecykl_atlas-copco-1055", "vehicles/maxresnet50_taxis",
)  # fmt: skip

Pixels = NDArray[np.uint8]


def before_after() -> None:
    """before-after.jpg, the picture of the README: two samples, bicubic and by aimanga-x4."""
    tiles = []
    for name, (top, left) in {"parrot.jpg": (90, 100), "owl.jpg": (110, 230)}.items():
        photo = aimanga.read(ROOT / "samples" / name)
        for strength in (0.0, 1.0):
            pixels = aimanga.upscale(photo, model="aimanga-x4", strength=strength).pixels
            tiles.append(pixels[top : top + 400, left : left + 400])
    aimanga.write(aimanga.Picture(np.hstack(tiles)), IMAGES / "before-after.jpg", quality=88)


def comparisons() -> None:
    """models-NAME.jpg: one input with its pixels repeated, bicubic, and all models side by side."""
    cat = Image.open(ROOT / "tests" / "photos" / "cat.jpg").resize((128, 128), Image.Resampling.BICUBIC)
    inputs = {
        "web": aimanga.read(ROOT / "samples" / "parrot.jpg").pixels[24 : 24 + SIDE, 30 : 30 + SIDE],
        "clean": np.asarray(cat)[20 : 20 + SIDE, 24 : 24 + SIDE],
        "drawing": drawing(),
    }
    for name, pixels in inputs.items():
        picture = aimanga.Picture(np.ascontiguousarray(pixels))
        tiles = {"input": picture.pixels.repeat(4, 0).repeat(4, 1)}
        tiles |= {"bicubic": aimanga.upscale(picture, strength=0.0).pixels}
        tiles |= {model: aimanga.upscale(picture, model=model).pixels for model in MODELS}
        two_columns(tiles).save(IMAGES / f"models-{name}.jpg", quality=88, subsampling=0)


def tutorial() -> None:
    """tutorial.jpg: a crop of the results of docs/tutorial.md, if they lie in the current folder."""
    paths = {"before": "out/before", "after": "out/first", "ground truth": "test/HR"}
    tiles = {"bicubic": aimanga.upscale(aimanga.read("test/LR/cat_1.png"), strength=0.0).pixels}
    tiles |= {name: aimanga.read(f"{folder}/cat_1.png").pixels for name, folder in paths.items()}
    side = 4 * SIDE
    crops = {name: pixels[80 : 80 + side, 96 : 96 + side] for name, pixels in tiles.items()}
    two_columns(crops).save(IMAGES / "tutorial.jpg", quality=88, subsampling=0)


def pairs() -> None:
    """pairs/NAME.jpg: input, pixels repeated, and three models on 20 of the free photos, where the models differ most.

    Two a category, chosen by their licence before any result was seen; from the output of `aimanga benchmark models`.
    """
    done = Path("out/models")
    methods = ("realesrgan-x4plus", "aimanga-x4", "aimanga-x4-fast")
    for name in PAIRS:
        results = [
            aimanga.read(done / "results" / method / "Free photos" / f"{name.replace('/', '_')}.png").pixels
            for method in methods
        ]
        low = aimanga.read(done / "sets" / "Free photos" / "LR" / f"{name}.png").pixels
        box = most_different_crop(results, PAIR, PAIR, 4)
        tiles = [box.divided(4).of(low).repeat(4, 0).repeat(4, 1), *map(box.of, results)]
        target = IMAGES / "pairs" / f"{name.replace('/', '-')}.jpg"
        target.parent.mkdir(exist_ok=True)
        Image.fromarray(np.hstack(tiles)).save(target, quality=85, subsampling=0)


def drawing() -> Pixels:
    """A cat drawn with lines and flat colours, as small as the other inputs."""
    size = 16 * SIDE
    sheet = Image.new("RGB", (size, size), (150, 205, 235))
    draw = ImageDraw.Draw(sheet)
    pen = {"outline": (40, 30, 40), "width": 24}
    draw.rectangle((0, 960, size, size), fill=(120, 180, 90))
    for ear in ([(330, 560), (360, 160), (640, 370)], [(950, 560), (920, 160), (640, 370)]):
        draw.polygon(ear, fill=(240, 170, 80), **pen)
    draw.ellipse((280, 300, 1000, 960), fill=(245, 185, 95), **pen)
    draw.ellipse((480, 640, 800, 900), fill=(255, 240, 215))
    for left in (420, 700):
        draw.ellipse((left, 470, left + 160, 670), fill=(255, 255, 255), **pen)
        draw.ellipse((left + 60, 530, left + 120, 640), fill=(40, 110, 60))
    draw.polygon([(600, 700), (680, 700), (640, 750)], fill=(200, 80, 90), outline=(40, 30, 40))
    draw.arc((560, 720, 640, 810), 20, 180, fill=(40, 30, 40), width=14)
    draw.arc((640, 720, 720, 810), 0, 160, fill=(40, 30, 40), width=14)
    for y, drop in ((730, -50), (770, 0), (810, 50)):
        draw.line((480, y, 200, y + drop), fill=(40, 30, 40), width=10)
        draw.line((800, y, 1080, y + drop), fill=(40, 30, 40), width=10)
    return np.asarray(sheet.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def two_columns(tiles: dict[str, Pixels]) -> Image.Image:
    """Tiles with their names below, two in a row: large enough to be seen on a phone, too."""
    side, line, gap = 4 * SIDE, 32, 8
    sheet = Image.new("RGB", (2 * side + gap, (len(tiles) + 1) // 2 * (side + line)), "white")
    for place, (name, pixels) in enumerate(tiles.items()):
        left, top = place % 2 * (side + gap), place // 2 * (side + line)
        sheet.paste(Image.fromarray(pixels), (left, top))
        ImageDraw.Draw(sheet).text((left + 2, top + side + 2), name, fill="black", font=ImageFont.load_default(22))
    return sheet


if __name__ == "__main__":
    before_after()
    comparisons()
    if Path("out/models").is_dir():
        pairs()
    if Path("out/first").is_dir():
        tutorial()
