import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import picture
from tests.deploy import engine
from tests.deploy.cloud import client, cloud, stack, template  # noqa: F401 fixtures
from tests.webui.pictures import encode

NAME = f"forgery-test-{os.getpid()}"
# Only requests of `engine.Load` fail, never the golden image: its failure would end the rollout
# before a client is answered by the broken version.
FAILING = """
_sound = create_app
def create_app(settings=None):
    app, posts = _sound(settings), []
    @app.before_request
    def fail():
        from flask import request
        if request.user_agent.string.startswith("python-requests"):
            posts.append(1)
            return ("broken", 500) if len(posts) > 8 else None
    return app
"""


@pytest.fixture(scope="session")
def container_engine() -> Iterator[None]:
    """Skips where no engine can be had; removes the images in the end."""
    engine.need(engine.why_no_engine())
    yield
    if images := engine.docker("images", "--quiet", "--filter", f"reference={NAME}").split():
        engine.docker("image", "rm", "--force", *set(images), check=False)


@pytest.fixture(scope="session")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the image is built from, with two models in it."""
    folder = tmp_path_factory.mktemp("context")
    engine.copy_context(folder)
    engine.make_model(folder / "models" / "v1", -1.0)
    engine.make_model(folder / "models" / "v2", 1.0)
    return folder


@pytest.fixture(scope="session")
def image(container_engine: None, context: Path) -> str:
    """The image with the first model."""
    engine.build(f"{NAME}:v1", context, "--build-arg", "MODEL_PATH=models/v1")
    return f"{NAME}:v1"


@pytest.fixture(scope="session")
def second_image(image: str, context: Path) -> str:
    """The image with the second model."""
    engine.build(f"{NAME}:v2", context, "--build-arg", "MODEL_PATH=models/v2")
    return f"{NAME}:v2"


@pytest.fixture(scope="session")
def broken_images(second_image: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Images that fail in different ways, by the name of the way."""
    failing = "\\n".join(FAILING.splitlines())
    ways = {
        "no-model": "RUN rm -r /opt/model && mkdir /opt/model",
        "other-signature": 'RUN sed -i \'s/"name": "image"/"name": "x"/\' /opt/model/MLmodel',
        "other-golden": 'RUN sed -i \'s/"probability": .*,/"probability": 0.1,/\' '
        "/opt/golden/golden.json",
        # The image's bytecode is never compared with its source.
        "failing": f"RUN printf '{failing}' >> /opt/forgery/webui/application.py"
        " && rm /opt/forgery/webui/__pycache__/application.*",
    }
    folder = tmp_path_factory.mktemp("broken")
    for way, line in ways.items():
        engine.derive(f"{NAME}:{way}", second_image, folder / way, line)
    return {way: f"{NAME}:{way}" for way in ways}


@pytest.fixture(scope="session")
def registry(
    container_engine: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """The address of a real registry, and its folder."""
    engine.need(engine.why_no_programs("docker-registry"))
    folder = tmp_path_factory.mktemp("registry")
    with engine.registry(folder) as address:
        yield address, folder


@pytest.fixture(scope="session")
def request_body() -> dict:
    """A request of `/invocations` with one picture."""
    image = base64.b64encode(encode(picture(160, 128))).decode()
    return {"dataframe_split": {"columns": ["image"], "data": [[image]]}}
