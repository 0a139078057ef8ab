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
from services.common.errors import ProblemError
from tests.gateway.conftest import Stack
from tests.gateway.made_media import picture, pictures, wav
from tests.gateway.test_prompts import PROMPT

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


def test_narrate_tells_a_photo_and_writes_captions_beside_the_video(raconteur: Callable[..., Result], folder: Path):
    done = raconteur("narrate", "people.png", "face.png", *CONSENT, "--pair", "P2,P1", "-o", "told.mp4", "--json")

    told = json.loads(done.stdout)
    assert (told["pair"], told["label"], told["captions"]) == (["P2", "P1"], "friends", "told.vtt")
    assert told["script"].startswith("I see two people. The second person and the first person seem to be friends.")
    assert (folder / "told.mp4").read_bytes()[4:8] == b"ftyp"
    assert "I see two people." in (folder / "told.vtt").read_text("utf-8")


def test_the_words_of_a_narration_are_mended_in_an_editor(
    raconteur: Callable[..., Result], folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("EDITOR", "sed -i s/friends/neighbours/")
    done = raconteur("narrate", "people.png", "face.png", *CONSENT, "--edit", "--json")

    assert "seem to be neighbours" in json.loads(done.stdout)["script"]
    assert (folder / "narration.mp4").exists()


def test_talk_writes_captions_of_a_text(raconteur: Callable[..., Result], folder: Path):
    done = raconteur("talk", "face.png", "--text", "Good morning.", *CONSENT, "-o", "out.mp4", "--json")

    assert json.loads(done.stdout)["captions"] == "out.vtt"
    assert "Good morning." in (folder / "out.vtt").read_text("utf-8")


def test_prompts_are_listed_activated_and_rolled_back(raconteur: Callable[..., Result], stack: Stack):
    prompt = stack.http.post("/v1/prompts", json=PROMPT).json()["id"]

    assert json.loads(raconteur("prompts", "activate", prompt, "--json").stdout)["active"] is True
    listed = json.loads(raconteur("prompts", "list", "--json").stdout)["prompts"]
    assert next(found for found in listed if found["id"] == prompt)["active"] is True
    assert "yes" in raconteur("prompts", "list").stdout
    assert "the prompt that ships" in raconteur("prompts", "rollback", "pisc").stdout
    stack.http.delete(f"/v1/prompts/{prompt}")


def test_relate_and_story_print_their_keys(raconteur: Callable[..., Result]):
    relations = json.loads(raconteur("relate", "people.png", "--pairs", "P1,P2", "--json").stdout)
    story = json.loads(raconteur("story", "people.png", "--json").stdout)

    keys = {"width", "height", "people", "objects", "story", "warnings"}
    assert set(story) == keys
    assert set(relations) == keys | {"relations", "taxonomy", "prompt", "model"}
    assert set(story["people"][0]) == {"symbol", "box", "score", "attributes"}


def test_people_read_label_bars_and_reason(raconteur: Callable[..., Result]):
    raconteur("relate", "people.png", "--prompt", "shipped")
    assert raconteur("relate", "people.png", "--prompt", "nothing").exit_code == 1
    printed = raconteur("relate", "people.png").stdout

    assert "P1 and P2: friends" in printed and "50%" in printed and "They stand there." in printed


def test_a_problem_is_one_line_with_its_code_and_a_hint(raconteur: Callable[..., Result]):
    done = raconteur("relate", "nobody.png", "--json")

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.strip().splitlines()[-1].startswith("no_person: photo: it shows 0 people; a relation needs 2 (")


def test_what_may_succeed_later_is_exit_code_three(
    raconteur: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, stack: Stack
):
    monkeypatch.setenv("RACONTEUR_URL", "http://127.0.0.1:9")
    done = raconteur("jobs", "list")

    assert done.exit_code == 3
    assert "service_unavailable" in done.stderr and "is the stack running?" in done.stderr


def test_a_job_that_failed_is_made_again(raconteur: Callable[..., Result], stack: Stack):
    stack.fakes.faults.append(ProblemError("face_too_small", "portrait: too small", param="portrait"))
    failed = stack.wait(stack.submit(1.0)["id"])["id"]
    again = json.loads(raconteur("jobs", "repeat", failed, "--json").stdout)

    assert stack.wait(again["id"])["status"] == "succeeded"
    assert raconteur("jobs", "repeat", again["id"]).exit_code == 1


def test_every_command_tells_its_exit_codes_and_completes_in_a_shell(raconteur: Callable[..., Result]):
    told = " ".join(raconteur("--help").stdout.split())
    assert "Exit codes: 0 done; 1 refused or failed; 2 wrong usage; 3 busy" in told
    assert "--install-completion" in told and "narrate" in told and "prompts" in told


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("raconteur nar", "narrate"),
        ("raconteur relate photo.png --taxonomy pi", "pipa"),
        ("raconteur jobs c", "cancel"),
    ],
)
def test_a_shell_completes_commands_and_values(raconteur: Callable[..., Result], monkeypatch, typed: str, offered: str):
    monkeypatch.setenv("_RACONTEUR_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))
    done = CliRunner().invoke(app, [], prog_name="raconteur")

    assert offered in done.stdout.split()


@pytest.mark.parametrize(
    "arguments",
    [
        ("talk", "face.png", *CONSENT, "-o", "out.mp4"),
        ("narrate", "people.png", "face.png"),
        ("narrate", "people.png", "face.png", *CONSENT, "--pair", "P1"),
        ("narrate", "people.png", "face.png", *CONSENT, "-o", "nowhere/told.mp4"),
        ("relate", "people.png", "--boxes", "speech.wav"),
        ("jobs", "list", "--status", "lost"),
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


def test_an_annotated_photo_becomes_labelled_stories(raconteur: Callable[..., Result], folder: Path):
    (folder / "list.txt").write_text("people.png 0 0 1 9 1 0 2 9 1\nlost.jpg 0 0 5 5 5 0 9 9 1\n")
    result = raconteur("label-stories", "list.txt", ".", "--taxonomy", "pisc", "-o", "stories.jsonl")
    assert result.exit_code == 0 and "1 labelled stories of 1 photos" in result.stdout
    assert "1 photos are not in the folder" in result.stderr
    (story,) = map(json.loads, (folder / "stories.jsonl").read_text().splitlines())
    assert (story["pair"], story["label"], story["image"]) == (["P1", "P2"], "family", "people.png")
    assert "<P1>" in story["story"]
