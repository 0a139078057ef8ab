"""What the watermark survives, what it costs, and how often it is found where it is not.

    .venv/bin/python benchmarks/watermark.py            prints a table; --json prints one object

Two seconds of each example picture: still, with a moving mouth, swaying and panning; encoded as the service does.
"""

import argparse
import io
import json
import time
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from services.common.settings import REPOSITORY
from services.common.watermark import Reading, embed, mark_of, threshold
from services.talkinghead.video.encode import encode_segment
from services.talkinghead.video.marks import Marks

PICTURES: Final = ("portrait.jpg", "photo.jpg")
MOVES: Final = ("still", "mouth", "sway", "pan")
FRAMES: Final = 50
JOBS: Final = 100_000
"""Marks that each video is compared with."""
TREATMENTS: Final[dict[str, tuple[int, float]]] = {
    "as made": (0, 1.0),
    "CRF 23": (23, 1.0),
    "CRF 30": (30, 1.0),
    "CRF 30, half size": (30, 0.5),
    "CRF 35, half size": (35, 0.5),
}

Pixels = NDArray[np.uint8]


def clip(name: str, move: str) -> list[Pixels]:
    """(H, W, 3) frames of a picture that moves a little or a lot."""
    picture = np.asarray(Image.open(REPOSITORY / "examples" / name).convert("RGB"))
    height, width = picture.shape[:2]
    rows, columns = np.ogrid[:height, :width]
    frames = []
    for n in range(FRAMES):
        frame = picture.copy()
        if move == "mouth":
            opening = 1 + 0.02 * height * abs(np.sin(n / 3))
            frame[((rows - 0.6 * height) / opening) ** 2 + ((columns - 0.5 * width) / (0.05 * width)) ** 2 < 1] //= 2
        elif move == "sway":
            frame = np.roll(frame, round(2 * np.sin(n / 8)), axis=1)
        elif move == "pan":
            frame = np.roll(frame, 3 * n, axis=1)
        frames.append(frame)
    return frames


def treated(video: bytes, crf: int, scale: float) -> bytes:
    """Encoded again by libx264 at its default preset; CRF 0 stands for: left alone."""
    if crf == 0:
        return video
    target = io.BytesIO()
    with av.open(io.BytesIO(video)) as source, av.open(target, "w", format="mp4") as output:
        pictures = source.streams.video[0]
        stream: Any = output.add_stream("libx264", rate=25, options={"crf": str(crf)})
        stream.width, stream.height = (round(edge * scale) // 2 * 2 for edge in (pictures.width, pictures.height))
        stream.pix_fmt = "yuv420p"
        for frame in source.decode(pictures):
            output.mux(stream.encode(frame.reformat(width=stream.width, height=stream.height)))
        output.mux(stream.encode(None))
    return target.getvalue()


def read(video: bytes) -> Reading:
    reading = Reading()
    with av.open(io.BytesIO(video)) as source:
        for frame in source.decode(video=0):
            reading.add(np.ascontiguousarray(frame.to_ndarray()[: frame.height]))
    return reading


def measure() -> dict[str, Any]:
    mark, others = mark_of("the job"), [mark_of(f"job {n}") for n in range(JOBS)]
    needed = threshold(JOBS)
    scores: dict[str, list[float]] = {treatment: [] for treatment in TREATMENTS}
    wrong, highest, compared, growth, decibels = 0, 0.0, 0, [], []
    for name in PICTURES:
        for move in MOVES:
            frames = clip(name, move)
            height, width = frames[0].shape[:2]
            plain = encode_segment(frames, height, width, 1)
            marked = encode_segment(frames, height, width, 1, marks=Marks(mark=mark))
            growth.append(len(marked) / len(plain))
            decibels.append(psnr(frames[0].mean(axis=-1).astype(np.uint8), mark))
            for treatment, how in TREATMENTS.items():
                scores[treatment].append(float(read(treated(marked, *how)).scores([mark])[0]))
                by_chance = read(treated(plain, *how)).scores(others)
                wrong += int((by_chance > needed).sum())
                highest, compared = max(highest, float(by_chance.max())), compared + JOBS
    luma = np.asarray(Image.open(REPOSITORY / "examples/portrait.jpg").convert("L"))
    began = time.perf_counter()
    for _ in range(50):
        embed(luma, mark)
    return {
        "clips": len(PICTURES) * len(MOVES),
        "threshold": round(needed, 2),
        "lowest_score": {treatment: round(min(found), 2) for treatment, found in scores.items()},
        "found": {treatment: f"{sum(s > needed for s in found)}/{len(found)}" for treatment, found in scores.items()},
        "false_finds": f"{wrong}/{compared}",
        "highest_wrong_score": round(highest, 2),
        "psnr_db": round(float(np.mean(decibels)), 1),
        "file_growth": round(float(np.mean(growth)), 2),
        "ms_per_frame_512x600": round((time.perf_counter() - began) * 20, 2),
    }


def psnr(luma: Pixels, mark: str) -> float:
    error = embed(luma, mark).astype(float) - luma
    return float(10 * np.log10(255**2 / np.mean(error**2)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    measured = measure()
    if parser.parse_args().json:
        print(json.dumps(measured))
        return
    for treatment, lowest in measured["lowest_score"].items():
        found = measured["found"][treatment]
        print(f"{treatment:20} found {found}, lowest score {lowest} (needed {measured['threshold']})")
    for name in ("false_finds", "highest_wrong_score", "psnr_db", "file_growth", "ms_per_frame_512x600"):
        print(f"{name:20} {measured[name]}")


if __name__ == "__main__":
    main()
