"""The same by BentoML, as its documentation begins: ``bentoml serve bentoml_server:Sum --port PORT``."""

import bentoml
from model import predict as call_model


@bentoml.service(workers=1, traffic={"timeout": 60})
class Sum:
    @bentoml.api
    def predict(self, values: list[float]) -> dict[str, float]:
        return {"output": call_model(values)}
