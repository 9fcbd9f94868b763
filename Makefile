# The words of this project. PYTHON chooses an interpreter, 3.11 or newer.
.PHONY: setup demo test test-long lint docs bench bench-dsp bench-plot bench-providers bench-nodes fuzz clean
BIN := .venv/bin

setup: .venv/.dev            ## everything for working on it

demo: .venv/.demo            ## a receptionist on sip:127.0.0.1:5060
	@$(BIN)/gateway demo

test: .venv/.dev             ## unit tests, and calls with real peers
	@sh deploy/test-peers.sh
	@$(BIN)/pytest -n 6 --dist worksteal -m "not long"

test-long: .venv/.dev        ## what takes minutes: attacks, providers that misbehave, mutated input by the hundred thousand
	@sh deploy/test-peers.sh long
	@sh deploy/test-asterisk.sh
	@sh deploy/test-helm.sh
	@$(BIN)/pytest -m long

lint: .venv/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict -p gateway
	@$(BIN)/mypy --strict tests/bridge/fakes.py

docs: .venv/.docs            ## the documentation as a site, in site/; a link that leads nowhere is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict -f deploy/site/mkdocs.yml
	@echo "site/index.html"

bench: .venv/.dev            ## figures of this machine: kernels, then calls under load
	@$(BIN)/python -m tests.bench
	@$(BIN)/python -m tests.bench_sip
	@$(BIN)/python -m tests.bench_media
	@$(BIN)/python -m tests.bench_menus

bench-dsp: .venv/.dev        ## the kernels alone: time against the size of the batch, noise, delay
	@$(BIN)/python -m tests.bench --dsp

bench-plot: .venv/.plot      ## the media bench, with the picture of docs/benchmarks.md
	@$(BIN)/python -m tests.bench_media --json .venv/media.json
	@$(BIN)/python -m tests.plot_media .venv/media.json docs/media.png

bench-providers: .venv/.dev  ## what a provider that dies costs the caller, and where an answer's time goes
	@$(BIN)/python -m tests.bench_answer
	@$(BIN)/python -m tests.bench_restore

bench-nodes: .venv/.dev      ## onlookers, and Redis away, under calls
	@$(BIN)/python -m tests.bench_watched
	@$(BIN)/python -m tests.bench_outage

fuzz: .venv/.fuzz            ## every parser under atheris, then 100,000 mutated messages over UDP and TCP
	@$(BIN)/python -m tests.fuzz

clean:
	rm -rf .venv build dist site *.egg-info

.venv/.demo: pyproject.toml
	@sh deploy/venv.sh local,phone
	@touch $@

.venv/.docs: pyproject.toml
	@sh deploy/venv.sh local,phone,dev,docs
	@touch $@ .venv/.dev .venv/.demo

.venv/.fuzz: pyproject.toml
	@sh deploy/venv.sh local,phone,dev,fuzz
	@touch $@ .venv/.dev .venv/.demo

.venv/.plot: pyproject.toml
	@sh deploy/venv.sh local,phone,dev,plot
	@touch $@ .venv/.dev .venv/.demo

.venv/.dev: pyproject.toml
	@sh deploy/venv.sh local,phone,dev
	@touch $@ .venv/.demo
