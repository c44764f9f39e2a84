# gate106 as an image: docker build -t gate106 . && docker run -v ./gate106.yaml:/etc/gate106/gate106.yaml:ro gate106
# The settings should keep store and journal below /var/lib/gate106 (a volume), and listen on 0.0.0.0.
FROM python:3.13-slim AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements.txt requirements-build.txt ./
RUN python -m venv /opt/gate106 && /opt/gate106/bin/pip install --require-hashes -r requirements.txt
RUN python -m venv /opt/build && /opt/build/bin/pip install --require-hashes -r requirements-build.txt
COPY pyproject.toml README.md ./
COPY proxy proxy
COPY rules rules
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . && /opt/gate106/bin/pip install --no-deps /wheel/*.whl

FROM python:3.13-slim
RUN useradd --system --uid 10106 --home-dir /var/lib/gate106 --create-home gate106 \
    && install -d -o gate106 -g gate106 /var/lib/gate106 /run/gate106 /etc/gate106
COPY --from=build /opt/gate106 /opt/gate106
ENV PATH=/opt/gate106/bin:$PATH PYTHONUNBUFFERED=1
USER gate106
WORKDIR /var/lib/gate106
VOLUME /var/lib/gate106
EXPOSE 2775 9106
# A drain takes at most 8 s; Docker waits 10 s after SIGTERM.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9106/healthz', timeout=2)"]
ENTRYPOINT ["gate106"]
CMD ["serve", "--config", "/etc/gate106/gate106.yaml"]
