"""A person at a real Chromium without a mouse and without JavaScript, with the interface of tests/clicks.py.

Keys alone: Tab, Shift+Tab, Enter, Space, arrows and typing. What is to be used is found by its words or its name, as
a person sees it; then it has to be reached. Where the page begins with what is the same everywhere, the skip link is
taken first, as such people do. At every stop the focus must be visible, in the window, and on something that is seen.
"""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

# Marks what the person is looking for; returns what a person sees of the way there.
AIM = """([kind, words, extra]) => {
    document.querySelectorAll('[data-aim]').forEach(one => one.removeAttribute('data-aim'));
    const said = one => one.textContent.replace(/\\s+/g, ' ').trim();
    const label = one => one.getAttribute('aria-label') ?? said(one);
    const all = choice => [...document.querySelectorAll(choice)];
    const named = one => one.name === words && one.type !== 'hidden';
    let found = [];
    if (kind === 'click') {
        found = all('a[href]').filter(one => said(one) === words && label(one).includes(extra));
        if (!found.length) kind = 'press';
    }
    if (kind === 'press') {
        // What stands in the page for the Enter key alone is no button that anybody sees.
        found = all('button').filter(one => one.tabIndex >= 0 && said(one) === words && label(one).includes(extra));
    }
    if (kind === 'link') found = all('a[href]').filter(one => one.getAttribute('href') === words);
    if (kind === 'field') found = all('input, textarea, select').filter(named);
    if (kind === 'box') {
        found = all('input').filter(one => named(one) && one.value === extra);
        if (found.length && found[0].type === 'radio') {
            const group = all('input[type=radio]').filter(one => named(one) && one.form === found[0].form);
            const at = group.includes(document.activeElement) ? document.activeElement
                : group.find(one => one.checked);
            // Tab stops once in a group of radio buttons: at the chosen one, or at any when none is chosen.
            for (const one of at ? [at] : group) one.dataset.aim = '';
            found[0].dataset.aim = 'here';
            return where(group[0], found[0]);
        }
    }
    if (!found.length) return null;
    const one = kind === 'field' && extra ? found.at(-1) : found[0];
    one.dataset.aim = 'here';
    return where(one, one);

    function where(one, wanted) {
        const closed = one.closest('details:not([open])');
        const summary = closed?.querySelector('summary');
        const behind = closed && !summary.contains(one);
        if (behind) {
            document.querySelectorAll('[data-aim]').forEach(one => one.removeAttribute('data-aim'));
            summary.dataset.aim = 'here';
        }
        const target = behind ? summary : one, now = document.activeElement;
        return {
            behind: Boolean(behind),
            type: wanted.type ?? '',
            tag: wanted.tagName,
            fresh: now === document.body || now === null,
            inMain: Boolean(target.closest('main')),
            there: now?.dataset.aim !== undefined,
            back: Boolean(now && now !== document.body
                && (target.compareDocumentPosition(now) & Node.DOCUMENT_POSITION_FOLLOWING)),
        };
    }
}"""

STOP = """() => {
    const one = document.activeElement;
    if (!one || one === document.body || one === document.documentElement) return null;
    const seen = getComputedStyle(one), box = one.getBoundingClientRect();
    const ring = (seen.outlineStyle !== 'none' && parseFloat(seen.outlineWidth) > 0) || seen.boxShadow !== 'none';
    return {
        what: `${one.tagName.toLowerCase()} ${one.name || one.getAttribute('href') || one.textContent.trim()}`,
        aimed: one.dataset.aim !== undefined,
        ring,
        size: box.width * box.height,
        inside: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
        order: [...document.querySelectorAll('*')].indexOf(one),
    };
}"""


