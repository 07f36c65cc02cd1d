"""More targets than the timeline has room for, and a label that is longer than the picture is wide."""

import json
import urllib.request

from tests.helpers.person import Person, expect
from tests.helpers.web import page_server

LABEL = "a very long <b>label</b> 🧒 " * 6


def put_targets(address, count):
    place, token = address.split("/#token=")

    def ask(path, content=None):
        data = None if content is None else json.dumps(content).encode()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(f"{place}/api/{path}", data, headers)) as answer:
            return json.load(answer)

    edits = []
    for id in range(1, count + 1):
        edits.append({"edit": "add_target", "id": id, "label": LABEL.strip()})
        edits.append({"edit": "set_key", "id": id, "frame": 0, "box": [20 * id, 20 * id, 15, 15]})
    ask(f"videos/{ask('videos')['videos'][0]['id']}/edits", {"edit": {"edit": "together", "edits": edits}})


def test_the_row_of_the_selected_target_is_in_sight(browser, demo, tmp_path):
    with page_server(demo, tmp_path / "cache") as (_, address):
        put_targets(address, 8)
        person = Person(browser, address)
        person.begins()
        area = person.page.locator("#timeline")
        hidden = "each => Math.round(each.scrollHeight - each.clientHeight - each.scrollTop)"
        expect(person.page.locator("#targets .chosen .choose")).to_have_text("8")
        person.page.wait_for_function("document.getElementById('timeline').scrollTop > 0")
        assert area.evaluate(hidden) <= 8
        person.key("]")  # the first one again
        person.page.wait_for_function("document.getElementById('timeline').scrollTop === 0")
        names = person.page.locator("#boxes text").all_text_contents()
        assert {len([*name]) for name in names} == {41}
        assert all(name.endswith("…") and "<b>label</b>" in name for name in names)
        for small in person.page.locator("#targets button").all():
            assert min(small.bounding_box()[side] for side in ("width", "height")) >= 24
        person.leaves()


# Whether something is written where the ruler is now, such as the number 0.
WRITTEN = """() => {
    const line = document.getElementById('line');
    const top = Math.round(document.getElementById('timeline').scrollTop * devicePixelRatio);
    const pixels = line.getContext('2d').getImageData(8, top + 2, 10, 11).data;
    return new Set(pixels).size > 8;
}"""


def swipe(person, way):
    """A finger on the timeline, which moves up, or to the right."""
    session = person.context.new_cdp_session(person.page)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    x, y = person.page.locator("#line").bounding_box()["x"] + 60, person.area("#timeline")["y"] + 100
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 11):
        moved = {"x": x + step * 8, "y": y} if way == "right" else {"x": x, "y": y - step * 8}
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [moved]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": False})


def test_the_ruler_stays_in_sight_and_a_finger_scrolls(browser, demo, tmp_path):
    """The ruler went away with the rows above, and a finger that was to scroll went to another frame."""
    with page_server(demo, tmp_path / "cache") as (_, address):
        put_targets(address, 12)
        person = Person(browser, address)
        person.begins()
        person.page.wait_for_function("document.getElementById('timeline').scrollTop > 0")
        assert person.page.evaluate(WRITTEN)
        area = person.area("#timeline")
        chosen = person.page.locator("#targets .chosen .choose")
        person.page.mouse.click(person.place("#line")[0], area["y"] + 10)  # on the ruler, not in the row beneath it
        expect(person.page.locator("#number")).not_to_have_value("0")
        expect(chosen).to_have_text("12")
        person.key("]")
        person.page.wait_for_function("document.getElementById('timeline').scrollTop === 0")
        frame = person.page.locator("#number").input_value()
        swipe(person, "up")
        person.page.wait_for_function("document.getElementById('timeline').scrollTop > 0")
        expect(chosen).to_have_text("1")
        expect(person.page.locator("#number")).to_have_value(frame)
        swipe(person, "right")
        expect(person.page.locator("#number")).not_to_have_value(frame)
        person.leaves()


def test_the_selected_target_is_in_sight_in_the_list(browser, demo, tmp_path):
    """The list began with the first ones, so that the label of a new one could not be seen."""
    with page_server(demo, tmp_path / "cache") as (_, address):
        put_targets(address, 16)
        person = Person(browser, address, size=(420, 800))
        person.begins()
        for key, chosen in (("h", "16"), ("]", "1"), ("[", "16")):
            person.key(key)
            expect(person.page.locator("#targets .chosen .choose")).to_have_text(chosen)
            row = person.page.locator("#targets .chosen").bounding_box()
            area = person.page.locator("#targets").bounding_box()
            assert area["y"] - 1 <= row["y"] <= area["y"] + area["height"] - row["height"] + 1
        assert person.page.evaluate("scrollY") == 0
        person.leaves()
