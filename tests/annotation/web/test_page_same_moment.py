"""Two people who change the same thing at the same moment: nothing takes the place of another's without a word."""

import re
from contextlib import contextmanager

from tests.helpers.person import Person, expect, project_of
from tests.helpers.web import page_server


@contextmanager
def two_people(browser, folder, cache):
    """Open the page for two people; the first has drawn a target, and the second sees it."""
    with page_server(folder, cache) as (_, address):
        first, second = (Person(browser, address) for _ in range(2))
        for person in (first, second):
            person.begins()
        first.drag((260, 29), (301, 171))
        expect(second.page.locator("#targets li")).to_have_count(1)
        yield first, second


def test_two_people_who_change_the_same_thing_at_the_same_moment(browser, demo, tmp_path):
    """The page had the other's edit already, so that the later box or label took its place without a word."""
    with two_people(browser, demo, tmp_path / "cache") as (first, second):
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


def test_each_of_two_people_undoes_their_own_step_also_after_a_reload(browser, demo, tmp_path):
    """Undo took back the last step of anybody."""
    with two_people(browser, demo, tmp_path / "cache") as (first, second):
        expect(second.page.locator('[data-action="undo"]')).to_be_disabled()
        second.key("n")
        second.drag((20, 20), (80, 90))
        expect(first.page.locator("#targets li")).to_have_count(2)
        first.page.reload()
        expect(first.page.locator("#targets li")).to_have_count(2)
        first.key("Control+z")
        expect(second.page.locator("#targets li")).to_have_count(1)
        expect(second.page.get_by_label("Label of target 2")).to_be_visible()
        second.key("Control+z")
        expect(first.page.locator("#targets li")).to_have_count(0)
        first.key("Control+Shift+Z")
        expect(second.page.get_by_label("Label of target 1")).to_be_visible()
        for person in (first, second):
            person.leaves()


def test_an_answer_that_a_newer_one_has_overtaken_is_left(browser, demo, tmp_path):
    """The page went back to the older state, so that a step seemed not to be made."""
    with two_people(browser, demo, tmp_path / "cache") as (first, second):
        held = []
        first.page.route("**/project", lambda route: held.append((route, route.fetch())))
        for count in (2, 3):
            second.key("n")
            second.drag((20, 20), (80, 90))
            expect(second.page.locator("#targets li")).to_have_count(count)
            while len(held) < count - 1:
                first.page.wait_for_timeout(20)
        for route, answer in reversed(held):
            with first.page.expect_response("**/project"):
                route.fulfill(response=answer)
        first.page.wait_for_timeout(200)  # for the page to take the last one
        expect(first.page.locator("#targets li")).to_have_count(3)
        for person in (first, second):
            person.leaves()
