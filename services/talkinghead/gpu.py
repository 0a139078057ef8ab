"""What a GPU's memory holds, for `/metrics`; without a GPU there is nothing to tell."""

from collections.abc import Iterator

import torch
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class GpuMemory(Collector):
    """Bytes of each GPU that are in use, and that it has."""

    def collect(self) -> Iterator[Metric]:
        """Read at this moment; nothing where there is no GPU."""
        used = GaugeMetricFamily("raconteur_gpu_memory_used_bytes", "Of the GPU's memory, by anybody", labels=["gpu"])
        size = GaugeMetricFamily("raconteur_gpu_memory_bytes", "The GPU's memory", labels=["gpu"])
        for index in range(torch.cuda.device_count()):
            free_bytes, all_bytes = torch.cuda.mem_get_info(index)
            used.add_metric([str(index)], all_bytes - free_bytes)
            size.add_metric([str(index)], all_bytes)
        yield from (used, size)
