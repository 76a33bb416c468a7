"""`python -m steps.pipeline.replica`: one process of a training, told by `together` what to do."""

import os
import sys
import threading

from forgery_lab.training import loop
from forgery_lab.training.replicas import Replicas
from steps.pipeline import training
from steps.pipeline.together import Order


def main() -> None:
    """Read the order from standard input and train with the others."""
    order = Order.model_validate_json(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    cores = sorted(os.sched_getaffinity(0))
    own = cores[order.number % order.beside :: order.beside]
    os.sched_setaffinity(0, own or cores)
    team = Replicas(order.address, order.number, order.size)
    task = training.prepare(order.settings, order.workspace)
    loop.fit(
        task.model,
        task.train,
        task.validation,
        task.settings,
        checkpoint=task.checkpoint,
        context=order.context,
        team=team,
    )


def _end_with_input() -> None:
    """End this process when the one that started it has ended, on whichever host.

    The input is read without Python's buffer, whose lock could not be had when the process ends.
    """
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
