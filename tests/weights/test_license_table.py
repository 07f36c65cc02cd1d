"""Who ships weights says what may be done with them: on the page of licenses, and in the model card."""

import re
from pathlib import Path

import pytest

from mixformer.weights import list_models
from mixformer.weights.catalog import shipped_folder
from tools.try_release import with_table

PAGE = Path(__file__).parents[2] / "docs" / "licenses.md"
INCLUDED = [info.name for info in list_models() if info.available]


@pytest.mark.parametrize("name", INCLUDED)
def test_weights_and_data_of_an_included_model_have_licenses(name):
    weights, data = PAGE.read_text().split("## Data behind")
    assert re.search(rf"^\| `{name}` \| yes \|", weights, re.MULTILINE)
    rows = re.findall(rf"^\| .+ \| .*`{name}`.* \| .+ \| (.+) \| (.+) \|$", data, re.MULTILINE)
    assert len(rows) > 5
    for license_, permissive in rows:
        assert license_.strip()
        assert re.match("yes|no|partly|repository only|annotations only", permissive)


@pytest.mark.parametrize("name", INCLUDED)
def test_a_model_card_says_what_a_company_may_do(name):
    card = (shipped_folder(name) / "MODEL_CARD.md").read_text()
    assert "## License" in card
    assert "What a company may do" in card


def test_a_release_renews_the_packages_alone():
    page = PAGE.read_text()
    new = with_table(page, "| package |")
    assert "<!-- packages -->\n| package |\n<!-- end -->" in new
    assert new.split("<!-- packages -->")[0] == page.split("<!-- packages -->")[0]
    with pytest.raises(SystemExit, match="no place"):
        with_table("# Licenses", "| package |")
