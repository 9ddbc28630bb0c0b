"""The rules of what is filed here: who may, who signs, what follows. Importing it makes the kinds known."""

from registration.flows import changing, codes, entering

__all__ = ["changing", "codes", "entering"]
