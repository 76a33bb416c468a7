import pytest

from webui.settings import Settings, SettingsError


def test_reads_the_environment_and_keeps_the_defaults_of_the_rest():
    settings = Settings.from_environment({"MAX_UPLOAD_MB": "2.5", "PORT": "9000", "MAX_FILES": ""})
    assert settings.port == 9000
    assert settings.limits.max_bytes == 2_621_440
    assert settings.max_files == 20
    assert settings.scoring_url == "http://127.0.0.1:5001"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "70000"),
        ("MAX_UPLOAD_MB", "-1"),
        ("MAX_PIXELS", "64 million"),
        ("SCORING_URL", "localhost:5001"),
        ("SCORING_READ_TIMEOUT", "0"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_refuses_a_bad_value_in_one_sentence_that_names_it(variable, value):
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environment({variable: value})
    message = str(refusal.value)
    assert message.startswith(f"{variable} is {value!r}: ")
    assert "\n" not in message


def test_a_request_must_have_room_for_the_largest_file():
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environment({"MAX_UPLOAD_MB": "200"})
    assert str(refusal.value) == (
        "MAX_REQUEST_MB is 100: it must be at least MAX_UPLOAD_MB, which is 200"
    )
    Settings.from_environment({"MAX_UPLOAD_MB": "200", "MAX_REQUEST_MB": "210"})


def test_the_largest_request_must_fit_into_what_is_held_at_once():
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environment({"MAX_HELD_MB": "50"})
    assert str(refusal.value) == (
        "MAX_HELD_MB is '50': it must be at least MAX_REQUEST_MB, which is 100"
    )


def test_a_job_must_fit_into_the_whole():
    assert Settings().job_max_mb == 500
    assert Settings.from_environment({"JOBS_MAX_MB": "256"}).job_max_mb == 256
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environment({"JOB_MAX_MB": "2000"})
    assert str(refusal.value) == (
        "JOB_MAX_MB is '2000': it must be at most MAX_HELD_MB, which is 1024"
    )


def test_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Settings().port = 1