@dataclass
class Keyboard:
    """Stands on a page. `clicks` counts as tests/clicks.py does, `stops` what each of them took: (words, Tabs)."""

    page: object
    origin: str
    clicks: int = 0
    stops: list = field(default_factory=list)

    # --- what is on the page -------------------------------------------------------------------------

    @property
    def client(self):
        return self.page.context

    @property
    def html(self) -> str:
        return self.page.content()

    @property
    def text(self) -> str:
        return " ".join(self.page.evaluate("document.documentElement.textContent").split())

    @property
    def url(self) -> str:
        parts = urlsplit(self.page.url)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    # --- what a person does --------------------------------------------------------------------------

    def type(self, name: str, value, *, last: bool = False) -> None:
        seen = self._reach("field", name, "last" if last else "")
        if seen["tag"] == "SELECT":
            return self._pick(str(value))
        self.page.keyboard.press("Control+A")
        if str(value):
            self.page.keyboard.insert_text(str(value))
        else:
            self.page.keyboard.press("Delete")
        return None

    def attach(self, name: str, file) -> None:
        """The dialog in which a file is chosen belongs to the system; Enter or Space opens it."""
        self._reach("field", name, "")
        with self.page.expect_file_chooser() as dialog:
            self.page.keyboard.press("Enter")
        file.seek(0)
        content = {
            "name": file.name,
            "mimeType": file.content_type or "application/pdf",
            "buffer": file.read(),
        }
        dialog.value.set_files(content)

    def tick(self, name: str, value) -> None:
        self.clicks += 1
        seen = self._reach("box", name, str(value))
        if seen["type"] == "checkbox":
            self.page.keyboard.press("Space")
            return
        for _ in range(40):
            if self._focused("value") == str(value):
                break
            self.page.keyboard.press("ArrowDown")
        if not self._focused("checked"):
            self.page.keyboard.press("Space")
        assert (self._focused("value"), self._focused("checked")) == (str(value), True), f"{name}={value}"

    def press(self, words: str) -> None:
        self._go("press", words, "")

    def click(self, words: str, *, among: str = "") -> None:
        self._go("click", words, among)

    def open(self, url: str) -> None:
        self._go("link", url, "")

    def download(self, words: str) -> bytes:
        self.clicks += 1
        self._reach("click", words, "")
        with self.page.expect_download() as file:
            self.page.keyboard.press("Enter")
        with open(file.value.path(), "rb") as content:
            return content.read()

    # --- how -------------------------------------------------------------------------------------------

    def _go(self, kind: str, words: str, extra: str) -> None:
        self.clicks += 1
        self._reach(kind, words, extra)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")
        assert "出错" not in self.page.title()

    def _reach(self, kind: str, words: str, extra: str) -> dict:
        """Walk there by Tab from where the focus is; whatever is folded up is unfolded first."""
        tabs = 0
        while True:
            seen = self.page.evaluate(AIM, [kind, words, extra])
            assert seen, f"no “{words}” on {self.url}: {self.text[:300]}"
            if seen["fresh"] and seen["inMain"]:
                tabs += 1
                self.page.keyboard.press("Tab")
                assert self.look()["what"].startswith("a #main"), f"{self.url} begins without a skip link"
                self.page.keyboard.press("Enter")
            while not seen["there"]:
                self.page.keyboard.press("Shift+Tab" if seen["back"] else "Tab")
                tabs += 1
                seen["there"] = self.look(words)["aimed"]
            if not seen["behind"]:
                self.stops.append((words, tabs))
                return seen
            self.page.keyboard.press("Enter")

    def look(self, wanted: str = "") -> dict:
        """Where the focus is; it must be somewhere, and seen."""
        stop = self.page.evaluate(STOP)
        assert stop, f"the focus left {self.url} before it came to “{wanted}”"
        assert stop["ring"], f"{self.url}: nobody sees that the focus is on {stop['what']}"
        assert stop["size"] > 100, f"{self.url}: too small to be seen: {stop['what']}"
        assert stop["inside"], f"{self.url}: the window does not follow the focus to {stop['what']}"
        return stop

    def _focused(self, what: str):
        return self.page.evaluate(f"document.activeElement.{what}")

    def _pick(self, value: str) -> None:
        """From a list, by arrows."""
        at, to = self.page.evaluate(
            "value => { const list = document.activeElement;"
            " return [list.selectedIndex, [...list.options].findIndex(one => one.value === value)]; }",
            value,
        )
        assert to >= 0, f"the list does not offer {value}"
        for _ in range(abs(to - at)):
            self.page.keyboard.press("ArrowDown" if to > at else "ArrowUp")
        assert self._focused("value") == value


# What the Tab key should come to, in the order of the page: of a group of radio buttons one.
CONTROLS = """() => {
    const order = new Map([...document.querySelectorAll('*')].map((one, index) => [one, index])), groups = new Set();
    return [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]')].filter(one => {
        if (one.disabled || one.tabIndex < 0 || one.type === 'hidden' || !one.checkVisibility()) return false;
        if (one.type !== 'radio') return true;
        const of = one.name + [...document.forms].indexOf(one.form);
        const chosen = [...document.getElementsByName(one.name)].some(other => other.checked && other.form === one.form);
        if (chosen ? !one.checked : groups.has(of)) return false;
        groups.add(of);
        return true;
    }).map(one => order.get(one));
}"""


def controls(keyboard: Keyboard) -> list[int]:
    return keyboard.page.evaluate(CONTROLS)


def all_stops(keyboard: Keyboard, most: int = 400) -> list[dict]:
    """Tab through the whole page, from its beginning until the focus leaves it."""
    stops = []
    for _ in range(most):
        keyboard.page.keyboard.press("Tab")
        if keyboard.page.evaluate(STOP) is None:
            return stops
        stops.append(keyboard.look())
    raise AssertionError(f"{keyboard.url}: after {most} Tabs the focus is still inside")
