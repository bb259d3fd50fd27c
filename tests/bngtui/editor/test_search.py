"""Looking for a text in the editor, on a text area that only remembers."""

from __future__ import annotations

from bngtui.editor.search import Search


class Area:
    def __init__(self, text, at=(0, 0)):
        self.lines = text.split("\n")
        self.cursor_location = at
        self.gone = None

    def go(self, line, column):
        self.gone = (line, column)

    def move_cursor(self, place, *, select):
        assert select
        self.cursor_location = place


class Page:
    def __init__(self):
        self.said = []
        self.typed = None

    def say(self, text, role):
        self.said.append((text, role))

    def prompt(self, line_input, then):
        self.typed = line_input._typed
        then("weight")


def test_from_the_cursor_on_and_again_from_the_top():
    area = Area("port 80\nWeight 1\nweight 2")
    search = Search(Page(), area)
    places = []
    for _ in range(4):
        search.find("weight")
        places.append((area.gone, area.cursor_location))
    assert places[:2] == [((2, 1), (1, 6)), ((3, 1), (2, 6))]
    assert places[2:] == places[:2]


def test_the_only_place_is_found_again_from_behind_it():
    area = Area("port 80", at=(0, 4))
    Search(Page(), area).find("port")
    assert area.cursor_location == (0, 4)
    assert area.gone == (1, 1)


def test_what_is_nowhere_is_said():
    page, area = Page(), Area("port 80")
    Search(page, area).find("weight")
    assert page.said == [("Not found: weight", "warning")]
    assert area.gone is None


def test_the_last_text_is_offered_again():
    page = Page()
    search = Search(page, Area("weight 1"))
    search.start()
    assert page.typed == ""
    search.start()
    assert page.typed == "weight"
    assert page.said == []
