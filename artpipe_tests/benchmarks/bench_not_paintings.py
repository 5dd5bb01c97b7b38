"""How often pictures that are no paintings are refused, and how often paintings are.

    python artpipe_tests/benchmarks/bench_not_paintings.py --lake LAKE [--photographs FOLDER] [--works 300] [--seed 0]

The lake must hold the assets `novelty_scale` (before) and `painting_detector` (after). Nothing here was used to fit
either: the works are of unseen artists and set no threshold; frames, walls and light are simulated by other code than
the detector's; the pictures that are no paintings come from other generators (matplotlib, OpenCV's QR codes and fonts,
spectral noise); the photographs are those of a folder. Prints a table in Markdown.
"""

import argparse
import io
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from PIL import Image

from artpipe.images.reading import read_picture
from artpipe.lake.parquet import read_table
from artpipe.lake.paths import DataLake
from artpipe.models.learned import load_learned
from artpipe.search import Collection
from artpipe.search.painting_fit import sampled_works
from artpipe.search.served_model import ServedModel, load_served_model

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

OF_EACH_KIND = 40
REPEATS = 20
TEXT = """The catalogue of the museum lists every painting with its date and its place. Visitors may ask for a loan in
writing, and the registrar answers within three weeks. See the annex for fees, opening hours and conditions."""
WORDS = TEXT.split()


def rendered(figure: Figure) -> Image.Image:
    packed = io.BytesIO()
    figure.savefig(packed, dpi=80, format="png")
    plt.close(figure)
    return Image.open(packed).convert("RGB")


