"""Draws demo.jpg and console.jpg from what a running stack answers: ``.venv/bin/python -m docs.images.demo URL``."""

import sys
import tempfile
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gateway.cli.main import EXAMPLE_CONSENT
from gateway.client import Raconteur
from tests.browser import chromium, console_page

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
WIDTH, GAP, FRAMES, SPAN = 1200, 16, 6, (4, 64)
INK, PAPER, COLOURS = "#1c1c1c", "#ffffff", ("#d1495b", "#00798c", "#b07a10", "#30638e", "#5f7a34", "#8a4fa0")


def main() -> None:
    console(sys.argv[1])
    font = ImageFont.load_default(22)
    with Raconteur(sys.argv[1]) as client, tempfile.TemporaryDirectory() as folder:
        answer = client.relations(EXAMPLES / "photo.jpg").model_dump(mode="json")
        job = client.video(EXAMPLES / "portrait.jpg", EXAMPLE_CONSENT, speech=EXAMPLES / "speech.wav")
        client.wait(job.id)
        client.download(job.id, Path(folder) / "talk.mp4")
        frames = talking(Path(folder) / "talk.mp4", client.mouth(job.id).openings)
    photo = marked_photo(answer, font)
    told = relations_text(answer)
    text = Image.new("RGB", (WIDTH - photo.width - GAP, photo.height), PAPER)
    ImageDraw.Draw(text).multiline_text((0, 0), told, INK, font, spacing=8)
    strip = Image.fromarray(np.concatenate(frames, axis=1))
    strip = strip.resize((WIDTH, round(strip.height * WIDTH / strip.width)), Image.Resampling.LANCZOS)
    page = Image.new("RGB", (WIDTH + 2 * GAP, photo.height + strip.height + 3 * GAP), PAPER)
    page.paste(photo, (GAP, GAP))
    page.paste(text, (photo.width + 2 * GAP, GAP))
    page.paste(strip, (GAP, photo.height + 2 * GAP))
    page.save(HERE / "demo.jpg", quality=88)


def marked_photo(answer: dict[str, Any], font: Any) -> Image.Image:
    photo = Image.open(EXAMPLES / "photo.jpg").convert("RGB")
    draw = ImageDraw.Draw(photo)
    for person, colour in zip(answer["people"], COLOURS, strict=False):
        x0, y0, x1, y1 = person["box"]
        draw.rectangle((x0, y0, x1, y1), outline=colour, width=4)
        draw.rectangle((x0, y0, x0 + 44, y0 + 34), fill=colour)
        draw.text((x0 + 8, y0 + 4), person["symbol"], PAPER, font)
    return photo.resize((640, round(photo.height * 640 / photo.width)), Image.Resampling.LANCZOS)


def relations_text(answer: dict[str, Any]) -> str:
    """The surest relations, with the runner-up."""
    surest = sorted(answer["relations"], key=lambda r: -r["probabilities"][r["label"]])[:8]
    lines = []
    for relation in surest:
        first, second = sorted(relation["probabilities"].items(), key=lambda item: -item[1])[:2]
        pair = " and ".join(relation["pair"])
        lines.append(f"{pair}: {first[0]} {first[1]:.0%} ({second[0]} {second[1]:.0%})")
    return "\n".join(lines)


def talking(video: Path, openings: list[float | None]) -> list[np.ndarray]:
    """Of the first two seconds by turns the most closed and the most open mouth, cut to the face's height."""
    with av.open(str(video)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    opening = np.array([np.nan if value is None else value for value in openings])
    chosen = [
        part[(np.nanargmax if number % 2 else np.nanargmin)(opening[part])]
        for number, part in enumerate(np.array_split(np.arange(*SPAN), FRAMES))
    ]
    return [frames[n][:480, 60:460] for n in chosen]


def console(url: str) -> None:
    """The room of relations with the example photo, as somebody sees it after one click."""
    with chromium() as browser, console_page(browser, url) as page:
        page.get_by_role("button", name="take the example").click()
        page.locator(".answer .explanation").wait_for(timeout=300_000)
        page.screenshot(path=HERE / "console.jpg", full_page=True, type="jpeg", quality=88)


if __name__ == "__main__":
    main()
