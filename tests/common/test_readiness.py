"""Loading in the background."""

import threading

import pytest

from services.common.errors import ProblemError
from services.common.readiness import Loading


async def test_it_says_how_far_it_is_and_gives_what_was_loaded():
    go = threading.Event()
    loading = Loading("the model", lambda: go.wait() and "a model")
    assert loading.state == "loading"
    with pytest.raises(ProblemError, match="the model: still loading") as caught:
        loading.result()
    assert caught.value.code == "service_unavailable"

    go.set()
    await loading.ended()
    assert (loading.state, loading.result()) == ("ready", "a model")


async def test_what_cannot_be_loaded_says_why_again_and_again():
    def load() -> str:
        raise ProblemError("model_unavailable", "weights/a.onnx: is missing")

    loading = Loading("the model", load)
    await loading.ended()
    assert loading.state == "failed: weights/a.onnx: is missing"
    for _ in range(2):
        with pytest.raises(ProblemError, match="is missing"):
            loading.result()
