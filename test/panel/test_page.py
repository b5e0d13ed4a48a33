"""The page in a real browser, with the real tracker in this process."""

import math
from collections.abc import Callable
from typing import Any

import pytest

BLUE, RED = (230, 120), (100, 120)
Open = Callable[..., Any]


def test_a_click_starts_an_object_and_its_mask_is_drawn_where_it_is(panel: Any, open_page: Open) -> None:
    page = open_page(panel.address)
    before = page.stamp
    plain = page.colour((88, 108))
    page.page.fill("#label", "cup")
    number = page.start(RED)
    page.wait_for(f'#objects button[data-id="{number}"]', "in view")
    page.wait_for("#objects", "cup")
    page.wait_for("#events", "started")
    page.wait_for("#toasts", f"object {number} started")
    page.wait(lambda: math.dist(page.colour((88, 108)), plain) > 20, "mask on the object")
    page.wait(lambda: page.stamp > before, "newer picture")
    page.page.keyboard.press("m")
    page.wait(lambda: math.dist(page.colour((88, 108)), plain) < 20, "object without its mask")
    page.page.keyboard.press("m")
    page.shot("desktop")


def test_a_box_starts_an_object(panel: Any, open_page: Open) -> None:
    page = open_page(panel.address)
    page.drag((200, 90), (260, 150))
    page.wait(page.ids, "object")
    page.wait_for("#objects", "in view")


def test_a_selected_object_is_corrected_and_the_correction_undone(panel: Any, open_page: Open) -> None:
    page = open_page(panel.address)
    number = page.start(RED)
    page.click(RED)  # on a tracked object: selects it
    page.wait(lambda: page.object(number).get_attribute("aria-pressed") == "true", "selection")
    page.page.keyboard.press("Space")
    page.wait_for("#tracker-state", "paused")
    page.click((110, 130))
    page.wait_for("#toasts", f"object {number} corrected")
    page.click((30, 30), button="right")
    page.page.keyboard.down("Alt")
    page.click((160, 30))
    page.page.keyboard.up("Alt")
    page.wait(lambda: page.text("#toasts").count(f"object {number} corrected") >= 3, "three corrections")
    page.page.keyboard.press("u")
    page.wait_for("#toasts", f"the correction of object {number} is taken back")
    assert page.ids() == {number}


def test_undo_takes_back_a_new_object(panel: Any, open_page: Open) -> None:
    page = open_page(panel.address)
    page.start(RED)
    page.page.keyboard.press("Control+z")
    page.wait(lambda: not page.ids(), "empty list")
    page.wait_for("#events", "removed")
    page.page.keyboard.press("u")
    page.wait_for("#toasts", "there is nothing to undo")


def test_the_pen_draws_a_mask(panel: Any, open_page: Open) -> None:
    page = open_page(panel.address)
    assert page.stamp >= 0
    page.page.keyboard.press("Space")
    page.wait_for("#tracker-state", "paused")
    page.page.click("#pen")
    page.drag((80, 100), (120, 100), (120, 140), (80, 140), (80, 100))
    page.shot("pen")
    page.page.keyboard.press("Enter")
    page.wait(page.ids, "object")
    page.wait(lambda: page.page.get_attribute("#pen", "aria-pressed") == "false", "end of drawing")


def test_target_remove_and_reset(panel: Any, open_page: Open) -> None:
    page = open_page(panel.address)
    first, second = page.start(RED), page.start(BLUE)
    page.page.keyboard.press("2")
    page.page.keyboard.press("t")
    page.wait(lambda: "★" in page.object(second).inner_text(), "star at the target")
    page.page.keyboard.press("Escape")
    page.page.keyboard.press("1")
    page.page.keyboard.press("Delete")
    page.wait(lambda: page.ids() == {second}, "list without the first")
    page.page.click("#reset")
    assert page.text("#reset") == "Drop all?" and page.ids() == {second}
    page.page.click("#reset")
    page.wait(lambda: not page.ids(), "empty list")
    page.wait_for("#events", "reset")
    assert first != second


def test_a_lost_object_is_shown_and_so_is_its_return(panel: Any, scene: Any, open_page: Open) -> None:
    page = open_page(panel.address)
    page.start(RED)
    page.wait_for("#objects", "in view")
    scene.has_red = False
    page.wait_for("#objects .state", "lost")
    page.wait_for("#events", "lost")
    page.shot("lost")
    scene.has_red = True
    page.wait_for("#events", "reacquired")
    page.wait_for("#objects", "in view")


def test_two_browsers_see_the_same_objects(panel: Any, open_page: Open) -> None:
    one, other = open_page(panel.address), open_page(panel.address)
    number = one.start(RED)
    other.wait(lambda: other.ids() == {number}, "the other's object")
    other.wait_for("#events", "started")
    other.click(RED)
    other.page.keyboard.press("Delete")
    one.wait(lambda: not one.ids(), "empty list")


def test_a_page_that_was_busy_shows_the_newest_picture(panel: Any, open_page: Open) -> None:
    page = open_page(panel.address)
    before = page.stamp
    page.page.evaluate("() => { const end = performance.now() + 3000; while (performance.now() < end); }")
    page.wait(lambda: page.stamp > before + 2.0, "picture from after the pause")
    assert sum(outbox.skipped for outbox in panel.hub._outboxes) > 0


