# gate106: `make demo` shows it, `make test` checks it; both set up what they need first.
PYTHON ?= python3
SECONDS ?= 30
SEEDS ?= 10000
CRASHES ?= 150
RATE ?= 2000
ROUNDS ?= 5
BRIEFLY_S ?= 4
LOOKS_S ?= 30
LASTS ?= 300
FUZZ_S ?= 60
ROWS ?= 100000000
HALF_YEAR ?= /var/tmp/gate106-half-year
SOAK_S ?= 7200
AT_ONCE ?= 4
COMPILED = $(wildcard proxy/native/*.p[yx]*) $(shell grep -rlx "import cython" proxy --include=*.py)
PIN = .venv/bin/uv pip compile --generate-hashes --no-emit-index-url --universal --python-version 3.11 --no-header --quiet

.PHONY: help install up demo test bench numbers numbers-all half-year campaign rates neighbours way-back reload release soak moving-cluster fuzz image-check grafana recording pictures console-times console-pictures editor guide lock clean clickhouse rejudged
.DELETE_ON_ERROR:

help:
	@echo "make demo     shows the gate at work for $(SECONDS) seconds (SECONDS=60 for more)"
	@echo "make release  makes sdist, wheels, SBOM and checksums in dist/; uploads nothing"
	@echo "make up       starts the gate with a simulated carrier, Prometheus, Alertmanager and Grafana (docker compose)"
	@echo "make test     checks everything: format, lint, types, imports, tests (AT_ONCE=4 of them at a time)"
	@echo "make campaign runs many more simulated worlds, real crashes and examples of Hypothesis (SEEDS=10000 CRASHES=150)"
	@echo "make neighbours measures how long others wait while some flood, storm or hold 10,000 connections (ROUNDS=5)"
	@echo "make way-back looks for every receipt and reply under load and lost binds (RATE=2000 LASTS=300)"
	@echo "make fuzz     gives every reader of foreign octets what no one would send, led by coverage (FUZZ_S=60 each)"
	@echo "make clickhouse asks a real ClickHouse the guide's questions about the tables of two nodes (installs it beside, 900 MB)"
	@echo "make rejudged measures how fast a backtest judges again what a gate wrote under full load"
	@echo "make reload   changes 500 rules and a list of 100,000 words under load, five times (RATE=2000)"
	@echo "make soak     hours of load, changed rules, lost binds and links: memory, descriptors, nothing lost (SOAK_S=7200 RATE=500)"
	@echo "make moving-cluster moves slots of a Valkey Cluster and kills primaries under a steady load: caps exceeded, opt-outs forgotten"
	@echo "make image-check builds the image and runs it without a container engine (root, Debian's buildah; it says what it needs)"
	@echo "make numbers  measures all that tests/data/numbers holds"
	@echo "make numbers-all measures every row that was agreed on, briefly, and where the microseconds go (BRIEFLY_S=4 seconds each, three times)"
	@echo "make rates    measures the gate beside a bare relay from 100 submits a second to the limit"
	@echo "make half-year makes a journal at rest of 190 days and two nodes (ROWS=100000000: 3.4 GB, a quarter of an hour) and asks it"
	@echo "make bench    measures it beside two relays without rules"
	@echo "make grafana  writes the dashboards anew; make pictures draws them from a recorded run (make recording)"
	@echo "make console-times measures the console's pages beside traffic, and the gate beside a crowd at the console (LOOKS_S=30)"
	@echo "make console-pictures runs the stories of the desk, which draw the README's pages anew (Debian's chromium)"
	@echo "make editor   bundles the console's editor of rules files anew (npm)"
	@echo "make guide    writes the tables of settings and of performance anew"
	@echo "make install  only builds .venv from the pinned requirements"
	@echo "make lock     pins the requirements anew"

install: .venv/.installed

.venv/.installed: requirements-dev.txt pyproject.toml $(COMPILED) $(wildcard .build/*.py)
	@$(PYTHON) -c 'import sys; sys.exit("gate106 needs Python 3.11 or later: make PYTHON=python3.12 ..." if sys.version_info < (3, 11) else 0)'
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@.venv/bin/gate106 --version
	@.venv/bin/python -m pip check --disable-pip-version-check > .venv/check || { cat .venv/check; exit 1; }
	@touch $@

# The gate with a simulated carrier, Prometheus, Alertmanager and Grafana, as docs/install.md says. Secrets are made once; they are ignored by git.
up:
	mkdir -p examples/secrets
	for name in bj jia yi; do test -s examples/secrets/$$name || printf 'secret\n' > examples/secrets/$$name; done
	test -s examples/secrets/journal || (umask 077; openssl rand -hex 32 > examples/secrets/journal)
	test -s .env || echo "GRAFANA_PASSWORD=$$(head -c 12 /dev/urandom | base64)" > .env
	chown -R 10106 examples/secrets && chmod -R u=rX,go= examples/secrets
	docker compose --profile demo up -d

demo: install
	.venv/bin/gate106 demo --seconds $(SECONDS)

# pytest ends last: its closing lines list what was skipped and how to get it, and its summary is the last line. mypy runs beside it, on one
# core, and prints its errors when it finds them. AT_ONCE=1 runs the tests one after another; with more, tests/at_once.py shares out the files.
test: install
	.venv/bin/ruff format --check --quiet .
	.venv/bin/ruff check --quiet .
	.venv/bin/lint-imports --no-logo
	.venv/bin/mypy --no-error-summary & types=$$!; \
		.venv/bin/python -m pytest --at-once $(AT_ONCE); tests=$$?; \
		wait $$types && exit $$tests; echo "make test: mypy found errors, printed above"; exit 1

bench: install
	.venv/bin/python -m tests.bench run --mix repeated
	.venv/bin/python -m tests.bench run --mix standard

# The numbers of tests/data/numbers: about half an hour on a machine that does nothing else.
numbers: install
	mkdir -p tests/data/numbers
	.venv/bin/python -m tests.bench run --mix repeated --seconds 60 --no-baselines --json > tests/data/numbers/repeated.json
	.venv/bin/python -m tests.bench run --mix standard --seconds 60 --latency-rate 5000 --json > tests/data/numbers/standard.json
	.venv/bin/python -m tests.bench run --mix standard --seconds 60 --rate 5000 --no-baselines --json > tests/data/numbers/latency.json
	.venv/bin/python -m tests.bench run --mix standard --seconds 15 --rules 36 --no-baselines --json > tests/data/numbers/rules-36.json
	.venv/bin/python -m tests.bench run --mix standard --seconds 15 --rules 500 --no-baselines --json > tests/data/numbers/rules-500.json
	.venv/bin/python -m tests.bench memory --json > tests/data/numbers/memory.json
	.venv/bin/python -m tests.soak.sizes --seconds 30 > tests/data/numbers/disk.json
	.venv/bin/python -m tests.soak.shared > tests/data/numbers/shared-store.json
	.venv/bin/python -m tests.soak.shared --people 50000 --primaries 3 > tests/data/numbers/shared-cluster-3.json
	.venv/bin/python -m tests.soak.shared --people 50000 --primaries 10 > tests/data/numbers/shared-cluster-10.json
	.venv/bin/python -m tests.soak.shared_gate > tests/data/numbers/shared-gate.json
	.venv/bin/python -m tests.soak.followed_gate > tests/data/numbers/followed-gate.json
	.venv/bin/python -m tests.soak.shared_sizes --persons 100000 > tests/data/numbers/shared.json
	.venv/bin/python -m tests.soak.shared_sizes --persons 20000 --batch 1 > tests/data/numbers/shared-alone.json

# The tables of the guide's page on performance, on a machine that does nothing else: BRIEFLY_S for each row, three times; forty minutes.
numbers-all: install
	mkdir -p tests/data/numbers
	.venv/bin/python -m tests.bench matrix --seconds $(BRIEFLY_S) --rounds 3 --page matrix.html --json > tests/data/numbers/matrix.json
	.venv/bin/python -m tests.bench profile --mix standard --seconds 20 --json > tests/data/numbers/where-standard.json
	.venv/bin/python -m tests.bench profile --mix repeated --seconds 20 --json > tests/data/numbers/where-repeated.json
	.venv/bin/python -m tests.guide

# The guide's curve from 100 submits a second to the limit, on a machine that does nothing else: eight minutes.
rates: install
	mkdir -p tests/data/numbers
	.venv/bin/python -m tests.bench rates --seconds 3 --turns 5 --json > tests/data/numbers/rates.json
	.venv/bin/python -m tests.guide

# Half a year of two nodes in HALF_YEAR, which stays there: a second run goes on, or only asks.
half-year: install
	mkdir -p $(HALF_YEAR)
	.venv/bin/python -m tests.bench half-year $(HALF_YEAR) --rows $(ROWS) --json > tests/data/numbers/half-year.json

# Many more worlds, crashes and examples than `make test` has time for; each point of death is hit, or it fails. More than half an hour on two cores.
campaign: install
	mkdir -p tests/data/numbers
	.venv/bin/python -m tests.campaign --seeds $(SEEDS) --crashes $(CRASHES) --json tests/data/numbers/campaign.json
	GATE106_EXAMPLES=4 .venv/bin/python -m pytest --at-once $(AT_ONCE) -m hypothesis --timeout 1800
	GATE106_EXAMPLES=4 GATE106_COMPARED=150 GATE106_PASSAGE_SEEDS=2000 GATE106_GATES_SEEDS=400 GATE106_LIVES=600 GATE106_REQUESTS=60 \
		.venv/bin/python -m pytest --at-once $(AT_ONCE) --singly --timeout 1800 -k "no_seed or no_scheme or both_say or with_and_without or without_compiled or judged_last or any_request or a_store_holds or alike or torn_off or whatever_fails_all_gates" \
		tests/simulation/test_passage.py tests/simulation/test_gates.py tests/simulation/test_passage_gates.py tests/native/test_compiled.py \
		tests/desk/api/test_any_request.py tests/desk/revisions/test_cluster_deployment.py tests/state/test_store.py tests/archive/test_segment_index.py tests/journal/test_write_ahead_log.py tests/relay
	GATE106_MIXES=all .venv/bin/python -m pytest tests/cost

# Receipts of every message, replies, binds lost and back: five minutes, and nothing may be lost or misrouted.
fuzz: install
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-fuzz.txt
	.venv/bin/python -m tests.fuzz --seconds $(FUZZ_S)

rejudged: install
	mkdir -p tests/data/numbers
	.venv/bin/python -m tests.bench.backtest --seconds 30 > tests/data/numbers/backtest.json

# In an environment of its own, which can be thrown away.
clickhouse: install
	test -x .venv/clickhouse/bin/python || $(PYTHON) -m venv .venv/clickhouse
	.venv/clickhouse/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-clickhouse.txt
	.venv/bin/python -m tests.archive.clickhouse .venv/clickhouse/bin/python

# The quiet one's 99th percentile beside floods, storms of binds and 10,000 connections; fails where it is over twice that without them.
neighbours: install
	mkdir -p tests/data/numbers
	GATE106_CONNECTIONS=10000 .venv/bin/python -m pytest tests/e2e/test_ten_thousand.py
	.venv/bin/python -m tests.soak.neighbours --rounds $(ROUNDS) > tests/data/numbers/neighbours.json

way-back: install
	.venv/bin/python -m tests.soak.way_back --rate $(RATE) --seconds $(LASTS)

# Rules and a long list changed under load: how long no answer came; fails beyond 20 ms. For a machine that does nothing else.
reload: install
	.venv/bin/python -m tests.bench.reload --rate $(RATE)

# Two hours; a table, and all samples in soak.json. Memory is judged from half an hour on.
soak: RATE = 500
soak: install
	.venv/bin/python -m tests.soak.soak --rate $(RATE) --seconds $(SOAK_S) --out soak.json

# Three minutes; fails where somebody got more over a cap than was acknowledged in the lost window, or for a slot that moved, or an opt-out was forgotten.
moving-cluster: RATE = 200
moving-cluster: install
	mkdir -p tests/data/numbers
	.venv/bin/python -m tests.soak.moving_cluster --rate $(RATE) --seconds 12 --turns 2 > tests/data/numbers/moving-cluster.json

# Needs root and programs of Debian; names what is missing. GATE106_BASE=docker.io/library/python:3.13-slim takes the real base image.
image-check: install
	.venv/bin/python -m tests.image.check

# The boards from grafana/boards; a test compares.
grafana: install
	.venv/bin/python -m grafana.boards

# Each page on the demo's data while its traffic runs; the gate's own 99th percentile without and with many at the console.
console-times: install
	mkdir -p tests/data/numbers
	.venv/bin/python -m tests.browser.times --seconds $(LOOKS_S) --json tests/data/numbers/console.json

# The stories of the desk, which leave what they see in docs/pictures.
console-pictures: install
	GATE106_PICTURES=1 .venv/bin/python -m pytest tests/browser/test_stories.py

# The console's editor of rules files: CodeMirror, pinned, with .build/editor/editor.js; a test holds the bundle's digest.
editor:
	cd .build/editor && npm ci --no-audit --no-fund && node_modules/.bin/esbuild editor.js --bundle --minify --format=iife --target=es2022 \
		--legal-comments=none --log-level=warning --outfile=../../proxy/console/static/editor.min.js

# The table of settings, from what the code says of them, and those of performance, from what was measured; tests compare.
guide: install
	.venv/bin/python -m tests.guide

# The demo under a real Prometheus, and what the boards' queries say of it, kept in grafana/pictures/run.json.gz.
recording: install
	.venv/bin/python -m grafana.trial record

pictures: grafana
	.venv/bin/python -m grafana.trial draw

lock: install
	$(PIN) pyproject.toml --all-extras --output-file requirements.txt
	$(PIN) --group build --output-file requirements-build.txt
	$(PIN) pyproject.toml --all-extras --group dev --output-file requirements-dev.txt
	$(PIN) pyproject.toml --all-extras --group fuzz --output-file requirements-fuzz.txt
	$(PIN) --group clickhouse --output-file requirements-clickhouse.txt

# sdist, wheels compiled and pure, SBOM in CycloneDX, checksums, in dist/. Uploads nothing.
release: install
	.venv/bin/python .build/release.py

clean:
	rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist tests/clients/node/node_modules
