from dataclasses import replace

import pytest
import torch

from services.common.settings import REPOSITORY
from services.talkinghead.evaluation.judges import Judges
from services.talkinghead.sync.expert import SyncExpert


@pytest.fixture(scope="session")
def judges() -> Judges:
    """The models that measure, as they ship, and a sync expert that has learnt nothing."""
    torch.manual_seed(0)
    judges = Judges.load(REPOSITORY / "weights", threads=1, profile="tiny")
    return replace(judges, expert=SyncExpert().eval().requires_grad_(False))
