# gate106 as an image. Two stages: pip and what building needs stay in the first.
#   docker build -t gate106 .        behind a package index of your own: --secret id=pip.conf,src=pip.conf
#   compose.yaml runs it; .github/guide/install.md says how, and what of this was tried.
ARG BASE=docker.io/library/python:3.13-slim

FROM ${BASE} AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY requirements.txt requirements-build.txt ./
# The environment that moves on has no pip of its own; the one that builds the wheel stays here.
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    python -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes --only-binary :all: -r requirements-build.txt \
    && python -m venv --without-pip /opt/gate106 \
    && /opt/build/bin/pip --python /opt/gate106/bin/python install --require-hashes --only-binary :all: -r requirements.txt
COPY pyproject.toml README.md ./
COPY proxy proxy
COPY rules rules
RUN /opt/build/bin/python -m hatchling build -t wheel -d /wheel \
    && /opt/build/bin/pip --python /opt/gate106/bin/python install --no-index --no-deps /wheel/*.whl

FROM ${BASE}
RUN useradd --system --uid 10106 --user-group --home-dir /var/lib/gate106 --no-create-home --shell /usr/sbin/nologin gate106 \
    && install -d -m 0750 -o gate106 -g gate106 /var/lib/gate106 /run/gate106 \
    && install -d /etc/gate106
COPY --from=build /opt/gate106 /opt/gate106
ENV PATH=/opt/gate106/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER gate106
WORKDIR /etc/gate106
# All that is ever written: state and journal. The control socket's folder may be memory.
VOLUME /var/lib/gate106
EXPOSE 2775 9106
# SIGTERM drains for at most 8 s and exits 0: give it 20.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:9106/healthz', timeout=2)"]
ENTRYPOINT ["gate106"]
CMD ["serve", "--config", "/etc/gate106/gate106.yaml"]
