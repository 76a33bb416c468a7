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
#
# On one base, two builds of a commit have equal layers, given SOURCE_DATE_EPOCH (`make image` gives
# the commit's time). So compiled modules refer to their sources by hash, and each stage leaves in
# /layer what goes into the image, all of one time. What does not depend on the commit is of 1980,
# so that a server that has these layers need not pull them again.
ARG VERSION=0.1.0

FROM python:3.11-slim-bookworm AS dependencies
ENV PATH=/opt/venv/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/serve.lock /tmp/serve.lock
# The compiled modules stay: with a read-only root they would be compiled anew at every start.
# pip's cache is a mount, so it is not part of the image.
# hadolint ignore=DL3042
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=cache,target=/var/cache/pip \
    python -m venv /opt/venv \
    && pip install --quiet --cache-dir /var/cache/pip --no-compile --require-hashes --requirement /tmp/serve.lock \
    && find /opt/venv -type d -name tests -prune -exec rm -rf {} + \
    && rm -f /opt/venv/lib/python3.11/site-packages/c2pa/libs/*.rlib \
    && pip uninstall --quiet --yes setuptools pip \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib \
    && mkdir -p /layer/opt \
    && cp --archive --link /opt/venv /layer/opt/ \
    && find /layer -exec touch --no-dereference --date=1980-01-01 {} +

FROM dependencies AS application
WORKDIR /opt/forgery
COPY forgery forgery
COPY forgery_pyfunc forgery_pyfunc
COPY serving serving
COPY webui webui
COPY deploy deploy
ARG VERSION
ARG SOURCE_DATE_EPOCH
# The version is what the page tells, and importlib.metadata reads. Browsers compare the page's files
# by time and size, so these get the commit's time.
RUN python -m compileall -q --invalidation-mode unchecked-hash /opt/forgery \
    && useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin forgery \
    && rm -r /layer \
    && folder="/layer$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/forgery_detector-${VERSION}.dist-info" \
    && mkdir -p "$folder" /layer/etc /layer/var/lib \
    && install --directory --owner forgery --group forgery /layer/var/lib/forgery \
    && printf 'Metadata-Version: 2.4\nName: forgery-detector\nVersion: %s\nLicense-Expression: Apache-2.0\n' "$VERSION" > "$folder/METADATA" \
    && cp --archive /etc/passwd /etc/group /etc/shadow /etc/gshadow /layer/etc/ \
    && cp --archive /opt/forgery /layer/opt/ \
    && find /layer -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH:-$(date +%s)}" {} +

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
      python -m deploy.model --check /opt/model && python -m deploy.golden /opt/model /opt/golden || exit 1; \
    fi; \
    find /opt/model -name __pycache__ -prune -exec rm -r {} + \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/model \
    && rm -r /layer \
    && mkdir -p /layer/opt \
    && cp --archive /opt/model /opt/golden /layer/opt/ \
    && find /layer -exec touch --no-dereference --date=1980-01-01 {} +

FROM python:3.11-slim-bookworm
ARG VERSION
ARG REVISION=unknown
ARG SOURCE=https://github.com/OWNER/REPOSITORY
LABEL org.opencontainers.image.title="forgery-detector" \
      org.opencontainers.image.description="Image-forgery detector: scoring server and web page" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"
COPY --from=dependencies /layer/ /
COPY --from=application /layer/ /
COPY --from=model /layer/ /
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
