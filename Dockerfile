# syntax=docker/dockerfile:1
# artpipe and Dagster in one image, for every service of compose.yaml and deploy/kubernetes/. docs/deploy.md explains it.
#
#   docker build --tag artpipe:local .                          # PyTorch for CPUs, about 2 GB
#   docker build --tag artpipe:cuda --build-arg TORCH=cuda .    # PyTorch with CUDA, about 7 GB
ARG PYTHON=3.12

FROM python:${PYTHON}-slim-bookworm AS build
# PyPI's PyTorch for Linux brings CUDA; the one without comes from PyTorch's own registry.
ARG TORCH=cpu
RUN pip install --no-cache-dir uv==0.13.8
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV=/opt/venv
WORKDIR /src
# First what changes seldom: the libraries, in the versions that the tests pass with.
COPY pyproject.toml constraints.txt ./
RUN --mount=type=cache,target=/root/.cache/uv \
    case "$TORCH" in cpu) backend=cpu ;; cuda) backend="" ;; *) echo "TORCH is cpu or cuda, not $TORCH"; exit 2 ;; esac \
    && uv venv "$VIRTUAL_ENV" \
    && uv pip install ${backend:+--torch-backend "$backend"} --constraint constraints.txt \
       --requirement pyproject.toml --extra kubernetes --extra postgres --extra ray --extra s3
COPY README.md LICENSE ./
COPY artpipe ./artpipe
RUN --mount=type=cache,target=/root/.cache/uv uv pip install --no-deps .
# The configuration of Dagster that artpipe writes itself, with Postgres.
RUN mkdir -p /opt/dagster/storage \
    && cat artpipe/orchestration/dagster.yaml artpipe/orchestration/postgres.yaml > /opt/dagster/dagster.yaml

FROM python:${PYTHON}-slim-bookworm
# tini passes signals on and reaps the processes that runs leave behind. The wheels bring every other library.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/artpipe --shell /usr/sbin/nologin artpipe \
    && install -d -o artpipe -g artpipe /lake /var/lib/artpipe
COPY --from=build /opt/venv /opt/venv
COPY --from=build --chown=artpipe:artpipe /opt/dagster /opt/dagster
COPY --chmod=755 deploy/with-secrets /usr/local/bin/
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOME=/var/lib/artpipe \
    TMPDIR=/var/lib/artpipe/tmp \
    DAGSTER_HOME=/opt/dagster \
    ARTPIPE_LAKE=/lake
USER 10001:10001
WORKDIR /var/lib/artpipe
EXPOSE 3000 4000 8500
ENTRYPOINT ["tini", "--", "with-secrets"]
CMD ["artpipe", "serve", "--host", "0.0.0.0", "--wait"]
