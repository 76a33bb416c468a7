import subprocess
import sys

from steps.settings.configuration import PROJECT_ROOT

AS_A_PROCESS_OF_A_STEP = """
import runpy, sys
runpy.run_path(sys.argv[1], run_name="__mp_main__")
import forgery_lab.data.ingestion, forgery_lab.evaluation.baselines
import forgery_lab.examples.feature_store, forgery_lab.sources.demo
print([name for name in ("mlflow", "tensorflow") if name in sys.modules])
"""
"""A process that is spawned imports the program that was started, as this does, and its work."""


def test_the_processes_that_steps_start_do_not_load_mlflow():
    for program in ("steps/__main__.py", "main.py"):
        command = [sys.executable, "-c", AS_A_PROCESS_OF_A_STEP, program]
        done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
        assert done.stdout == "[]\n"
