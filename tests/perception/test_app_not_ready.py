"""The HTTP server whose model files are not what they should be."""

from pathlib import Path

import httpx
import pytest

from services.perception.app import app
from services.perception.settings import perception_settings


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("perception/centernet.onnx", "missing"),
        ("perception/centernet.onnx", "altered"),
        ("faces/landmarks_68.onnx", "altered"),
        ("perception/models.json", "missing"),
    ],
)
async def test_without_its_models_it_is_not_ready_and_says_which(
    weights_copy: Path, monkeypatch: pytest.MonkeyPatch, name: str, fault: str
):
    path = weights_copy / name
    transport = httpx.ASGITransport(app)
    path.unlink()
    if fault == "altered":
        path.write_bytes(b"not the model")
    monkeypatch.setenv("RACONTEUR_WEIGHTS_DIR", str(weights_copy))
    perception_settings.cache_clear()
    try:
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://x") as http,
        ):
            await app.state.loading.ended()
            ready = await http.get("/readyz")
            refused = await http.post("/v1/stories", files={"photo": b"any"})
            assert (await http.get("/livez")).status_code == 200
    finally:
        perception_settings.cache_clear()
    assert ready.status_code == 503 and path.name in ready.json()["parts"]["models"]
    assert (refused.status_code, refused.json()["code"]) == (503, "model_unavailable")
    assert path.name in refused.json()["detail"]
