"""The page in a real browser: fleet, one device live, replay, mute, sign-in, names for everything, nothing blocked."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.cloud_bridge.console_place import READER, STRANGER, TOKEN, Shown, console, live

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1440,1500"
)


@pytest.fixture(scope="module")
def shown() -> Iterator[Shown]:
    """A living console on a thread of its own."""
    ready, stop, found = threading.Event(), threading.Event(), []

    async def serve() -> None:
        async with console() as here:
            await live(here)
            found.append(here)
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(20)
        yield found[0]
    finally:
        stop.set()
        thread.join(20)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
    if not driver or not chromium:
        pytest.skip("install Debian's chromium and chromium-driver")
    options = Options()
    options.binary_location = chromium
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    running = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield running
    finally:
        running.quit()


def until(browser: webdriver.Chrome, what: Callable[[webdriver.Chrome], Any]) -> Any:
    return WebDriverWait(browser, 40, 0.1).until(what)


def text(browser: webdriver.Chrome, name: str) -> str:
    """Read in one step: the page draws itself again each second."""
    return str(script(browser, f"return document.getElementById('{name}').textContent"))


def script(browser: webdriver.Chrome, code: str) -> Any:
    return browser.execute_script(code)  # type: ignore[no-untyped-call]


def test_the_console_from_sign_in_to_mute(shown: Shown, browser: webdriver.Chrome) -> None:
    """One visit: a wrong token, the right one, the fleet, a device, its replay, and the mute button."""
    shown.presence.get("acme", "car-7").muted = False  # whatever was tried before
    shown.wires["car-7"].commands.clear()
    browser.get(shown.listening.address)
    script(browser, "sessionStorage.clear()")
    browser.refresh()
    field = browser.find_element(By.ID, "token")
    until(browser, lambda _: field.is_displayed())
    field.send_keys("wrong-token-of-someone")
    browser.find_element(By.CSS_SELECTOR, "#login-form button").click()
    until(browser, lambda b: "token" in text(b, "login-error"))
    browser.find_element(By.ID, "token").send_keys(TOKEN)
    browser.find_element(By.CSS_SELECTOR, "#login-form button").click()

    until(browser, lambda b: len(b.find_elements(By.CSS_SELECTOR, "#devices li")) == 8)
    assert "acme · anna" in text(browser, "who")
    first = script(browser, "return document.querySelector('#devices li').textContent")
    assert "Drowsiness alert" in first, "alerts come first"
    browser.find_element(By.ID, "search").send_keys("car-7")
    until(browser, lambda b: len(b.find_elements(By.CSS_SELECTOR, "#devices li")) == 1)
    script(browser, "document.querySelector('#devices button').click()")  # in one step, as `text`

    until(browser, lambda b: "Nobody listened in the meeting." in text(b, "talk"))
    assert text(browser, "name") == "car-7"
    assert text(browser, "mood") in {"Neutral", "Happy", "Sad", "Angry"}
    assert "ms" in text(browser, "talk")
    assert "319 MB" in text(browser, "health")
    assert "agreed: they are read" in text(browser, "consent")
    assert "Rule ordered by anna: done" in text(browser, "audit")
    label = script(browser, "return document.querySelector('#plot svg').getAttribute('aria-label')")
    assert "mean valence" in label

    browser.find_element(By.CSS_SELECTOR, "[data-span='3600']").click()
    until(browser, lambda b: b.find_element(By.ID, "replay").is_displayed())
    until(browser, lambda b: script(b, "return document.querySelectorAll('#plot .away').length") > 2)
    script(browser, "const s = document.getElementById('scrub'); s.value = 200; s.dispatchEvent(new Event('input'))")
    until(browser, lambda b: script(b, "return document.querySelectorAll('#plot .cursor').length"))
    assert "Nobody listened" not in text(browser, "talk"), "what came later is not shown yet"
    assert "agreed: they leave the device" in text(browser, "consent"), "consent is the device's, not the moment's"
    browser.find_element(By.ID, "play").click()
    before = text(browser, "at")
    until(browser, lambda b: text(b, "at") not in ("", before))
    browser.find_element(By.ID, "play").click()

    browser.find_element(By.ID, "mute").click()
    until(browser, lambda b: text(b, "mute") == "Unmute device")
    assert [command.mute for command in shown.wires["car-7"].commands] == [True]


def test_a_device_that_starts_anew_begins_its_turns_anew(shown: Shown, browser: webdriver.Chrome) -> None:
    """Yesterday's turn 1 is not today's; a cut of the network alone parts nothing."""
    browser.get(shown.listening.address)
    found = script(
        browser,
        """
        const came = (at_s) => ({ kind: "link", state: "connected", at_s });
        const turn = (at_s, turn, words, answer) => ({ kind: "turn", at_s, turn, words, answer, outcome: "answered" });
        return import("/page/talk.js").then((talk) => talk.turns([
          came(1), turn(2, 1, "a", "A"), turn(3, 2, "b", "B"), came(4), turn(5, 3, "c", "C"), came(6),
          { kind: "online", at_s: 6 }, { kind: "turn_end", at_s: 7, turn: 1, words: "d" },
          { kind: "reply", at_s: 8, turn: 1, chunk: 0, text: "D", tone: "plain" },
        ]).map((one) => [one.turn, one.words, one.reply]));
        """,
    )
    assert found == [[1, "a", "A"], [2, "b", "B"], [3, "c", "C"], [1, "d", "D"]]


def test_what_comes_late_is_not_shown_of_another_device(shown: Shown, browser: webdriver.Chrome) -> None:
    """An answer to an order, or a replay, that arrives when another device is shown already belongs to nobody there."""
    shown.presence.get("acme", "car-7").muted = False
    browser.get("about:blank")
    browser.get(f"{shown.listening.address}/?device=car-7#token={TOKEN}")
    until(browser, lambda b: "Nobody listened in the meeting." in text(b, "talk"))
    until(browser, lambda b: text(b, "mute") == "Mute device")
    script(
        browser,
        """
        const ask = window.fetch;
        window.late = 0;
        window.fetch = (path, options) => (/car-7.(history|mute)/.test(path)
          ? new Promise((done) => setTimeout(done, 600)).then(() => ask(path, options))
            .finally(() => { window.late += 1; })
          : ask(path, options));
        document.querySelector("[data-span='3600']").click();
        document.getElementById("mute").click();
        [...document.querySelectorAll("#devices button")].find((one) => one.textContent.includes("car-8")).click();
        """,
    )
    until(browser, lambda b: text(b, "name") == "car-8" and script(b, "return window.late") == 2)
    script(browser, "return new Promise((done) => setTimeout(done, 300))")
    assert "not kept" in text(browser, "consent")
    assert text(browser, "mute") == "Mute device"


def test_what_was_not_kept_is_not_called_unread(shown: Shown, browser: webdriver.Chrome) -> None:
    """Where a person did not agree that states are kept, what came lately is shown live, and a replay says so."""
    browser.get("about:blank")
    browser.get(f"{shown.listening.address}/?device=lobby-screen#token={TOKEN}")
    until(browser, lambda b: text(b, "mood") in {"Neutral", "Happy", "Sad", "Angry"})
    until(browser, lambda b: "mean valence" in script(b, "return document.querySelector('#plot svg').ariaLabel ?? ''"))
    script(browser, "document.querySelector(\"[data-span='3600']\").click()")
    until(browser, lambda b: text(b, "mood") == "Not kept")
    assert "Keeping of feelingsnot kept" in text(browser, "consent")
    assert "agreed: they are read" in text(browser, "consent")


def test_who_may_only_read_has_no_mute(shown: Shown, browser: webdriver.Chrome) -> None:
    """The token comes behind `#`, and leaves the address at once."""
    script(browser, "sessionStorage.clear()")
    browser.get("about:blank")
    browser.get(f"{shown.listening.address}/?device=car-7#token={READER}")
    until(browser, lambda b: "reads only" in text(b, "who"))
    assert "token" not in browser.current_url
    until(browser, lambda b: text(b, "name") == "car-7")
    assert not browser.find_element(By.ID, "mute").is_enabled()


def test_who_signs_in_again_sees_nothing_of_who_was_there_before(shown: Shown, browser: webdriver.Chrome) -> None:
    """A token that is taken back, then one of another tenant at the same screen: the page begins anew."""
    browser.get("about:blank")
    browser.get(f"{shown.listening.address}/#token={TOKEN}")
    until(browser, lambda b: len(b.find_elements(By.CSS_SELECTOR, "#devices li")) == 8)
    script(browser, "sessionStorage.setItem('mien-token', 'taken back meanwhile')")
    script(browser, "document.querySelector('#devices button').click()")
    until(browser, lambda b: "not valid" in text(b, "login-error"))
    browser.find_element(By.ID, "token").send_keys(STRANGER)
    browser.find_element(By.CSS_SELECTOR, "#login-form button").click()
    until(browser, lambda b: "others · mallory" in text(b, "who"))
    until(browser, lambda b: text(b, "link-text") == "Live")
    assert browser.find_elements(By.CSS_SELECTOR, "#devices li") == []
    browser.get_log("browser")  # type: ignore[no-untyped-call]  # the refusals are no fault of the next test


def test_both_themes_keep_contrast_and_everything_has_a_name(shown: Shown, browser: webdriver.Chrome) -> None:
    """In light and dark, text ≥ 4.5 : 1 and what is drawn ≥ 3 : 1; every control has a name; landmarks are there; the
    browser tells of no error."""
    browser.get("about:blank")
    browser.get(f"{shown.listening.address}/?device=car-7#token={TOKEN}")
    until(browser, lambda b: text(b, "name") == "car-7")
    for _ in range(2):
        assert script(browser, CONTRAST) == []
        assert script(browser, DRAWN) == []
        browser.find_element(By.ID, "theme").click()
    until(browser, lambda b: script(b, NAMELESS) == [])  # once all that is shown has come
    assert script(browser, "return ['header', 'nav', 'main'].filter((one) => !document.querySelector(one))") == []
    severe = [one for one in browser.get_log("browser") if one["level"] == "SEVERE" and "401" not in one["message"]]  # type: ignore[no-untyped-call]
    assert severe == []


def test_nothing_foreign_is_in_the_page() -> None:
    """Our own files alone: no address of another host, no inline script or style."""
    import cloud_bridge.console as package

    for file in (Path(package.__file__).parent / "page").iterdir():
        content = file.read_text(encoding="utf-8").replace("http://www.w3.org/", "")
        assert "http://" not in content, file.name
        assert "https://" not in content, file.name
        assert "innerHTML" not in content, file.name
        assert " style=" not in content, file.name


LIGHT = """
const channel = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const ratio = (one, other) => {
  const [a, b] = [light(rgb(one)), light(rgb(other))].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
};
"""
DRAWN = (
    LIGHT
    + """
