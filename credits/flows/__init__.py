"""The kinds of application about hours."""

from credits.flows.declaring import HoursDeclaration
from credits.flows.relief import HoursRelief

__all__ = ["HoursDeclaration", "HoursRelief"]
