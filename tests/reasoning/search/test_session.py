"""A search in a folder: killed and taken up again, its report and its prompt."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.common.errors import ProblemError
from services.common.settings import REPOSITORY
from services.reasoning.prompt import Prompt
from services.reasoning.schemas import SearchOptions
from services.reasoning.scoring import DEFAULT_METHOD
from services.reasoning.search.events import EVENT, Scored
from services.reasoning.search.journal import Journal
from services.reasoning.search.outcome import Outcome
from services.reasoning.search.session import run_search
from services.reasoning.search.split import split_stories
from tests.reasoning.search.prompted_fake import PromptedFake
from tests.reasoning.search.stories import POOLS, TAXONOMY, make_stories


def run(folder: Path, model: PromptedFake | None = None, **options: object) -> Outcome:
    return run_search(
        model or PromptedFake(),
        TAXONOMY,
        POOLS,
        split=split_stories(make_stories(12), seed=0),
        options=SearchOptions.model_validate({"proposer": "halving", "steps": 4} | options),
        method=DEFAULT_METHOD,
        folder=folder,
        about={"options": options},
        tell=lambda line: None,
    )


def lines(folder: Path) -> list[dict]:
    """The journal but for what each event cost."""
    events = [EVENT.validate_json(line) for line in (folder / "journal.jsonl").read_text().splitlines()[1:]]
    return [event.model_dump(exclude={"seconds", "tokens"}) for event in events]


def test_killed_by_signal_9_it_goes_on_without_losing_or_repeating_anything(tmp_path: Path):
    run(tmp_path / "whole")
    slow = (
        "import sys, time\nfrom pathlib import Path\n"
        "from tests.reasoning.search.prompted_fake import PromptedFake\n"
        "from tests.reasoning.search.test_session import run\n"
        "run(Path(sys.argv[1]), PromptedFake(on_step=lambda: time.sleep(0.002)))\n"
    )
    killed = tmp_path / "killed"
    command = [sys.executable, "-c", slow, str(killed)]
    worker = subprocess.Popen(command, cwd=REPOSITORY, env=os.environ | {"PYTHONPATH": str(REPOSITORY)})
    try:
        deadline = time.monotonic() + 60
        while not (killed / "journal.jsonl").is_file() or (killed / "journal.jsonl").read_bytes().count(b"\n") < 100:
            assert worker.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        worker.send_signal(signal.SIGKILL)
    finally:
        worker.kill()
        worker.wait()
    before = lines(killed)
    result = run(killed)
    assert lines(killed)[: len(before)] == before and lines(killed) == lines(tmp_path / "whole")
    assert 0 < len(before) < len(lines(killed)) and result.steps == 4


def test_a_line_torn_by_a_kill_is_cut_off(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    first = Journal(path, {"a": 1})
    first.write([Scored(choice=(0, 0, 0, 0), story="s", scores=[-1.0])])
    with path.open("a") as file:
        file.write('{"kind": "scored", "choi')
    again = Journal(path, {"a": 1})
    assert again.events == first.events
    again.write([Scored(choice=(0, 0, 0, 1), story="s", scores=[-2.0])])
    assert len(Journal(path, {"a": 1}).events) == 2


def test_a_journal_of_another_search_is_refused(tmp_path: Path):
    Journal(tmp_path / "journal.jsonl", {"a": 1})
    with pytest.raises(ProblemError, match="belongs to a search with other") as caught:
        Journal(tmp_path / "journal.jsonl", {"a": 2})
    assert caught.value.param == "journal"


def test_report_prompt_and_outcome_are_left(tmp_path: Path):
    result = run(tmp_path, steps=6, batch=12)
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") == 2 and "http://www.w3.org" in page and "McNemar" in page
    assert f"{result.test.accuracy_after:.3f}" in page and "src=" not in page.replace("xlink:href", "")
    exported = json.loads((tmp_path / "prompt.json").read_text())
    prompt = Prompt(**{key: exported[key] for key in Prompt.__dataclass_fields__})
    assert prompt.identity == result.best.identity != exported["parent"] == result.start.identity
    assert (tmp_path / "prompt.txt").read_text() == prompt.text + "\n"
    assert Outcome.model_validate_json((tmp_path / "outcome.json").read_text()) == result


def test_stories_and_texts_cannot_break_the_report(tmp_path: Path):
    angry = POOLS.model_copy(update={"system": ["<script>alert(1)</script> careful", "You judge."]})
    run_search(
        PromptedFake(),
        TAXONOMY,
        angry,
        split=split_stories(make_stories(12), seed=0),
        options=SearchOptions(proposer="random", steps=1),
        method=DEFAULT_METHOD,
        folder=tmp_path,
        about={},
        tell=lambda line: None,
    )
    assert "<script>" not in (tmp_path / "report.html").read_text()
