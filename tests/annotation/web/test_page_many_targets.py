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
