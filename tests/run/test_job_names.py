"""Names that become folders."""

import json

import pytest

from mixformer.errors import ConfigError
from mixformer.evaluation.runs import EvaluationRun
from mixformer.run.jobs import read_jobs


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\0b", 'a"b'])
def test_a_name_that_can_be_no_folder_is_refused(tmp_path, name):
    """`a\\0b` was found by the torture bench (jobs:41:137)."""
    with pytest.raises(ConfigError, match="becomes a folder"):
        EvaluationRun(name, "toy", [], None, tmp_path)
    (tmp_path / "jobs.json").write_text(json.dumps([{"source": "a.mp4", "box": [1, 2, 3, 4], "name": name or ".."}]))
    with pytest.raises(ConfigError, match="becomes a folder"):
        read_jobs(tmp_path / "jobs.json", out=tmp_path, write=("json",))
