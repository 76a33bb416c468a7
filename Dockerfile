# The scoring server and the web page in one image; docs/deployment.md says more.
#
#   docker build -t forgery --build-arg MODEL_PATH=FOLDER .           a model of this tree's models/
#   docker build -t forgery --build-arg MODEL_URI=models:/forgery-detector/7 \
#     --secret id=mlflow,src=FILE .                                   a model from the registry
#   docker build -t forgery .                                         fetched at start: MODEL_URI
#
# Two secrets, both optional, of which nothing stays in the image: `mlflow`, a file of shell
# assignments (MLFLOW_TRACKING_URI and its credentials), and `pip`, a pip.conf for a mirror.

# The base is named by its tag, not by a digest: the engine that the tests bring stands in for the
# registry and has no such digest, and a rebuild takes the base's security fixes.
FROM python:3.11-slim-bookworm AS dependencies
ENV PATH=/opt/venv/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/serve.lock /tmp/serve.lock
# The compiled modules stay: with a read-only root they would be compiled anew at every start.
# pip's cache is a mount, so it is not part of the image.
# hadolint ignore=DL3042
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=cache,target=/var/cache/pip \
    python -m venv /opt/venv \
    && pip install --quiet --cache-dir /var/cache/pip --require-hashes --requirement /tmp/serve.lock \
    && find /opt/venv -type d -name tests -prune -exec rm -rf {} + \
    && rm -f /opt/venv/lib/python3.11/site-packages/c2pa/libs/*.rlib \
    && pip uninstall --quiet --yes setuptools pip

FROM dependencies AS application
WORKDIR /opt/forgery
COPY forgery forgery
COPY forgery_pyfunc forgery_pyfunc
COPY serving serving
COPY webui webui
COPY deploy deploy
RUN python -m compileall -q .

FROM application AS model
ARG MODEL_PATH=deploy/no-model
ARG MODEL_URI=
COPY ${MODEL_PATH}/ /opt/model/
# A wrong model fails the build here. The golden answer is the model's own, before any server.
RUN --mount=type=secret,id=mlflow,target=/run/secrets/mlflow \
    if [ -f /run/secrets/mlflow ]; then set -a; . /run/secrets/mlflow; set +a; fi; \
    if [ -n "$MODEL_URI" ]; then python -m deploy.model "$MODEL_URI" /opt/model || exit 1; fi; \
    mkdir -p /opt/golden; \
    if [ -f /opt/model/MLmodel ]; then \
      python -m deploy.model --check /opt/model && python -m deploy.golden /opt/model /opt/golden && python -m compileall -q /opt/model; \
    fi

FROM python:3.11-slim-bookworm
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE=https://github.com/OWNER/REPOSITORY
LABEL org.opencontainers.image.title="forgery-detector" \
      org.opencontainers.image.description="Image-forgery detector: scoring server and web page" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin forgery
COPY --from=application /opt/venv /opt/venv
COPY --from=application /opt/forgery /opt/forgery
COPY --from=model /opt/model /opt/model
COPY --from=model /opt/golden /opt/golden
# What the page tells as its version, and importlib.metadata reads.
RUN folder="$(/opt/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/forgery_detector-${VERSION}.dist-info" \
    && mkdir "$folder" \
    && printf 'Metadata-Version: 2.1\nName: forgery-detector\nVersion: %s\n' "$VERSION" > "$folder/METADATA"
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/opt/forgery \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    RESULTS_MAX_MB=128 \
    PORT=8080 \
    MLFLOW_ALLOW_PICKLE_DESERIALIZATION=false \
    MLFLOW_DISABLE_TELEMETRY=true \
    OMP_NUM_THREADS=1
WORKDIR /
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-m", "deploy.health"]
CMD ["python", "-m", "deploy.container"]
