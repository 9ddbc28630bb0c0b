"""Why an activity brings no hours, as one sentence for the person who declares it."""

from credits.rules.shapes import Cap


class Refusal(Exception):
    """Raised by the rules, caught by reckon alone: Reckoning.refusal is its sentence, `cap` the limit that is used up."""

    def __init__(self, sentence: str, cap: Cap | None = None):
        self.cap = cap
        super().__init__(sentence)
