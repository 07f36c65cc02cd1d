"""What a person draws, tracks and corrects in the page. Any error of the page fails its test."""

import zipfile

from mixformer import Box
from mixformer.annotation import (
    AnnotationProject,
    TrackedBox,
    add_target,
    look_at_video,
    save_project,
    set_key,
    set_tracked,
)
from tests.helpers.person import Person, expect, iou, project_of
from tests.helpers.web import page_server


def test_draw_track_correct_undo_and_export(browser, demo, tmp_path):
    with page_server(demo, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.sees(0)
        person.is_ready()
        person.drag((260, 29), (301, 171))
        person.saved()
        expect(person.page.locator("#targets li")).to_have_count(1)
        label = person.page.get_by_label("Label of target 1")
        label.fill("<b>child</b>")
        label.press("Enter")
        person.saved()
        assert person.page.locator("#targets b").count() == 0

        person.tracks("t")
        person.key("End")
        person.sees(52)
        expect(person.page.locator("#here-text")).to_contain_text("Tracked")

        # A correction in the middle: moved by its inside, made larger by a handle.
        person.page.locator("#number").fill("30")
        person.page.locator("#number").press("Enter")
        person.sees(30)
        person.pulls("#boxes .chosen .edge", 8, 4)
        expect(person.page.locator("#here-text")).to_have_text("Key box, set by a person")
        person.pulls('#boxes [data-handle="se"] .grip', 6, 3)
        person.saved()
        person.tracks("y")
        person.key("Control+z")
        person.saved()
        person.key("Control+Shift+Z")
        person.saved()

        person.key("Control+e")
        for name in person.page.locator("#formats input").evaluate_all("all => all.map(each => each.value)"):
            person.page.locator(f'#formats input[value="{name}"]').check()
            with person.page.expect_download(timeout=60_000) as download:
                person.page.locator("#export-start").click()
            path = tmp_path / download.value.suggested_filename
            download.value.save_as(path)
            assert path.stat().st_size > 100
            assert path.suffix != ".zip" or zipfile.ZipFile(path).testzip() is None
            expect(person.page.locator("#export-text")).to_contain_text("Written")
        person.leaves()
    project = project_of(demo)
    target = project.target(1)
    assert target.label == "<b>child</b>"
    assert [key.frame for key in target.keys] == [0, 30]
    assert iou(target.keys[0].box, (260, 29, 41, 142)) > 0.9
    assert [box.origin for box in project.boxes(1, 28, 33)] == ["tracker", "tracker", "person", "tracker", "tracker"]


def test_keyboard_alone(browser, demo, tmp_path):
    with page_server(demo / "clip.mp4", tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.sees(0)
        person.is_ready()
        person.key("?")
        expect(person.page.get_by_role("dialog")).to_be_visible()
        expect(person.page.get_by_role("dialog")).to_contain_text("Next doubtful frame")
        person.key("Escape")
        person.key("n")
        person.key("Enter")
        for _ in range(3):
            person.key("Control+ArrowRight")
        person.key("Shift+ArrowDown")
        person.key("Enter")
        person.saved()
        person.key("v")
        person.sees(10)
        person.key("Enter")
        person.key("ArrowUp")
        person.key("Enter")
        expect(person.page.locator("#here-text")).to_have_text("Key box, set by a person")
        person.key("q")
        expect(person.page.locator('[data-action="occluded"]')).to_have_attribute("aria-pressed", "true")
        person.key("v")
        person.sees(20)
        person.key("o")
        expect(person.page.locator("#here-text")).to_have_text("Absent")
        person.key("e")
        person.sees(10)
        person.key("m")
        person.sees(15)
        person.key("Control+z")
        person.saved()
        for name in person.page.locator("button:visible").evaluate_all(
            "all => all.map(each => each.getAttribute('aria-label') || each.textContent)"
        ):
            assert sum(map(str.isalpha, name)) > 1, name  # words, not only symbols
        titles = person.page.locator("[data-action]").evaluate_all("all => all.map(each => each.title)")
        assert all("(" in title for title in titles)
        person.leaves()
    keys = project_of(demo).target(1).keys
    assert [(key.frame, key.occluded) for key in keys] == [(0, False), (10, True)]
    assert keys[0].box == (286, 126, 128, 109)


def test_stop_and_doubt(browser, demo, tmp_path):
    with page_server(demo, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.sees(0)
        person.is_ready()
        person.drag((400, 250), (440, 290))  # pavement, which a tracker cannot follow for long
        person.saved()
        person.key("t")
        expect(person.page.locator("#job")).to_be_visible(timeout=20_000)
        person.page.locator('[data-action="stop"]').click()
        expect(person.page.locator("#job")).to_be_hidden(timeout=20_000)
        person.tracks("t")
        person.key("Home")
        person.key("x")
        doubtful = [each.frame for each in project_of(demo).boxes(1, 0, 53) if each.status != "tracking"]
        if doubtful:
            person.sees(doubtful[0])
        else:
            expect(person.page.locator("#banner")).to_contain_text("No doubtful frame")
        person.leaves()


def test_the_doubtful_frames_go_round(browser, demo, tmp_path):
    """After a run, the page is at the end of the video, and `X` said that there was no doubtful frame."""
    project = set_key(add_target(AnnotationProject(look_at_video(demo / "clip.mp4"))), 1, 0, (260, 29, 41, 142))
    sure, doubtful = (TrackedBox(Box(260, 29, 41, 142), 0.5, each) for each in ("tracking", "uncertain"))
    save_project(set_tracked(project, 1, 1, [sure] * 9 + [doubtful] * 5 + [sure] * 9), demo / "clip.mp4.mixformer.json")
    with page_server(demo, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.begins()
        for start, key in (("Home", "x"), ("End", "x"), ("End", "Shift+X"), ("Home", "Shift+X")):
            person.key(start)
            person.sees(0 if start == "Home" else 52)
            person.key(key)
            person.sees(10)
        person.key("x")
        expect(person.page.locator("#banner")).to_have_text("No other frame is doubtful.")
        odd = {"name": "odd", "title": "C++ (*[", "text": "C++ (*[ twice"}
        person.page.route("**/api/formats", lambda route: route.fulfill(json=[*route.fetch().json(), odd]))
        person.key("Control+e")
        formats = person.page.locator("#formats label")
        expect(formats.first).to_have_text("CVAT for video 1.1 annotations.xml")
        expect(formats.last).to_have_text("C++ (*[ C++ (*[ twice")
        person.leaves()


def test_several_boxes_are_drawn_at_one_place_also_with_the_page_selected(browser, demo, tmp_path):
    """From the second box on, the browser dragged what it had selected, and no box came of it."""
    with page_server(demo, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.begins()
        for count in (1, 2, 3):
            person.key("Control+a")
            person.key("n")
            person.drag((20, 20), (80, 90))
            expect(person.page.locator("#targets li")).to_have_count(count)
        person.leaves()
