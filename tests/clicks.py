"""A browser without JavaScript that counts what a person does: clicks on links, buttons and boxes; typing is free.

Choosing a file is typing too, as is picking from a list: `clicks` is what screens.md §2.2 counts. It presses only what the page offers: a link or button that is not there fails the test, and a form sends exactly
the fields that stand in it.
"""

from html.parser import HTMLParser


class _Reader(HTMLParser):
    """Links, forms with their fields, and buttons, each with its words."""

    def __init__(self, html: str):
        super().__init__()
        self.links, self.forms, self.buttons, self.words = [], [], [], []
        self._form = self._open = self._area = self._select = None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form":
            self._form = {
                "action": attrs.get("action", ""),
                "method": attrs.get("method", "get"),
                "fields": [],
            }
            self.forms.append(self._form)
        elif tag == "input" and self._form is not None and "name" in attrs:
            kind = attrs.get("type", "text")
            on = kind not in ("checkbox", "radio") or "checked" in attrs
            unsaid = "on" if kind in ("checkbox", "radio") else ""
            self._form["fields"].append([attrs["name"], attrs.get("value", unsaid), on, kind])
        elif tag == "textarea" and self._form is not None:
            self._area = [attrs["name"], "", True, "text"]
            self._form["fields"].append(self._area)
        elif tag == "select" and self._form is not None:
            self._select = [attrs["name"], "", True, "select"]
            self._form["fields"].append(self._select)
        elif tag == "option" and self._select is not None and "selected" in attrs:
            self._select[1] = attrs.get("value", "")
        elif tag in ("a", "button"):
            self._open = {"tag": tag, "attrs": attrs, "text": "", "form": self._form}

    def handle_endtag(self, tag):
        if tag == "form":
            self._form = None
        elif tag == "textarea":
            self._area = None
        elif tag == "select":
            self._select = None
        elif self._open and tag == self._open["tag"]:
            self._open["text"] = " ".join(self._open["text"].split())
            (self.links if tag == "a" else self.buttons).append(self._open)
            self._open = None

    def handle_data(self, data):
        if self._area is not None:
            self._area[1] += data.removeprefix("\n") if not self._area[1] else data
            return
        if self._open:
            self._open["text"] += data
        self.words.append(data)


class Visitor:
    """`Visitor(client)` stands on the home page. `clicks` counts from there."""

    def __init__(self, client, url: str = "/"):
        self.client, self.clicks = client, 0
        self._show(client.get(url, follow=True), url)

    def _show(self, answer, url):
        self.answer = answer
        chain = getattr(answer, "redirect_chain", None)
        self.url = chain[-1][0] if chain else url
        self.html = answer.content.decode()
        self.page = _Reader(self.html)
        self.text = " ".join("".join(self.page.words).split())

    def type(self, name: str, value: str, *, last: bool = False) -> None:
        """Write into a box of the page; `last`: of several with this name the last."""
        self._field(name, last)[1] = value

    def attach(self, name: str, file) -> None:
        """Choose a file of one's own machine."""
        self._field(name)[1] = file

    def tick(self, name: str, value) -> None:
        """Click a checkbox or a radio button."""
        self.clicks += 1
        for field in self._fields(name):
            if field[1] == str(value):
                field[2] = not field[2] if field[3] == "checkbox" else True
                break
        else:
            raise AssertionError(f"no box {name}={value} on {self.url}")
        if field[3] == "radio":
            for other in self._fields(name):
                other[2] = other is field

    def press(self, words: str) -> None:
        """Click the button with these words, where a link has them too."""
        self.clicks += 1
        for button in self.page.buttons:
            if button["text"] == words:
                return self._press(button)
        raise AssertionError(f"no button “{words}” on {self.url}")

    def open(self, url: str) -> None:
        """Click the link that leads there, whatever it is called."""
        self.clicks += 1
        hrefs = [link["attrs"].get("href") for link in self.page.links]
        assert url in hrefs, f"no link to {url} on {self.url}"
        self._show(self.client.get(url, follow=True), url)

    def click(self, words: str, *, among: str = "") -> None:
        """Click the link or button with these words; `among`: the one whose label also holds this."""
        self.clicks += 1
        for link in self.page.links:
            if link["text"] == words and among in link["attrs"].get("aria-label", link["text"]):
                url = link["attrs"]["href"].split("#")[0] or self.url
                if url.startswith("?"):
                    url = self.url.split("?")[0] + url
                return self._show(self.client.get(url, follow=True), url)
        for button in self.page.buttons:
            if button["text"] == words and among in button["attrs"].get("aria-label", words):
                return self._press(button)
        raise AssertionError(f"no “{words}” on {self.url}")

    def download(self, words: str) -> bytes:
        """Click the link with these words, whose answer is a file and no page; returns the file."""
        self.clicks += 1
        url = next((link["attrs"]["href"] for link in self.page.links if link["text"] == words), None)
        assert url, f"no “{words}” on {self.url}"
        answer = self.client.get(url)
        assert answer["Content-Disposition"].startswith("attachment")
        return answer.getvalue()

    def _press(self, button) -> None:
        form, attrs = button["form"], button["attrs"]
        sent: dict[str, list] = {}
        for name, value, on, kind in form["fields"]:
            if on and (kind != "file" or value):
                sent.setdefault(name, []).append(value)
        if attrs.get("name"):
            sent.setdefault(attrs["name"], []).append(attrs.get("value", ""))
        url = attrs.get("formaction") or form["action"] or self.url
        send = self.client.post if form["method"] == "post" else self.client.get
        self._show(send(url, sent, follow=True), url)

    def _fields(self, name):
        return [field for form in self.page.forms for field in form["fields"] if field[0] == name]

    def _field(self, name, last=False):
        found = self._fields(name)
        assert found, f"no box {name} on {self.url}"
        return found[-1 if last else 0]
