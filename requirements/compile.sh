#!/usr/bin/env bash
# Writes the hashed locks from pyproject.toml, and conda.yaml from the lock of the pipeline.
# Each lock is for every supported Python: a line that is not for all of them has a marker.
# No lock names a host. `bash requirements/compile.sh --upgrade` takes newer versions.
set -euo pipefail
cd "$(dirname "$0")/.."

compile() {
  uv pip compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
    --universal --python-version 3.11 "$@"
}

compile pyproject.toml --extra serve --extra pipeline --extra replicas --extra dev -o requirements/dev.lock "$@"
compile pyproject.toml --extra serve --extra pipeline -c requirements/dev.lock -o requirements/pipeline.lock
compile pyproject.toml --extra serve -c requirements/dev.lock -o requirements/serve.lock
compile pyproject.toml --extra spark -c requirements/dev.lock -o requirements/spark.lock
echo "uv==$(uv --version | cut -d' ' -f2)" | compile - -o requirements/bootstrap.lock

{
  echo "# Written by requirements/compile.sh from requirements/pipeline.lock; the names MLflow reads."
  printf 'name: forgery-detector\nchannels:\n  - conda-forge\ndependencies:\n  - python=3.11\n  - pip\n  - pip:\n'
  sed -nE 's/^([A-Za-z0-9_.-]+(\[[^]]*\])?==[^\\]*[^ \\]) *\\?$/      - \1/p' requirements/pipeline.lock
} > conda.yaml
