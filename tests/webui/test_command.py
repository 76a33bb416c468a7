from click.testing import CliRunner

from webui.command import serve


def test_serve_refuses_a_bad_setting(monkeypatch):
    monkeypatch.setenv("MAX_FILES", "many")
    result = CliRunner().invoke(serve, ["--port", "8099"])
    assert result.exit_code == 2
    assert "MAX_FILES is 'many'" in result.stderr
