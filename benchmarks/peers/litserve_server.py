"""The same by LitServe, as its documentation begins: ``python litserve_server.py PORT``."""

import sys
from typing import Any

import litserve
from model import predict


class Sum(litserve.LitAPI):
    def setup(self, device: str) -> None:
        pass

    def decode_request(self, request: dict[str, Any]) -> list[float]:
        return list(request["values"])

    def predict(self, x: list[float]) -> float:
        return predict(x)

    def encode_response(self, output: float) -> dict[str, float]:
        return {"output": output}


if __name__ == "__main__":
    litserve.LitServer(Sum(), accelerator="cpu").run(
        port=int(sys.argv[1]), host="127.0.0.1", log_level="warning", generate_client_file=False, access_log=False
    )