const card = getComputedStyle(document.querySelector(".card")).backgroundColor;
return [...document.querySelectorAll(".legend li")].map((one) => [one.textContent, getComputedStyle(one, "::before")])
  .filter(([, drawn]) => ratio(drawn.backgroundColor, card) < 3).map(([name]) => name);
"""
)
CONTRAST = (
    LIGHT
    + """
const back = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const found = rgb(getComputedStyle(at).backgroundColor);
    if (found.length < 4 || found[3] > 0) return getComputedStyle(at).backgroundColor;
  }
  return "rgb(255, 255, 255)";
};
const bad = [];
for (const element of document.querySelectorAll("body *")) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!own || !element.checkVisibility() || element.disabled || element.closest("svg, .hidden, .skip")) continue;
  if (ratio(getComputedStyle(element).color, back(element)) >= 4.5) continue;
  bad.push(`${element.tagName} ${element.textContent.slice(0, 30)}`);
}
return bad;
"""
)
NAMELESS = """
return [...document.querySelectorAll("button, input, select, [role=img]")].filter((one) =>
  !(one.getAttribute("aria-label") || one.textContent.trim() || one.closest("label")?.textContent.trim()
    || document.querySelector(`label[for="${one.id}"]`))).map((one) => one.outerHTML.slice(0, 80));
"""
