"""Published numbers equal those printed in the papers, if their texts are there.

The texts are in a folder that the environment variable PAPERS names, or else in `shared/papers` beside the checkout.
"""

import os
import re
from pathlib import Path

import pytest

from mixformer.evaluation import paper_ablations, paper_results

PAPERS = Path(os.environ.get("PAPERS") or Path(__file__).resolve().parents[4] / "shared" / "papers")
TEXTS = {
    "MixFormer journal": "mixformer-journal.txt",
    "MixFormerV2": "mixformerv2.md",
    "MixFormerV2 supplement": "mixformerv2-supplement.md",
    "mmtracking page": "mixformer-mmtracking-page.md",
}
TURNED = {"MixFormer journal table 1", "MixFormer journal table 9", "MixFormerV2 table 4", "MixFormerV2 table 7"}
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def printed_rows():
    """Numbers of each printed row with their data sets; on the page of mmtracking each data set has its row."""
    found = {}
    for row in (*paper_results(), *paper_ablations()):
        dataset = "" if " table " in row.source else row.dataset
        key = (row.source, row.tracker, row.note, row.row, dataset)
        found.setdefault(key, []).append(row)
    return found


def spellings(row):
    """How a number can be printed: as it is, or a fraction in percent."""
    small = row.dataset not in ("speed", "size")
    return {f"{row.value:{form}}" for form in ((".3f",) if small else ("g", ".2f"))} | {
        f"{100 * row.value:{form}}" for form in ((".1f", ".0f") if small else ())
    }


def part_of(source, text):
    """The text of a table; of a source without a number of its own in the text, everything."""
    start = re.search(rf"TABLE {source.split()[-1]}\n", text) if source.startswith("MixFormer journal table") else None
    return text if start is None else "\n".join(text[start.start() :].splitlines()[:100])


@pytest.mark.skipif(not PAPERS.is_dir(), reason="the texts of the papers are not here; name their folder as PAPERS")
def test_every_published_number_is_printed_in_its_paper():
    texts = {work: (PAPERS / name).read_text(encoding="utf-8") for work, name in TEXTS.items()}
    wrong = []
    for (source, tracker, note, row, dataset), values in printed_rows().items():
        part = part_of(source, texts[re.split(" table | section | figure ", source)[0]])
        lines = [part] if source in TURNED or " section " in source or " figure " in source else part.splitlines()
        wanted = [spellings(value) for value in values]
        if not any(all(each & set(NUMBER.findall(line)) for each in wanted) for line in lines):
            wrong.append((source, row, tracker, note, dataset, values))
    assert wrong == []