def test_a_lost_connection_comes_back_by_itself(start_panel: Open, open_page: Open) -> None:
    first = start_panel()
    page = open_page(first.address)
    assert page.stamp >= 0
    first.__exit__()
    page.wait_for("#tracker-state", "disconnected")
    page.wait_for("#problem", "Trying again")
    page.click(RED)
    page.wait_for("#toasts", "not connected to the panel")
    start_panel(port=first.port)
    page.wait_for("#tracker-state", "tracking")
    page.start(RED)


def test_a_phone_shows_everything_and_a_finger_can_do_everything(panel: Any, open_page: Open) -> None:
    page = open_page(panel.address, viewport={"width": 320, "height": 640}, has_touch=True, is_mobile=True)
    page.page.touchscreen.tap(*page.place(RED))
    page.wait(page.ids, "object")
    width = page.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 320
    for button in page.page.locator("#tools button:visible").all():
        box = button.bounding_box()
        assert box["height"] >= 40 and box["x"] >= 0 and box["x"] + box["width"] <= 320
    page.object(page.ids().pop()).tap()
    long_press(page, (30, 30))
    page.wait_for("#toasts", "corrected")
    page.shot("phone")


def long_press(page: Any, point: tuple[float, float]) -> None:
    x, y = page.place(point)
    session = page.context.new_cdp_session(page.page)
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    page.page.wait_for_timeout(800)
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [320, 1280, 3840])
def test_the_page_fits_any_screen_dark_and_light(panel: Any, open_page: Open, width: int, scheme: str) -> None:
    page = open_page(panel.address, viewport={"width": width, "height": width * 9 // 16 + 400}, color_scheme=scheme)
    page.start(RED)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(background[4:-1].split(",")[0]) < 128) == (scheme == "dark")
    page.shot(f"{scheme}_{width}")


def test_the_end_of_a_recording_is_shown_and_it_can_be_played_again(panel: Any, scene: Any, open_page: Open) -> None:
    scene.length = 20
    page = open_page(panel.address)
    page.wait_for("#problem", "the recording has ended")
    end = page.stamp
    page.start(RED)  # on the last picture
    page.page.click("#restart")
    page.wait(lambda: page.stamp < end, "the start")
    page.wait_for("#events", "the recording is played again")


def test_a_click_beside_the_picture_says_so(panel: Any, open_page: Open) -> None:
    page = open_page(panel.address)
    page.click((-10, 120))
    page.wait_for("#toasts", "outside the picture")
    page.click((20, 20), button="right")
    page.wait_for("#toasts", "select an object first")


def test_a_wrong_token_is_named_on_the_page(start_panel: Open, open_page: Open) -> None:
    panel = start_panel(host="0.0.0.0")
    wrong = open_page(f"{panel.address}#guess")
    wrong.wait_for("#problem", "wrong token: open the address that the panel printed")
    right = open_page(f"{panel.address}#{panel.token}")
    right.start(RED)


@pytest.mark.slow
def test_a_thousand_clicks_in_a_second_are_all_answered(panel: Any, open_page: Open) -> None:
    page = open_page(panel.address)
    assert page.stamp >= 0
    answers = page.page.evaluate(FLOOD, [page.page.get_attribute("html", "data-stamp"), 1000])
    assert sum(answers.values()) == 1000
    assert sum(count for text, count in answers.items() if text.startswith("too many requests")) > 900
    page.wait(lambda: len(page.ids()) >= 1, "objects of the first clicks")
    page.page.click("#reset")
    page.page.click("#reset")
    page.wait(lambda: not page.ids(), "empty list")


FLOOD = """([stamp, count]) => new Promise((resolve) => {
    const socket = new WebSocket(`ws://${location.host}/socket`), answers = {};
    let answered = 0;
    socket.onmessage = ({ data }) => {
        if (typeof data !== "string") return;
        const message = JSON.parse(data);
        if (message.type !== "reply") return;
        answers[message.message] = (answers[message.message] ?? 0) + 1;
        if (++answered === count) resolve(answers);
    };
    socket.onopen = () => {
        for (let request = 1; request <= count; request++) {
            const clicks = [{ x: 100, y: 120, positive: true }];
            const prompt = { type: "prompt", request, object_id: 0, stamp: stamp.split(".").map(Number), clicks };
            socket.send(JSON.stringify(prompt));
        }
    };
})"""


def test_a_message_of_5_megabytes_only_ends_its_own_connection(
    panel: Any, open_page: Open, caplog: pytest.LogCaptureFixture
) -> None:
    page = open_page(panel.address)
    assert page.stamp >= 0
    code = page.page.evaluate(
        """() => new Promise((resolve) => {
            const socket = new WebSocket(`ws://${location.host}/socket`);
            socket.onopen = () => socket.send("x".repeat(5e6));
            socket.onclose = ({ code }) => resolve(code);
        })"""
    )
    assert code in (1009, 1006)  # too large; or closed before the browser has sent everything, which loses the reason
    page.start(RED)
    assert "exceeds limit" in caplog.text