def from_pixels(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def black_or_white(number: int, rng: np.random.Generator) -> Image.Image:
    grain = rng.normal(0, number % 4, (300, 400, 1))
    return from_pixels((0, 255)[number % 2] + grain + np.zeros(3))


def wall(number: int, rng: np.random.Generator) -> Image.Image:
    """One colour, every other time in uneven light."""
    colour = rng.integers(0, 256, 3)
    light = np.linspace(0.7, 1, 400)[None, :, None] if number % 2 else 1
    return from_pixels(colour * light + rng.normal(0, 2 * (number % 2), (300, 400, 3)))


def noise(number: int, rng: np.random.Generator) -> Image.Image:
    shape = (300, 400, 3)
    if number % 4 == 0:
        return from_pixels(rng.normal(128, 40, (300, 400, 1)) + np.zeros(3))
    if number % 4 == 1:
        return from_pixels(np.where(rng.random(shape) < 0.2, 255 * rng.integers(0, 2, shape), 128))
    if number % 4 == 2:
        return from_pixels(rng.exponential(60, shape))
    frequency = np.hypot(np.fft.fftfreq(300)[:, None, None], np.fft.fftfreq(400)[None, :, None])
    pink = np.fft.ifft2(np.fft.fft2(rng.normal(size=shape), axes=(0, 1)) / np.maximum(frequency, 1 / 400), axes=(0, 1))
    return from_pixels(pink.real / pink.real.std() * 50 + 128)


def gradient(number: int, rng: np.random.Generator) -> Image.Image:
    y, x = np.mgrid[0:300, 0:400] / 400
    wave = (np.sin(x * 3 + rng.random() * 6) + np.cos(y * 4) + 2) / 4
    level = (np.arctan2(y - 0.4, x - 0.5) / (2 * np.pi) % 1, y / 0.75, wave)[number % 3]
    names = ("hsv", "Blues", "magma", "viridis", "Greys", "Spectral", "twilight", "coolwarm", "cividis", "plasma")
    return from_pixels(plt.get_cmap(names[number % len(names)])(level)[..., :3] * 255)


def page_of_text(number: int, rng: np.random.Generator) -> Image.Image:
    """A printed page, every fourth time photographed."""
    figure = Figure(figsize=(5, rng.uniform(4, 7)), facecolor=("white", "#fdf6e3", "#f4f4f4")[number % 3])
    px = rng.uniform(7, 12)
    lines = int(figure.get_figheight() * 72 / px / 1.5)
    family = ("serif", "sans-serif", "monospace")[number % 3]
    for line in range(lines - 2):
        text = " ".join(rng.choice(WORDS, int(rng.integers(5, 9))))
        figure.text(0.08, 1 - (line + 2) / lines, text, family=family, size=px)
    page = rendered(figure)
    if number % 4 < 3:
        return page
    light = np.linspace(0.55, 1, page.width)[None, :, None] * np.array([1, 0.96, 0.88])
    return from_pixels(np.asarray(page) * light).rotate(3, fillcolor=(90, 70, 50))


def plot(number: int, rng: np.random.Generator) -> Image.Image:
    styles = ("default", "ggplot", "dark_background", "seaborn-v0_8", "bmh", "fivethirtyeight")
    with plt.style.context(styles[number % 6]):
        figure, axes = plt.subplots(figsize=(rng.uniform(4, 7), rng.uniform(3, 5)))
        if number % 5 == 0:
            axes.plot(np.cumsum(rng.normal(size=(100, 3)), axis=0))
        elif number % 5 == 1:
            axes.hist(rng.normal(size=500), 30)
        elif number % 5 == 2:
            axes.scatter(*rng.normal(size=(2, 200)), c=rng.random(200))
        elif number % 5 == 3:
            axes.imshow(rng.random((12, 12)))
        else:
            axes.bar(list("abcdefg"), rng.random(7))
        axes.set_title("Accuracy by epoch")
        return rendered(figure)


def qr_code(number: int, rng: np.random.Generator) -> Image.Image:
    """A QR code, every third time on a poster and photographed at an angle."""
    address = "https://example.org/" + "".join(rng.choice(list("abcdef0123456789"), int(rng.integers(5, 60))))
    modules = cv2.copyMakeBorder(cv2.QRCodeEncoder.create().encode(address), 3, 3, 3, 3, cv2.BORDER_CONSTANT, value=255)
    code = Image.fromarray(cv2.resize(modules, None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST)).convert("RGB")
    if number % 3 < 2:
        return code
    poster = Image.new("RGB", (code.width * 2, code.height * 2), tuple(rng.integers(150, 230, 3).tolist()))
    poster.paste(code, (code.width // 2, code.height // 3))
    return poster.rotate(float(rng.uniform(-8, 8)), fillcolor=(120, 110, 100))


def screenshot(number: int, rng: np.random.Generator) -> Image.Image:
    """An editor, a terminal, a spreadsheet, or a chat."""
    height, width = 480, int(rng.choice([300, 640, 720]))
    is_dark = number % 4 < 2
    pixels = np.full((height, width, 3), (30, 30, 30) if is_dark else (250, 250, 252), np.uint8)

    def write(text: str, x: int, y: int, colour: tuple[int, int, int]) -> None:
        cv2.putText(pixels, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.38, colour, 1, cv2.LINE_AA)

    if is_dark:
        colours = [(86, 156, 214), (206, 145, 120), (220, 220, 220), (106, 153, 85)]
        for y in range(20, height, 14):
            x = 10 + 15 * int(rng.integers(0, 4)) * (number % 4 == 0)
            for word in rng.choice(WORDS, int(rng.integers(0, 7))):
                write(str(word), x, y, colours[int(rng.integers(0, 4))])
                x += 8 * len(word) + 6
    elif number % 4 == 2:
        for y in range(20, height, 20):
            cv2.line(pixels, (0, y), (width, y), (210, 210, 210), 1)
            for x in range(0, width, 90):
                cv2.line(pixels, (x, 0), (x, height), (210, 210, 210), 1)
                write(f"{rng.random() * 1000:.1f}", x + 8, y + 15, (40, 40, 40))
    else:
        y = 40
        cv2.rectangle(pixels, (0, 0), (width, 34), (0, 90, 200), -1)
        while y < height - 50:
            bubble = int(rng.integers(80, width - 60))
            x, tall = (10 if rng.random() < 0.5 else width - bubble - 10), int(rng.integers(24, 60))
            cv2.rectangle(pixels, (x, y), (x + bubble, y + tall), (200, 230, 255), -1)
            write(" ".join(rng.choice(WORDS, 4))[: bubble // 7], x + 6, y + 16, (20, 20, 20))
            y += tall + 10
    return Image.fromarray(pixels)


NOT_PAINTINGS: dict[str, Callable[[int, np.random.Generator], Image.Image]] = {
    "black, white": black_or_white,
    "a plain wall": wall,
    "noise": noise,
    "gradient": gradient,
    "page of text": page_of_text,
    "plot": plot,
    "QR code": qr_code,
    "screenshot": screenshot,
}


def plain(picture: Image.Image, rng: np.random.Generator) -> Image.Image:  # noqa: ARG001 - as the others
    return picture


def framed(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A moulded frame on a textured wall in uneven light, with the frame's shadow."""
    work = np.asarray(picture).astype(np.float32)
    height, width = work.shape[:2]
    short = min(height, width)
    thick, around = int(short * rng.uniform(0.04, 0.12)), int(short * rng.uniform(0.1, 0.4))
    colours = np.array([[60, 40, 25], [180, 150, 80], [20, 20, 20], [200, 195, 185]], np.float32)
    tall, wide = height + 2 * thick, width + 2 * thick
    y, x = np.mgrid[0:tall, 0:wide]
    depth = np.minimum(np.minimum(y, tall - 1 - y), np.minimum(x, wide - 1 - x)) / thick
    frame = rng.choice(colours) * (0.7 + 0.5 * np.abs(np.sin(depth * np.pi * 1.5)))[..., None]
    frame[thick : thick + height, thick : thick + width] = work
    size = (tall + 2 * around, wide + 2 * around)
    texture = cv2.GaussianBlur(rng.normal(0, 12, size).astype(np.float32), (0, 0), 2)[..., None]
    light = np.linspace(rng.uniform(0.6, 1), 1, size[1])[None, :, None]
    seen = rng.uniform([140, 135, 125], [235, 230, 225]) * light + texture
    shadow = around + thick // 2
    seen[shadow : shadow + tall, shadow : shadow + wide] *= 0.7
    seen[around : around + tall, around : around + wide] = frame
    return from_pixels(seen + rng.normal(0, 2, seen.shape))


def dim(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Warm light of a third to two thirds of the usual, less towards the corners, with the sensor's noise."""
    pixels = (np.asarray(picture).astype(np.float32) / 255) ** rng.uniform(1, 1.2)
    y, x = (np.linspace(-1, 1, size) for size in pixels.shape[:2])
    vignette = 1 - 0.3 * (y[:, None, None] ** 2 + x[None, :, None] ** 2)
    light = rng.uniform(0.35, 0.65) * np.array([1, 0.85, 0.62]) * vignette
    return from_pixels(pixels * light * 255 + rng.normal(0, 5, pixels.shape))


PAINTINGS = {"plain": plain, "framed on a wall": framed, "dim, warm light": dim}


def bench(lake: DataLake, photographs: Path | None, most: int, seed: int) -> None:
    collection = Collection.open(lake)
    model = load_served_model(lake, "cpu")
    rows = read_table(lake, "training_set")
    rows = rows.filter(rows["artwork_id"].is_in(collection.works["artwork_id"].implode()))
    _, fitted = sampled_works(rows, load_learned(lake.model(model.model_id)))
    unseen = rows.filter(split="unseen_artists").join(fitted, on="work_id", how="anti")
    unseen = unseen.unique("work_id", maintain_order=True).sample(min(most, unseen["work_id"].n_unique()), seed=seed)
    print("| pictures | n | before | now |\n|---|--:|--:|--:|")
    collection.novelty(collection.works["artwork_id"][0])  # reads the vectors

    def report(kind: str, pictures: Iterable[Image.Image]) -> None:
        queries = [read_picture(picture, collection.snapshot.short_side_px) for picture in pictures]
        found = model.encode(queries)
        before = [bool(collection.novelty(vector).is_out_of_distribution) for vector in found.vectors]
        now = np.zeros(len(queries)) if found.is_painting is None else ~found.is_painting
        print(f"| {kind} | {len(queries)} | {np.mean(before):.1%} | {np.mean(now):.1%} |", flush=True)

    for kind, draw in NOT_PAINTINGS.items():
        report(kind, (draw(number, np.random.default_rng([seed, number])) for number in range(OF_EACH_KIND)))
    if photographs is not None:
        for folder in sorted({file.parent for file in photographs.rglob("*") if file.is_file()}):
            files = sorted(file for file in folder.iterdir() if file.is_file())
            report(f"photographs: {folder.name}", (Image.open(file).convert("RGB") for file in files))
    ids = unseen["artwork_id"].to_list()
    jpegs = collection.images(ids)
    for kind, treat in PAINTINGS.items():
        seen = (read_picture(jpegs[name]) for name in ids)
        report(
            f"paintings, {kind}",
            (treat(picture, np.random.default_rng([seed, number])) for number, picture in enumerate(seen)),
        )
    print(f"\nOne picture, median: {milliseconds(model, jpegs[ids[0]])}")


def milliseconds(model: ServedModel, jpeg: bytes) -> str:
    """The time of one picture through the model, with the detector and without."""
    picture, spent = read_picture(jpeg), {}
    for name, run in {"with": model.encode, "without": model.encode_with_features}.items():
        times: list[float] = []
        for _ in range(REPEATS):
            began = time.perf_counter()
            run([picture])
            times.append(time.perf_counter() - began)
        spent[name] = 1000 * float(np.median(times))
    return f"{spent['with']:.1f} ms with the detector, {spent['without']:.1f} ms without."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lake", required=True)
    parser.add_argument("--photographs", type=Path, help="a folder of photographs, or of folders with a name")
    parser.add_argument("--works", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    bench(DataLake(arguments.lake), arguments.photographs, arguments.works, arguments.seed)


if __name__ == "__main__":
    main()
