"""Fields, dialogs, files that are dropped, and other tabs: what is typed goes where it belongs."""

import re

from tests.annotation.web.conftest import write_bars
from tests.helpers.person import SIZE, Person, a_box_in_bars, expect, project_of
from tests.helpers.web import page_server

DROP = """name => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File(['no video'], name));
    const event = new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer });
    return !document.body.dispatchEvent(event);
}"""

# The page begins to play and stops, and so names its frame in the address, before it has followed the new one.
GO_WHILE_IT_STOPS = """address => {
    location.href = address;
    for (const _ of [1, 2]) document.body.dispatchEvent(new KeyboardEvent('keydown', { key: ' ', bubbles: true }));
}"""


def test_what_is_typed_and_given_up(browser, tmp_path):
    """Letters in place of a number led to the first frame, and Escape kept what was typed."""
    with a_box_in_bars(browser, tmp_path, (40, 20), (80, 60)) as person:
        person.goes_to(40)
        person.sees(40)
        number = person.page.locator("#number")
        for text in ("", "abc", "7x"):
            person.goes_to(text)
            expect(number).to_have_value("40")
        number.fill("20")
        number.press("Escape")
        expect(number).to_have_value("40")
        person.sees(40)
        label = person.page.get_by_label("Label of target 1")
        label.fill("child")
        label.press("Enter")
        label.fill("oops")
        label.press("Escape")
        expect(label).to_have_value("child")
        person.leaves()
    assert project_of(tmp_path, "bars.mp4").target(1).label == "child"


def test_a_label_belongs_to_the_video_in_which_it_is_typed(browser, tmp_path):
    """It was lost, or given to the target of another video, if a person went there by the address or a key."""
    for name in ("bars.mp4", "other.mp4"):
        write_bars(tmp_path / name, 60)
    with page_server(tmp_path, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        places = []
        for name in ("bars.mp4", "other.mp4"):
            person.page.get_by_role("link", name=name).click()
            person.begins()
            person.drag((40, 20), (80, 60), SIZE)
            person.saved()
            places.append(person.page.url)
            if name == "bars.mp4":
                person.page.go_back()
        label = person.page.get_by_label("Label of target 1")
        label.fill("first")
        person.page.evaluate(GO_WHILE_IT_STOPS, places[0])
        expect(person.page.locator("#title")).to_have_text("bars.mp4")
        expect(label).to_have_value("")
        label.fill("second")
        person.page.go_back()
        expect(person.page.locator("#title")).not_to_have_text("bars.mp4")
        person.page.go_forward()
        expect(label).to_have_value("second")
        person.leaves()
    assert project_of(tmp_path, "other.mp4").target(1).label == "first"
    assert project_of(tmp_path, "bars.mp4").target(1).label == "second"


def test_a_dialog_closes_only_when_somebody_wants_it(browser, bars, tmp_path):
    """A click on its edge, or on text that was selected as far as outside of it, closed it; going back did not."""
    with page_server(bars, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.begins()
        person.key("Control+e")
        dialog = person.page.locator("#export")
        expect(dialog.locator("label").first).to_be_visible()
        area, mouse = dialog.bounding_box(), person.page.mouse
        mouse.click(area["x"] + 6, area["y"] + 60)
        mouse.move(area["x"] + 30, area["y"] + 30)
        mouse.down()
        mouse.move(5, 400)
        mouse.up()
        expect(dialog).to_be_visible()
        mouse.click(5, 400)
        expect(dialog).to_be_hidden()
        person.key("Control+e")
        expect(dialog).to_be_visible()
        person.page.evaluate("location.hash = '#/'")
        expect(person.page.locator("#videos li")).to_have_count(1)
        expect(dialog).to_be_hidden()
        person.leaves()


def test_a_file_that_is_dropped_does_not_take_the_place_of_the_page(browser, demo, tmp_path):
    write_bars(demo / "bars.mp4", 60)
    with page_server(demo, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        expect(person.page.locator("#videos li")).to_have_count(2)
        assert person.page.evaluate(DROP, "text.mp4")
        expect(person.page.locator("#banner")).to_contain_text("text.mp4 is no video")
        person.page.get_by_role("link", name="clip.mp4").click()
        person.begins()
        assert person.page.evaluate(DROP, "text.mp4")
        expect(person.page.locator("#banner")).to_contain_text("in the list of videos")
        person.leaves()


def test_a_video_opens_in_another_tab(browser, demo, tmp_path):
    """It said that the address lacks its token."""
    write_bars(demo / "bars.mp4", 60)
    with page_server(demo, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        link = person.page.get_by_role("link", name="clip.mp4")
        for way in ({"modifiers": ["Control"]}, {"button": "middle"}):
            with person.context.expect_page() as opened:
                link.click(**way)
            expect(opened.value.locator("#picture")).to_have_attribute("data-frame", "0")
        alone = Person(browser, re.sub("#.*", "#/", address))  # another browser has no tab to ask
        expect(alone.page.locator("#banner")).to_contain_text("lacks its token")
        alone.leaves()
        person.leaves()
