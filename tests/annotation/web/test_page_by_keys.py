"""All that the page can do, with the keyboard alone: each action has its key, each place its ring and its name."""

from tests.annotation.web.conftest import write_bars
from tests.helpers.person import Person, expect, project_of
from tests.helpers.web import page_server

# What has the focus: its name for a screen reader, whether a ring is around it, and its place in the page.
FOCUS = """() => {
  const here = document.activeElement, style = getComputedStyle(here);
  const label = here.labels?.[0]?.textContent;
  return {
    name: (here.getAttribute('aria-label') || label || here.textContent || '').trim(),
    ring: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1,
    tag: here.tagName, id: here.id, action: here.dataset.action || '',
  };
}"""


class Typist(Person):
    def types(self, *keys):
        for key in keys:
            self.key(key)

    def stops(self, most=80):
        """Press Tab until the focus leaves the page, and return all places on the way."""
        found = []
        for _ in range(most):
            self.key("Tab")
            here = self.page.evaluate(FOCUS)
            if here["tag"] == "BODY" and found:
                break
            found += [here] if here["tag"] != "BODY" else []
        assert found
        assert all(each["name"] and each["ring"] for each in found), found
        return found

    def said(self, text):
        expect(self.page.locator("#said")).to_contain_text(text)

    def has(self, count):
        expect(self.page.locator("#targets li")).to_have_count(count)

    def goes(self, **frames):
        """Press keys, each of which leads to a frame."""
        for key, frame in frames.items():
            self.key(key)
            self.sees(frame)

    def makes(self, *steps):
        """Press keys, after each of which the box of this frame is of a kind."""
        for key, text in steps:
            self.key(key)
            expect(self.page.locator("#here-text")).to_contain_text(text)

    def plays(self, *keys):
        for key in keys:
            for each, text in ((key, "Pause"), ("k", "Play")):
                self.key(each)
                expect(self.page.locator("#play")).to_have_text(text)

    def moves_the_picture(self, *keys):
        for key in keys:
            before = self.area("#boxes .edge")
            self.key(key)
            assert self.area("#boxes .edge") != before

    def leaves_the_focus(self):
        self.page.evaluate("document.activeElement.blur()")


def test_every_action_by_keys(browser, tmp_path, tiny_model):
    for name in ("bars.mp4", "other.mp4"):
        write_bars(tmp_path / name, 120)
    with page_server(tmp_path, tmp_path / "cache", None, "--model", str(tiny_model)) as (_, address):
        typist = Typist(browser, address)
        expect(typist.page.get_by_role("link", name="bars.mp4")).to_be_visible()
        typist.stops()
        typist.leaves_the_focus()
        while typist.page.evaluate(FOCUS)["name"] != "bars.mp4":
            typist.key("Tab")
        typist.key("Enter")
        typist.begins()
        typist.leaves_the_focus()

        typist.types("Enter", "ArrowRight", "Control+ArrowDown", "Shift+ArrowRight", "Enter")  # a box where none is
        typist.has(1)
        typist.types("F2", *"child", "Enter")
        expect(typist.page.get_by_label("Label of target 1")).to_have_value("child")
        typist.goes(f=1, v=11, d=10, c=0, End=119, Home=0)
        typist.plays("Space", "l")
        typist.types("Control+g", "Control+a", *"40", "Enter")
        typist.sees(40)
        typist.types("b", "Enter", "Shift+ArrowDown")
        typist.makes(("Enter", "Key box"))  # on the screen as soon as it is saved
        typist.goes(e=0, r=40, Home=0, m=20)
        typist.makes(("o", "Absent"), ("o", "Interpolated"), ("q", "Key box"), ("Delete", "Interpolated"))
        typist.types("Control+c", "f")
        typist.makes(("Control+v", "Key box"), ("Control+z", "Interpolated"), ("Control+Shift+Z", "Key box"))
        typist.makes(("Backspace", "Interpolated"), ("w", "Key box"))

        tracks_and_looks(typist)
        exports(typist)
        typist.leaves()
    (target,) = project_of(tmp_path, "bars.mp4").targets
    assert target.label == "child"
    assert [key.frame for key in target.keys] == [0, 21, 40]


def tracks_and_looks(typist):
    typist.types("n", "Enter", "Enter")
    expect(typist.page.locator("#targets .chosen .choose")).to_have_text("2")
    typist.key("[")
    typist.said("Target 1")
    typist.key("]")
    typist.said("Target 2")
    typist.key("Shift+Delete")
    typist.has(1)
    typist.types("t", "Shift+T", "u", "a", "y")
    expect(typist.page.locator("#all")).to_be_checked()
    typist.key("s")
    expect(typist.page.locator("#job")).to_be_hidden(timeout=60_000)
    typist.types("Home", "x")  # a doubtful frame, or a word that there is none
    typist.key("Shift+X")

    typist.moves_the_picture("+", "Control+ArrowRight", "Control+ArrowUp", "-", "0")
    typist.types("z", "Shift+Z", "g", "h", "Shift+D", "Control+s")
    expect(typist.page.locator("#boxes .edge")).to_have_count(0)
    typist.types("h", "?")
    expect(typist.page.locator("#help")).to_be_visible()
    typist.key("Escape")
    assert {"number", "line", "all"} <= {each["id"] for each in typist.stops()}
    typist.leaves_the_focus()


def exports(typist):
    typist.key("Control+e")
    expect(typist.page.locator("#formats input").first).to_be_visible()
    typist.key("Shift+Tab")
    typist.key("Shift+Tab")  # past "Close", to the formats
    typist.key("ArrowDown")
    with typist.page.expect_download(timeout=60_000) as download:
        typist.key("Enter")  # it closed the dialog
    assert download.value.suggested_filename
    expect(typist.page.locator("#export-text")).to_contain_text("Written")
    typist.key("Escape")
    typist.key("Control+i")
    assert typist.page.evaluate(FOCUS)["id"] == "import-file"
    typist.key("Escape")
    expect(typist.page.locator("#import")).to_be_hidden()
    typist.key("Control+Enter")
    expect(typist.page.locator("#videos .state.done")).to_have_count(1)
