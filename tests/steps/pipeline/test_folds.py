"""The models of `evaluate -P folds=…` are made by the settings that were handed in."""

import pytest
from mlflow.tracking import MlflowClient

pytestmark = pytest.mark.slow


def test_overrides_of_main_reach_the_models_of_the_folds(trained):
    trained.run(
        "mlflow", "run", ".", "--env-manager", "local", "-P", "steps=evaluate",
        "-P", "overrides=preprocess.features=residual,train.epochs=1,evaluate.folds=3,"
        "evaluate.protocols=B",
    )  # fmt: skip
    client = MlflowClient(trained.environment["MLFLOW_TRACKING_URI"])
    newest = client.search_runs(["0"], order_by=["attributes.start_time DESC"], max_results=3)
    assert sorted(run.info.run_name for run in newest) == ["0", "1", "2"]
    for run in newest:
        assert run.data.params["preprocess.features"] == "('residual',)"
        assert run.data.params["train.epochs"] == "1"
        assert len(client.get_metric_history(run.info.run_id, "loss")) == 1
