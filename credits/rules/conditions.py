"""What must be so beforehand: put on file, in the unit's yearly plan, an organiser on the approved list."""

from credits.rules.facts import Facts
from credits.rules.refusal import Refusal
from credits.rules.shapes import Activity


def check_conditions(activity: Activity, facts: Facts) -> None:
    if "filed" in activity.preconditions and facts.filed_in_advance is False:
        raise Refusal(f"“{activity.name}”须事先备案，未备案的不能折算学时。")
    if "planned" in activity.preconditions and facts.in_plan is False:
        raise Refusal(f"“{activity.name}”须列入单位年度计划，未列入的不能折算学时。")
    if activity.providers and facts.provider not in activity.providers:
        raise Refusal(f"“{facts.provider}”不在“{activity.name}”认可的主办单位名单内，不能折算学时。")
