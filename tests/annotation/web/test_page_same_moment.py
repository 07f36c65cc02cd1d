"""Two people who change the same thing at the same moment: nothing takes the place of another's without a word."""

import re

from tests.helpers.person import Person, expect, project_of
from tests.helpers.web import page_server


def test_two_people_who_change_the_same_thing_at_the_same_moment(browser, demo, tmp_path):
    """The page had the other's edit already, so that the later box or label took its place without a word."""
    with page_server(demo, tmp_path / "cache") as (_, address):
        first, second = (Person(browser, address) for _ in range(2))
        for person in (first, second):
            person.begins()
        first.drag((260, 29), (301, 171))
        expect(second.page.locator("#targets li")).to_have_count(1)
        label, other = (person.page.locator("#targets input") for person in (first, second))
        label.fill("child")
        other.fill("boy")
        other.press("Enter")
        expect(first.page.locator("#targets .choose")).to_have_attribute("aria-label", re.compile("boy"))
        label.press("Enter")
        expect(first.page.locator("#banner")).to_contain_text('named target 1 "boy"')
        expect(label).to_have_value("boy")
        x, y = first.screen(280, 100)
        first.page.mouse.move(x, y)
        first.page.mouse.down()
        first.page.mouse.move(x + 60, y)
        with first.page.expect_response("**/timeline?*"):  # it is asked for when the other's box is there
            second.pulls(".box.chosen", 0, 40)
        first.page.mouse.up()
        expect(first.page.locator("#banner")).to_contain_text("yours was not kept")
        first.pulls(".box.chosen", 60, 0)  # and now it is
        first.saved()
        second.leaves()
        first.leaves()
    (key,) = project_of(demo).target(1).keys
    assert (key.box.x > 270, key.box.y > 35) == (True, True)
    assert project_of(demo).target(1).label == "boy"
