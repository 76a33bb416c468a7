"""The pictures by which a processor is noticed that computes otherwise."""

from steps.operations import doctor, golden


def test_this_machine_computes_as_the_one_where_the_detector_was_shipped():
    here = golden.probabilities()
    assert len(here) >= 8
    assert set(here) == set(golden.known())
    assert golden.differing(here) == []
    known = [one for one in here.values() if one is not None]
    assert min(known) < 0.4 < 0.9 < max(known)
    assert doctor.processor().is_sound


def test_a_probability_that_differs_is_named_with_both_values(monkeypatch):
    known = golden.known()
    first = next(name for name, probability in known.items() if probability is not None)
    monkeypatch.setattr(golden, "probabilities", lambda: known | {first: known[first] + 2e-4})
    found = doctor.processor()
    assert not found.is_sound
    assert f"{first}: probability {known[first] + 2e-4} here, {known[first]} " in found.result
    monkeypatch.setattr(golden, "probabilities", lambda: dict.fromkeys(known))
    assert "others differ" in doctor.processor().result
