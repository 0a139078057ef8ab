import numpy as np
import pytest

from services.talkinghead.container import PreparedSpeech
from services.talkinghead.difftalk import checkpoint
from services.talkinghead.difftalk.pipeline import SourceLatents
from services.talkinghead.difftalk.published import PublishedDiffTalk
from services.talkinghead.evaluation.evaluate import evaluate_clip
from services.talkinghead.evaluation.variants import WALKS, heard_elsewhere, walking


def test_a_walk_of_no_steps_leaves_the_draft_and_others_do_not(talking_head):
    model = talking_head._models.difftalk
    draft = np.full((1, 128, 128, 3), 90, np.uint8)
    source = model.encode_source(draft[0], np.zeros((68, 2), np.float32))
    told = (
        SourceLatents.of_frames([source]),
        draft,
        np.zeros((1, 8, 16, 11), np.float32),
        np.ones((1, 68, 2), np.float32),
    )
    variants = walking(model)
    changes = {name: variants[name].refine(*told, steps=4, seed=0) for name in WALKS}
    assert not changes["draft alone"].any()
    assert np.array_equal(changes["other sound"], model.refine(*told, steps=4, seed=0))
    assert np.array_equal(changes["2 steps"], model.refine(*told, steps=2, seed=0))
    assert np.array_equal(changes["strength 0.3"], model.refine(*told, steps=4, seed=0, strength=0.3))
    assert not np.array_equal(changes["1 step"], changes["2 steps"])


def test_a_model_without_drafts_has_no_such_variants(published_folder):
    model = PublishedDiffTalk(*checkpoint.load(published_folder))
    with pytest.raises(ValueError, match="refines no drafts"):
        walking(model)


def test_other_sound_leaves_the_draft_s_actions():
    speech = PreparedSpeech(np.arange(22, dtype=np.float32).reshape(2, 11), np.arange(4, dtype=np.float32)[:, None])
    elsewhere = heard_elsewhere(speech)
    assert np.array_equal(elsewhere.actions, speech.actions)
    assert elsewhere.features[:, 0].tolist() == [2, 3, 0, 1]


def test_variants_are_rows_of_the_report(talking_head, judges, tmp_path, example_portrait, example_speech):
    portrait, speech = tmp_path / "portrait.jpg", tmp_path / "speech.wav"
    portrait.write_bytes(example_portrait)
    speech.write_bytes(example_speech)
    models = talking_head._models
    variants = {
        name: model for name, model in walking(models.difftalk).items() if name in ("draft alone", "other sound")
    }
    report = evaluate_clip(
        talking_head, models, judges, portrait, speech=speech, out=tmp_path, seconds=0.5, variants=variants
    )
    made, draft, other = (report.rows[name].figures for name in ("made", "draft alone", "other sound"))
    assert draft.silence_opening is None
    assert len({made.psnr_mouth, draft.psnr_mouth, other.psnr_mouth}) == 3
