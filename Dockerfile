# gate106 as an image. Two stages: pip and what building needs stay in the first.
#   docker build -t gate106 .        behind a package index of your own: --secret id=pip.conf,src=pip.conf
#   compose.yaml runs it; docs/install.md says how, and what of this was tried.
# The base is pinned by version only: no registry could be asked for its digest where this was written. --build-arg BASE=…@sha256:… does.
ARG BASE=docker.io/library/python:3.13-slim

FROM ${BASE} AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# gcc compiles the hot modules; without it the image would be as correct and slower. It stays in this stage.
RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
COPY requirements.txt requirements-build.txt ./
# Everything that is fetched is pinned by hash; what comes as source only is built with the pinned tools. The environment that moves
# on is made of the wheels and has no pip of its own.
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    python -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes --no-deps --only-binary :all: -r requirements-build.txt \
    && /opt/build/bin/pip wheel --require-hashes --no-deps --no-build-isolation --wheel-dir /wheels -r requirements.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
# Shown by --version, the log and /metrics: --build-arg COMMIT=$(git rev-parse HEAD)
ARG COMMIT=
COPY .build .build
COPY proxy proxy
COPY rules rules
RUN GATE106_COMMIT=$COMMIT /opt/build/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /wheels . \
    && python -m venv --without-pip /opt/gate106 \
    && /opt/build/bin/pip --python /opt/gate106/bin/python install --no-index --no-deps /wheels/*.whl \
    && /opt/gate106/bin/gate106 --version | tee /dev/stderr | grep -q ', compiled$'

FROM ${BASE}
ARG COMMIT=
LABEL org.opencontainers.image.title="gate106" \
    org.opencontainers.image.description="The carrier's gate for 106 bulk SMS: an SMPP proxy that gives every message a verdict from rules kept in files" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.authors="The gate106 authors" \
    org.opencontainers.image.revision="${COMMIT}"
RUN useradd --uid 10106 --user-group --home-dir /var/lib/gate106 --no-create-home --shell /usr/sbin/nologin gate106 \
    && install -d -m 0750 -o gate106 -g gate106 /var/lib/gate106 /run/gate106 \
    && install -d /etc/gate106
COPY --from=build /opt/gate106 /opt/gate106
ENV PATH=/opt/gate106/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10106:10106
WORKDIR /etc/gate106
# All that is ever written: state and journal. The control socket's folder may be memory.
VOLUME /var/lib/gate106
EXPOSE 2775 9106
# SIGTERM drains for at most 8 s and exits 0: give it 20.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-Ic", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 9106, timeout=2); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["gate106"]
CMD ["serve", "--config", "/etc/gate106/gate106.yaml"]
