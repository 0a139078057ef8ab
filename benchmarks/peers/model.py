"""The fake model that all servers serve: it takes its time without a processor, as a GPU would, and answers the sum."""

import time

CALL_S = 0.004


def predict(values: list[float]) -> float:
    time.sleep(CALL_S)
    return sum(values)
