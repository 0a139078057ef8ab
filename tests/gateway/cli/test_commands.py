"""The commands against a running gateway."""

import json
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from click.testing import Result
from typer.testing import CliRunner

from gateway.cli import show
from gateway.cli.main import app
from tests.gateway.conftest import Stack
from tests.gateway.fakes import picture, pictures, wav

CONSENT = ("--subject", "Ann Lee", "--consent", "self")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "people.png").write_bytes(picture("people=2"))
    (tmp_path / "nobody.png").write_bytes(picture("people=0"))
    (tmp_path / "face.png").write_bytes(picture("a face"))
    (tmp_path / "clip.mp4").write_bytes(pictures(0, 40))
    (tmp_path / "speech.wav").write_bytes(wav(1.2))
    return tmp_path


@pytest.fixture
def raconteur(stack: Stack, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command in ``folder`` against the running gateway."""
    monkeypatch.setenv("RACONTEUR_URL", str(stack.http.base_url))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(show.OUT, "_width", 200)
    monkeypatch.setattr(show.TOLD, "_width", 200)
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_talk_writes_the_video_and_tells_about_it(raconteur: Callable[..., Result], folder: Path):
    done = raconteur("talk", "face.png", "speech.wav", *CONSENT, "-o", "out.mp4", "--json")

    told = json.loads(done.stdout)
    assert set(told) == {"job", "output", "width", "height", "fps", "frames", "duration_s", "warnings", "timings"}
    assert (told["output"], told["frames"], told["duration_s"]) == ("out.mp4", 30, 1.2)
    with av.open(str(folder / "out.mp4")) as video:
        assert video.duration == 1_200_000

    shown = raconteur("jobs", "show", told["job"], "--json")
    assert json.loads(shown.stdout)["status"] == "succeeded"


@pytest.mark.parametrize(("rest", "frames"), [((), 40), (("--rest", "cut"), 30)], ids=["kept", "cut"])
def test_talk_voices_a_video_anew(raconteur: Callable[..., Result], rest: tuple[str, ...], frames: int):
    done = raconteur("talk", "clip.mp4", "speech.wav", *CONSENT, *rest, "-o", "out.mp4", "--json")

    told = json.loads(done.stdout)
    assert told["frames"] == frames
    assert "track" in told["timings"]


def test_relate_and_story_print_their_keys(raconteur: Callable[..., Result]):
    relations = json.loads(raconteur("relate", "people.png", "--pairs", "P1,P2", "--json").stdout)
    story = json.loads(raconteur("story", "people.png", "--json").stdout)

    keys = {"width", "height", "people", "objects", "story", "warnings"}
    assert set(story) == keys
    assert set(relations) == keys | {"relations", "taxonomy", "prompt", "model"}
    assert set(story["people"][0]) == {"symbol", "box", "score", "attributes"}


def test_people_read_label_bars_and_reason(raconteur: Callable[..., Result]):
    printed = raconteur("relate", "people.png").stdout

    assert "P1 and P2: friends" in printed and "50%" in printed and "They stand there." in printed


def test_a_problem_is_one_line_with_its_code_and_a_hint(raconteur: Callable[..., Result]):
    done = raconteur("relate", "nobody.png", "--json")

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.strip().splitlines()[-1].startswith("no_person: photo: it shows 0 people; a relation needs 2 (")


@pytest.mark.parametrize(
    "arguments",
    [
        ("talk", "face.png", *CONSENT, "-o", "out.mp4"),
        ("talk", "face.png", "speech.wav", *CONSENT, "--text", "both"),
        ("talk", "face.png", "speech.wav", *CONSENT, "--consent", "rumour"),
        ("relate", "missing.png"),
        ("relate", "people.png", "--pairs", "P1"),
        ("relate", "people.png", "--taxonomy", "zodiac"),
    ],
)
def test_wrong_usage_is_exit_code_two(raconteur: Callable[..., Result], arguments: tuple[str, ...]):
    assert raconteur(*arguments).exit_code == 2


def test_talk_says_what_consent_it_needs(raconteur: Callable[..., Result], folder: Path):
    done = raconteur("talk", "face.png", "speech.wav")

    assert done.exit_code == 2
    assert "--subject 'Ann Lee' --consent self" in " ".join(done.stderr.replace("│", "").split())
    assert not (folder / "talk.mp4").exists()


def test_a_story_comes_with_an_overlay_on_wish(raconteur: Callable[..., Result], folder: Path):
    done = raconteur("story", "people.png", "--overlay", "out.png", "--json")

    assert len(json.loads(done.stdout)["people"]) == 2
    assert (folder / "out.png").read_bytes().startswith(picture("people=2"))


def test_an_overlay_into_no_folder_is_refused_before_anything_is_asked(raconteur: Callable[..., Result]):
    refused = raconteur("story", "people.png", "--overlay", "nowhere/out.png")
    assert refused.exit_code == 2 and "nowhere/out.png" in refused.stderr
