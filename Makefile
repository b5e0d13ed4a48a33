# make setup | demo | test | test-slow | lint | docs | gpu-report.  Variables: PYTHON, TORCH, ROS (see .ci/setup.sh),
# TESTS (arguments of pytest), WORKERS (tests at a time), VIDEO, CLICK, MODEL, OUTPUT (demo), REPORT (options of gpu-report).
export ROS # for .ci/env.sh
TESTS := test -m "not slow"
WORKERS := 3
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# Two runs on one machine must not hear each other's topics. Discovery on localhost alone would be another way, but
# with it Fast DDS leaves the transport that camera images need.
isolate := export ROS_DOMAIN_ID=$${ROS_DOMAIN_ID:-$$((RANDOM % 101 + 1))}

.PHONY: setup demo test test-slow lint docs gpu-report
.DEFAULT_GOAL := setup

setup:
	@PYTHON='$(PYTHON)' TORCH='$(TORCH)' ROS='$(ROS)' .ci/setup.sh

# Follows an object through a video and leaves demo_out/: make demo VIDEO=file.mp4 CLICK=x,y MODEL=name OUTPUT=folder
# The shell reads them as they are: names of files may have spaces, quotes and dollar signs.
demo: override export VIDEO := $(value VIDEO)
demo: override export CLICK := $(value CLICK)
demo: override export MODEL := $(value MODEL)
demo: override export OUTPUT := $(value OUTPUT)
demo: setup
	@source .ci/env.sh; $(isolate); \
	python -m sam2_ros.node.demo.run $${VIDEO:+--video="$$VIDEO"} $${CLICK:+--click="$$CLICK"} \
	    $${MODEL:+--model="$$MODEL"} $${OUTPUT:+--output="$$OUTPUT"}

# More tests at a time than there are cores: those of the node mostly wait. Each file stays in one process, in which its
# tests share a node.
# A test that fails runs once more, since DDS discovery on a busy machine may fail; the summary lists it (-raR).
test: setup
	@source .ci/env.sh; $(isolate); python -m pytest $(TESTS) -n $(WORKERS) --dist loadfile --no-loadscope-reorder \
	    --reruns 1 -raR --durations=15

lint: setup
	@source .ci/env.sh; ruff check . && ruff format --check . && mypy

# Those that take longer than ten seconds each, or try the same at many moments.
test-slow: TESTS := test -m slow
test-slow: test

# Documentation, into build/docs/index.html; every warning is an error.
docs: setup
	@source .ci/env.sh; python -m sphinx -W --keep-going -q -b html docs build/docs

# Measures this machine's GPU in seven minutes. Needs no set-up: where there is none, PyTorch of the system will do.
gpu-report:
	@if [[ -f .venv/bin/activate ]]; then source .ci/env.sh; fi; $(isolate); \
	$(or $(PYTHON),python3) -m sam2_ros.benchmark.gpu_report $(REPORT)
