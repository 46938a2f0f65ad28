# Two set-up commands for a fresh machine with Python 3.11+ and make: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo

.PHONY: demo test test-s3 chaos audit lint types bench bench-study bench-scale clean

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

demo: $(VENV)/installed
	$(BIN)/volforecast simulate --out $(DEMO)/panel --sources 12 --targets 2 --source-days 1000 --target-days 260 --seed 7
	$(BIN)/volforecast study new-issues --panel $(DEMO)/panel --out $(DEMO)/results --periods 50,150
	@echo "open $(DEMO)/results/report.html in a browser"

# two processes with a Ray each: much of the suite waits for things to die and to be noticed
test: $(VENV)/installed lint types
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

# a real S3 server, Ceph's; the tests say which packages they want where it is not installed
test-s3: $(VENV)/installed
	$(BIN)/python -m pytest -q -m ceph

# many more and ever new examples, then minutes of a cluster in which everything fails at random
chaos: $(VENV)/installed
	EXAMPLES=20 HYPOTHESIS_PROFILE=chaos $(BIN)/python -m pytest -q tests/cluster/test_coordinator.py tests/faults/test_protocol.py
	$(BIN)/python -m pytest -q -s -m chaos --timeout=1800

# known flaws of the pinned versions; wants the index's own database
audit: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pip-audit
	$(BIN)/pip-audit --strict --no-deps -r constraints.txt

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed
	$(BIN)/mypy

# peers beside ourselves, one thread each; tables go to benchmarks/results/
BENCHES := dtw har xgb fnn mcs
bench: $(VENV)/bench-installed
	for path in $(BENCHES); do OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1 \
		$(BIN)/python benchmarks/bench_$$path.py || exit 1; done
	$(BIN)/python benchmarks/stacked_networks.py
	$(BIN)/python benchmarks/stacked_mixtures.py

# one whole forecast origin, selection and thirty models, both ways
bench-study: $(VENV)/bench-installed
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(BIN)/python benchmarks/bench_origin.py

# how the cost of whole runs grows in sources, targets, origins and workers
bench-scale: $(VENV)/installed
	$(BIN)/python benchmarks/bench_scale.py

$(VENV)/bench-installed: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	touch $@

clean:
	rm -rf $(VENV) $(DEMO) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
