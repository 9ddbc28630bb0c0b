"""How a rule says no."""


class Refused(Exception):
    """A rule's refusal. Its message is the one clear Chinese sentence that the person reads."""

    def __init__(self, sentence: str):
        super().__init__(sentence)
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence
