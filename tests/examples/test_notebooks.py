"""The notebooks run from the first cell to the last, and show what they promise."""

import json

import pytest

from tests.helpers.other_programs import EXAMPLES

NOTEBOOKS = sorted((EXAMPLES / "notebooks").glob("*.ipynb"))
# Kinds of output that must be among those of a notebook, and words of its printed lines.
SHOWN = {
    "compare_with_opencv": ({"image/png"}, "(True, (2"),
    "own_data": ({"text/html"}, "shirt 53 [260"),
    "track_and_show": ({"text/html"}, "'status': 'tracking'"),
    "what_the_network_sees": ({"image/png"}, "tokens_to_search"),
}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    for needed in ("ipykernel", "matplotlib", "torch", "cv2"):
        pytest.importorskip(needed)
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=500, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    said = "".join(output.get("text", "") for output in outputs)
    needed, words = SHOWN[path.stem]
    assert needed <= kinds
    assert words in said


def test_notebooks_are_kept_without_outputs():
    assert {path.stem for path in NOTEBOOKS} == set(SHOWN)
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text())["cells"]
        assert not [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]
