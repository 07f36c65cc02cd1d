# All commands use the environment of the README's second command; set PYTHON to use another.
PYTHON ?= .venv/bin/python
# The time limit of a test (pyproject.toml) is for quick ones.
LONG = -m pytest --timeout 0

.PHONY: check lint types test coverage site pages parity sweep torture readers val baselines

check: lint types test

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m codespell_lib

types:
	$(PYTHON) -m mypy

test:
	$(PYTHON) -m pytest

# The tests again, and which lines of the package they run in their own process (not in the commands that they start).
coverage:
	$(PYTHON) -m pytest -n 2 --dist loadfile --cov

# The documents as a web site, in build/site; needs mixformer[docs]. Open build/site/index.html.
site:
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict --quiet

# Every command and block of the pages, also those that train, export and measure. About half an hour.
pages:
	$(PYTHON) $(LONG) -m "sweep or not sweep" tests/test_pages.py

# Every reference output and tracker run of the official implementation: 38 comparisons; needs the full references
# (tests/parity/rebuild.py).
parity:
	$(PYTHON) $(LONG) -m sweep tests/parity tests/tracking/test_references.py

# The other long checks: graphs of all small networks, many targets for many frames, clusters. About two hours.
sweep:
	$(PYTHON) $(LONG) -m sweep --ignore tests/parity --ignore tests/tracking/test_references.py

# Damaged inputs, kills, full disks (needs root to mount small ones) and long runs, then one table. TORTURE_SEED takes
# other inputs. TORTURE_KEEP is a small file that notes what was tried: the same command goes on where it was stopped.
torture:
	$(PYTHON) $(LONG) -s -m torture tests/torture

# Annotation files read by datumaro, Label Studio's own library, pycocotools, supervision and motmetrics, in environments
# of their own (1.5 GB), since their requirements are not those of this package.
READERS ?= .readers
readers: $(READERS)/datumaro $(READERS)/label-studio $(READERS)/others
	MIXFORMER_READERS=$(READERS) $(PYTHON) $(LONG) -m readers tests/annotation/test_readers.py

$(READERS)/datumaro: PACKAGES = datumaro==1.13.12
$(READERS)/label-studio: PACKAGES = label-studio-sdk==2.1.2
$(READERS)/others: PACKAGES = pycocotools==2.0.11 supervision==0.31.2 motmetrics==1.4.0 trackeval==1.3.0
$(READERS)/%:
	$(PYTHON) -m venv $@
	$@/bin/pip install $(PACKAGES)

# The shipped weights on the real validation sequences. DATA is the folder of the data pack (docs/training.md).
DATA ?= data-pack
val:
	$(PYTHON) tools/measure_val.py --data $(DATA)

# The included models in each precision beside OpenCV's trackers; OPENCV_PYTHON has opencv-contrib-python-headless.
# ABSOLUTE=--absolute keeps times too, if nothing else runs here. The same command goes on after an interruption.
OPENCV_PYTHON ?= $(PYTHON)
PRECISIONS ?= auto float32 int8
KEEP ?= benchmarks/baselines/$(shell date +%F)
baselines:
	$(PYTHON) tools/baselines.py --data $(DATA) --opencv-python $(OPENCV_PYTHON) --precisions $(PRECISIONS) \
		--keep $(KEEP) $(ABSOLUTE)
