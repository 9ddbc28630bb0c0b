"""“Completes the subject for the year”: as many hours as the year still asks for of that subject."""

from decimal import Decimal

from credits.rules.amounts import ZERO
from credits.rules.facts import Already
from credits.rules.refusal import Refusal
from credits.rules.required import holding
from credits.rules.shapes import Pack
from credits.rules.words import shown


def rest_of_subject(pack: Pack, subject: str, title_level: str, already: Already) -> Decimal:
    label = pack.subjects.get(subject, subject)
    minimums = holding(pack.minimums, title_level)
    asked = next((one.hours for one in minimums if one.subjects == (subject,) and not one.source), None)
    if asked is None:
        raise Refusal(f"本年度对“{label}”没有最低学时要求，不能计满。")
    rest = asked - already.by_subject.get(subject, ZERO)
    if rest <= 0:
        raise Refusal(f"本年度“{label}”已经达到 {shown(asked)} 学时，不用再计满。")
    return rest
