"""Load of the machine while a step runs, logged the way all else is."""

import logging
from collections.abc import Callable

from mlflow.exceptions import MlflowException
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

logger = logging.getLogger(__name__)

Log = Callable[[dict[str, float], int], None]
"""Called with metrics and their step."""


class Sampler(SystemMetricsMonitor):
    """MLflow's monitor, but for where its samples go.

    MLflow's own asks the server before every sample whether the run goes on, and ends for good
    when that is down.
    """

    def __init__(self, run_id: str, log: Log) -> None:
        super().__init__(run_id)
        self.log = log

    def monitor(self) -> None:
        """Log a sample every `MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL` seconds until `finish`."""
        while not self._shutdown_event.wait(self.sampling_interval):
            self.collect_metrics()
            try:
                self.publish_metrics(self.aggregate_metrics())
            except (MlflowException, OSError) as error:  # a full disk takes no journal
                logger.warning("system metrics were not logged: %s", error)

    def finish(self) -> None:
        """End. MLflow's own would then ask the server to take what is left, which is nothing."""
        self._shutdown_event.set()
        if self._process:
            self._process.join()

    def publish_metrics(self, metrics: dict[str, float]) -> None:
        """Log one sample."""
        named = {f"{self._metrics_prefix}{name}": value for name, value in metrics.items()}
        self.log(named, self._logging_step)
        self._logging_step += 1
        for monitor in self.monitors:
            monitor.clear_metrics()
