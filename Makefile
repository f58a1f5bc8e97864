# ChainFaaS. `make help` lists the targets; each sets up what it needs.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
STAMP := $(VENV)/.installed
ROUNDS ?= 12

.PHONY: help setup demo test check bench up openapi clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## make .venv with the `chainfaas` command in it

$(STAMP): requirements.txt requirements-dev.txt pyproject.toml ops/setup.sh
	@PYTHON=$(PYTHON) ops/setup.sh $(VENV)
	@touch $@

demo: setup ## the main job, from an HTTP call to the payment
	@$(RUN)/chainfaas demo

up: setup ## the platform on http://127.0.0.1:8000, in the foreground
	@$(RUN)/chainfaas up

test: setup ## all tests, with whatever they need
	@ops/test.sh $(VENV)

check: setup ## what must be clean before a commit
	@ops/check.sh $(VENV)

bench: setup ## figures of this machine, beside those of the run before
	@$(RUN)/python -m ops.bench

openapi: setup ## write chainfaas/openapi.yaml anew from the code
	@$(RUN)/python manage.py spectacular --file chainfaas/openapi.yaml

clean: ## remove .venv and caches, but no data
	@rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis *.egg-info
