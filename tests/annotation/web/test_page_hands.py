"""Hands that are not exact: clicks that shake, other buttons, keys held down, and a video that is left too soon."""

import re

from tests.annotation.web.conftest import write_bars
from tests.helpers.person import SIZE, Person, a_box_in_bars, expect, project_of
from tests.helpers.web import page_server

COMPOSING = "each => each.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true}))"

NO_BUTTON = """() => document.getElementById('stage').dispatchEvent(new PointerEvent('pointermove', {
    pointerId: 1, pointerType: 'mouse', buttons: 0, clientX: 5, clientY: 300,
}))"""


def at(person, frame):
    expect(person.page.locator("#number")).to_have_value(str(frame))


def test_a_click_that_shakes_moves_no_box(browser, tmp_path):
    """It made a key box of a tracked one."""
    with a_box_in_bars(browser, tmp_path, (40, 20), (80, 60)) as person:
        person.pulls("#boxes .chosen .edge", 2, 2)
        person.pulls('#boxes [data-handle="se"] .grip', 1, -2)
        person.pulls("#boxes .chosen .edge", 0, 0)
        person.key("q")
        expect(person.page.locator('[data-action="occluded"]')).to_have_attribute("aria-pressed", "true")
        person.leaves()
    (key,) = project_of(tmp_path, "bars.mp4").target(1).keys
    assert key.box == (40, 20, 40, 40)


def test_other_buttons_of_the_mouse(browser, tmp_path):
    """A right press on the timeline went there, and the timeline followed the mouse when its menu took the release."""
    write_bars(tmp_path / "bars.mp4", 60)
    with page_server(tmp_path / "bars.mp4", tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.begins()
        mouse = person.page.mouse
        line = person.page.locator("#line").bounding_box()
        middle = line["x"] + line["width"] / 2, line["y"] + 8
        for button in ("right", "middle"):
            mouse.click(*middle, button=button)
            at(person, 0)
        mouse.click(*middle)
        at(person, 30)
        person.key("Home")
        person.sees(0)

        mouse.move(*person.screen(40, 20, *SIZE))
        mouse.down()
        mouse.move(*person.screen(60, 40, *SIZE))
        mouse.down(button="right")
        mouse.up(button="right")
        mouse.move(-40, -50)  # outside of the window
        mouse.move(*person.screen(90, 70, *SIZE))
        mouse.up()
        person.saved()
        # The release of a button is lost, as when another window comes up: the box is as it was then.
        person.key("n")
        mouse.move(*person.screen(10, 10, *SIZE))
        mouse.down()
        mouse.move(*person.screen(30, 30, *SIZE))
        person.page.evaluate(NO_BUTTON)
        expect(person.page.locator("#targets li")).to_have_count(2)
        mouse.up()
        person.leaves()
    first, second = project_of(tmp_path, "bars.mp4").targets
    for target, box in ((first, (40, 20, 50, 50)), (second, (10, 10, 20, 20))):
        assert [tuple(map(round, key.box)) for key in target.keys] == [box]


def test_keys_that_are_held_down_act_once(browser, tmp_path):
    """Shift+Delete removed one target after the other, and Enter kept a box as soon as it began it."""
    write_bars(tmp_path / "bars.mp4", 60)
    with page_server(tmp_path / "bars.mp4", tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.begins()
        hold = person.page.keyboard.down
        targets = person.page.locator("#targets li")
        for place in range(3):
            person.key("n")
            person.drag((10 + 40 * place, 20), (40 + 40 * place, 50), SIZE)
            expect(targets).to_have_count(place + 1)
        hold("Shift")
        for count in (2, 2, 2):
            hold("Delete")
            expect(targets).to_have_count(count)
        person.page.keyboard.up("Delete")
        person.page.keyboard.up("Shift")
        for _ in range(4):
            hold("Enter")
        person.page.keyboard.up("Enter")
        expect(person.page.locator("#hint")).to_contain_text("Enter: keep")
        person.key("Escape")
        for _ in range(3):
            hold("ArrowRight")
        at(person, 3)
        person.page.keyboard.up("ArrowRight")

        undo = person.page.locator('[data-action="undo"]')
        undo.click()  # the target that was removed is there again
        expect(targets).to_have_count(3)
        person.key("Space")  # it undid one more step
        expect(person.page.locator("#play")).to_have_text("Pause")
        person.key("Space")
        expect(targets).to_have_count(3)

        person.key("Home")
        russian = "new KeyboardEvent('keydown', {key: '\\u0430', code: 'KeyF', bubbles: true})"
        person.page.evaluate(f"document.body.dispatchEvent({russian})")
        at(person, 1)
        german = "new KeyboardEvent('keydown', {key: ']', code: 'Digit9', altKey: true, ctrlKey: true, bubbles: true})"
        chosen = person.page.locator("#targets .chosen .choose")
        before = chosen.text_content()
        person.page.evaluate(f"document.body.dispatchEvent({german})")
        expect(chosen).not_to_have_text(before)
        label = person.page.get_by_label("Label of target 1")
        label.click()
        label.evaluate(COMPOSING)  # ends a word, not the label
        expect(label).to_be_focused()
        person.leaves()


def test_the_picture_stays_while_keys_move_a_box(browser, tmp_path):
    """Other keys, and a video that played, slipped another frame under the box; and it came along to another video."""
    for name in ("bars.mp4", "other.mp4"):
        write_bars(tmp_path / name, 60)
    with page_server(tmp_path, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.page.get_by_role("link", name="other.mp4").click()
        person.begins()
        person.drag((40, 20), (80, 60), SIZE)
        person.saved()
        person.page.go_back()
        person.page.get_by_role("link", name="bars.mp4").click()
        person.begins()
        person.key("n")
        person.drag((10, 20), (40, 60), SIZE)
        person.saved()
        person.key("Space")
        expect(person.page.locator("#picture")).to_have_attribute("data-frame", re.compile(r"[5-9]|\d\d"))
        person.key("Enter")
        expect(person.page.locator("#play")).to_have_text("Play")
        frame = int(person.page.locator("#picture").get_attribute("data-frame"))
        for key in ("f", "End", "Control+ArrowRight"):
            person.key(key)
        person.key("Enter")
        expect(person.page.locator("#here-text")).to_have_text("Key box, set by a person")
        at(person, frame)

        person.key("Enter")
        person.key("Control+ArrowRight")
        person.page.go_back()
        person.page.get_by_role("link", name="other.mp4").click()
        person.begins()
        expect(person.page.locator("#boxes > *")).to_have_count(1)
        left = person.screen(40, 20, *SIZE)[0]
        assert abs(person.area("#boxes .chosen .edge")["x"] - left) < 4
        person.leaves()
    assert [key.frame for key in project_of(tmp_path, "bars.mp4").target(1).keys] == [0, frame]
