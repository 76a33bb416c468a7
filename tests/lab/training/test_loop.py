"""Training: it learns, it is reproducible, and it goes on where it was killed."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from forgery_lab.errors import DataError
from forgery_lab.training import loop, networks
from forgery_lab.training.batches import Windows
from forgery_lab.training.settings import TrainingSettings
from forgery_lab.training.validation import predict, validation_scores
from forgery_pyfunc.features.copymove import CHANNELS
from tests.lab.training.planted_features import planted

SETTINGS = TrainingSettings(
    epochs=4, patience=6, batch_size=8, learning_rate=5e-3, averaging=0.0, window=14, seed=3
)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    return planted(folder / "train", 96), planted(folder / "validation", 24, seed=1)


def network(seed=0):
    return networks.build("blocks", len(CHANNELS), seed=seed, width=8, dilations=(1, 2))


@pytest.fixture(scope="module")
def trained(stores):
    return loop.fit(network(), *stores, SETTINGS)


def weights_equal(first, second):
    pairs = zip(first.get_weights(), second.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_it_learns_what_is_forged_and_where(trained):
    best = trained.history.iloc[trained.best_epoch - 1]
    assert best["val_auc"] > 0.9
    assert best["val_block_auc"] > 0.9
    assert 0 < best["val_block_f1"] <= 1


def test_the_loss_of_an_epoch_is_the_mean_over_its_batches(stores):
    settings = replace(SETTINGS, epochs=1, learning_rate=1e-12)
    result = loop.fit(network(), *stores, settings)
    windows = Windows(stores[0], settings, frozenset(result.model.output), 0)
    losses = []
    for batch in range(len(windows)):
        result.model.reset_metrics()
        losses.append(result.model.test_on_batch(*windows[batch], return_dict=True)["loss"])
    assert np.std(losses) > 0.01
    assert result.history["loss"][0] == pytest.approx(np.mean(losses), rel=1e-3)


def test_hard_negatives_are_judged_by_the_network_before_every_epoch(tmp_path, stores, monkeypatch):
    store = planted(tmp_path, 24, draws=2)
    kinds = np.where(store.index["group"].astype(int) < 12, "edited", "pair")
    store = replace(store, index=store.index.assign(kind=kinds))
    seen = []

    class Watched(Windows):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            seen.extend(arguments[4:5])  # the first object only counts the steps

    monkeypatch.setattr(loop, "Windows", Watched)
    loop.fit(network(), store, stores[1], replace(SETTINGS, epochs=2, mined="edited"))
    mined = ((store.index["kind"] == "edited") & (store.index["label"] == 0)).to_numpy()
    assert mined.sum() == 12
    untrained = network()
    loop.standardize(untrained, store, SETTINGS.seed)
    expected = predict(untrained, store.select(mined)).image
    np.testing.assert_allclose(seen[0][mined], expected, rtol=1e-4)
    assert not np.allclose(seen[1][mined], expected, rtol=1e-2)
    assert not np.concatenate([hardness[~mined] for hardness in seen]).any()


def test_the_network_holds_the_weights_of_its_best_epoch(trained, stores):
    again = validation_scores(predict(trained.model, stores[1]), stores[1])
    best = trained.history.iloc[trained.best_epoch - 1]
    assert again["val_auc"] == trained.history["val_auc"].max() == best["val_auc"]


def test_the_same_seed_gives_the_same_network(trained, stores):
    assert weights_equal(loop.fit(network(), *stores, SETTINGS).model, trained.model)


class StoppedError(Exception):
    pass


def stop_after(epoch):
    def callback(done, row, ended_at):
        if done == epoch:
            raise StoppedError

    return callback


@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_a_stopped_training_goes_on_as_if_nothing_had_happened(
    trained, stores, tmp_path, averaging
):
    settings = replace(SETTINGS, averaging=averaging)
    checkpoint = tmp_path / "training.npz"
    whole = loop.fit(network(), *stores, settings) if averaging else trained
    with pytest.raises(StoppedError):
        loop.fit(network(), *stores, settings, checkpoint, {"run_id": "a"}, stop_after(2))
    assert loop.resumable(checkpoint, network(), *stores, settings) == {"run_id": "a"}
    resumed = loop.fit(network(), *stores, settings, checkpoint, {"run_id": "b"})
    assert resumed.resumed_from == 2
    assert weights_equal(resumed.model, whole.model)
    timeless = [history.drop(columns="seconds") for history in (resumed.history, whole.history)]
    assert timeless[0].equals(timeless[1])


def test_a_training_that_was_stopped_before_it_told_of_an_epoch_tells_of_it_later(stores, tmp_path):
    told = []
    checkpoint = tmp_path / "training.npz"
    with pytest.raises(StoppedError):
        loop.fit(network(), *stores, SETTINGS, checkpoint, on_epoch=stop_after(2))
    written = checkpoint.stat().st_mtime
    result = loop.fit(
        network(), *stores, SETTINGS, checkpoint, on_epoch=lambda *of: told.append(of)
    )
    assert [epoch for epoch, _, _ in told] == [2, 3, 4]
    assert [row for _, row, _ in told] == result.history.iloc[1:].to_dict("records")
    assert written - 60 < told[0][2] <= written  # as when it ended, not as of now


@pytest.mark.slow
def test_a_killed_training_goes_on_from_its_last_epoch(stores, tmp_path):
    checkpoint = tmp_path / "training.npz"
    settings = replace(SETTINGS, epochs=500, patience=500)
    script = (
        f"import sys; sys.path.insert(0, {str(Path.cwd())!r})\n"
        "from dataclasses import replace; from pathlib import Path\n"
        "from tests.lab.training import test_loop as t\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "stores = t.planted(folder / 't', 96), t.planted(folder / 'v', 24, seed=1)\n"
        "settings = replace(t.SETTINGS, epochs=500, patience=500)\n"
        f"t.loop.fit(t.network(), *stores, settings, folder / 'training.npz')\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE) as process:
        done = 0
        while done < 2 and process.poll() is None:
            time.sleep(0.2)
            done = epochs_in(checkpoint) if checkpoint.is_file() else 0
        process.send_signal(signal.SIGKILL)
    done = epochs_in(checkpoint)
    assert done >= 2
    first = stop_after(done + 1)
    with pytest.raises(StoppedError):
        loop.fit(network(), *stores, settings, checkpoint, on_epoch=first)
    assert epochs_in(checkpoint) == done + 1


def epochs_in(checkpoint):
    with np.load(checkpoint) as file:
        return file["note"].tobytes().count(b'"epoch"')


def test_a_checkpoint_of_other_settings_is_refused(stores, tmp_path):
    checkpoint = tmp_path / "training.npz"
    settings = replace(SETTINGS, epochs=1)
    loop.fit(network(), *stores, settings, checkpoint)
    before = checkpoint.read_bytes()
    with pytest.raises(DataError, match="other settings or data"):
        loop.fit(network(), *stores, replace(settings, learning_rate=1e-4), checkpoint)
    with pytest.raises(DataError, match="other settings or data"):
        loop.resumable(checkpoint, network(), stores[1], stores[0], settings)
    assert checkpoint.read_bytes() == before


def test_a_training_on_other_features_is_another_training(stores):
    train, validation = stores
    known = {
        loop.fingerprint(network(), replace(train, digest=digest), validation, SETTINGS)
        for digest in ("before", "after")
    }
    assert len(known) == 2


def test_a_damaged_checkpoint_is_named(stores, tmp_path):
    checkpoint = tmp_path / "training.npz"
    checkpoint.write_bytes(b"PK nothing")
    with pytest.raises(DataError, match=r"training\.npz cannot be read"):
        loop.fit(network(), *stores, SETTINGS, checkpoint)


def test_it_stops_when_validation_no_longer_improves(stores):
    hopeless = replace(SETTINGS, epochs=30, patience=2, learning_rate=1e-12)
    result = loop.fit(network(), *stores, hopeless)
    assert len(result.history) == result.best_epoch + 2 < 30


def test_forgeries_without_masks_teach_the_image_alone(stores, tmp_path):
    maskless = planted(tmp_path, 48, masks=False)
    result = loop.fit(network(), maskless, maskless, replace(SETTINGS, epochs=1))
    assert "val_auc" in result.history
    assert "val_block_auc" not in result.history


def test_a_missing_class_is_said(stores):
    authentic = stores[0].select(stores[0].index["label"] == 0)
    with pytest.raises(DataError, match=r"training set of 48 examples has no forged image"):
        loop.fit(network(), authentic, stores[1], SETTINGS)
