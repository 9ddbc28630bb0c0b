"""FAQ 20: which situation somebody is in, and which superior or unit follows from it (F-114 … F-136).

The FAQ asks three questions (主管部门, 是否有上级单位, 同级人社部门名称) whose answers exclude each other:
exactly one superior comes out (F-156). People are asked for their situation instead, in plain words, and the three
answers are derived here, on the server, from the situation and the one organisation that was chosen.
"""

from dataclasses import dataclass

from accounts.models import Role
from accounts.refused import Refused
from orgs.models import Kind, Organization, Status

AUTHORITY, SUPERIOR_UNIT, BUREAU, UNIT = "authority", "superior_unit", "bureau", "unit"

# What each question is called; UNIT is the practitioner's own question.
QUESTIONS = {
    AUTHORITY: "主管部门",
    SUPERIOR_UNIT: "上级单位名称",
    BUREAU: "同级人社部门名称",
    UNIT: "用人单位",
}
KINDS = {
    AUTHORITY: (Kind.AUTHORITY,),
    SUPERIOR_UNIT: (Kind.EMPLOYER,),
    BUREAU: (Kind.BUREAU,),
    UNIT: (Kind.EMPLOYER,),
}


@dataclass(frozen=True)
class Situation:
    """One case of the FAQ.

    asks      which of the questions gets an organisation; the others are 否
    find      what to look for, said on the page where the organisation is chosen
    advice    the FAQ's rule for this case, said at the moment of choosing
    kinds     kinds of organisation that may be chosen, by default those of the question
    county    only a county's or functional zone's bureau may be chosen
    naming    how the organisation must call itself (F-117), "" when the approved name is enough
    """

    key: str
    role: str
    label: str
    asks: str
    find: str
    advice: str
    kinds: tuple = ()
    county: bool = False
    naming: str = ""

    @property
    def question(self) -> str:
        return QUESTIONS[self.asks]

    @property
    def noun(self) -> str:
        """What is chosen, without the question's 名称: 上级单位, 同级人社部门."""
        return self.question.removesuffix("名称")

    @property
    def choosable_kinds(self) -> tuple:
        return self.kinds or KINDS[self.asks]

    @property
    def short(self) -> bool:
        """Whether the whole list of choices fits one page (there are few bureaus)."""
        return self.asks == BUREAU


SITUATIONS = (
    # --- practitioners ---------------------------------------------------------------------------
    Situation(
        "staff",
        Role.PRACTITIONER,
        "我在机关、事业单位或国有企业工作",
        UNIT,
        "请查找您所在的单位。您在二级单位工作的，请选择二级单位本身。",
        "选择您所在的单位，由该单位管理员审核。",
    ),
    Situation(
        "bureau_staff",
        Role.PRACTITIONER,
        "我在人社局或人社局的下属单位工作",
        UNIT,
        "请直接选择自己的局属单位，例如“泰山区社保中心”。",
        "直接选择自己的局属单位，不选人社局。",
    ),
    Situation(
        "private_staff",
        Role.PRACTITIONER,
        "我在民营企业等非公有制经济组织工作",
        UNIT,
        "请查找您的企业。注册地、参保地与实际所在地不一致的，以企业注册地为准。",
        "按属地管理。注册地、参保地与实际所在地不一致的，在企业注册地完成注册。",
    ),
    Situation(
        "freelancer",
        Role.PRACTITIONER,
        "我是自由职业者",
        UNIT,
        "请查找您户籍所在地的街道社区、村委会或乡镇人社所。",
        "选择户籍所在地的街道社区、村委会或乡镇人社所。",
    ),
    Situation(
        "dispatched",
        Role.PRACTITIONER,
        "我是劳务派遣人员或其他外派人员",
        UNIT,
        "请查找派出您的单位，不是您现在干活的单位。",
        "选择派出单位，由派出单位审核。",
    ),
    # --- employers -------------------------------------------------------------------------------
    Situation(
        "with_authority",
        Role.EMPLOYER,
        "有主管部门的单位",
        AUTHORITY,
        "请查找您的主管部门，一般与职称申报呈报的部门一致。",
        "选择主管部门，一般与职称申报呈报的部门一致。例如市房产管理服务中心选择市住建局。",
    ),
    Situation(
        "sub_unit",
        Role.EMPLOYER,
        "二级单位（上面还有一级用人单位）",
        SUPERIOR_UNIT,
        "请查找您的上级单位。上级单位注册通过后才能选到。",
        "选择上级单位。例如市保障性住房管理服务中心选择市房产管理服务中心。",
    ),
    Situation(
        "bureau_section",
        Role.EMPLOYER,
        "① 人社局（人力资源部）内负责本局职称工作的科室",
        BUREAU,
        "请选择您所在的人社局（人力资源部）。",
        "人社局本身已分配账号，不用注册。科室用局机构代码证书注册为用人单位。",
        naming=r"(人社局|人力资源部).*科$",
    ),
    Situation(
        "under_bureau_section",
        Role.EMPLOYER,
        "① 人社局的下属单位",
        SUPERIOR_UNIT,
        "请查找本局负责职称工作的科室，例如“泰山区人社局人事科”。科室先注册，您再注册。",
        "注册为本局职称科室的二级单位。例如泰山区社保中心选择泰山区人社局人事科。",
    ),
    Situation(
        "township",
        Role.EMPLOYER,
        "② 乡镇人社所",
        BUREAU,
        "请选择所在县（市、区）的人社部门。",
        "由所在县（市、区）人社部门审核。",
        county=True,
    ),
    Situation(
        "central_by_level",
        Role.EMPLOYER,
        "③ 中央、省驻泰单位，在上级单位参加继续教育",
        SUPERIOR_UNIT,
        "请按照职称申报层级查找您的上级单位。",
        "按照职称申报层级选择自己的上级单位。",
        kinds=(Kind.EMPLOYER, Kind.AUTHORITY),
    ),
    Situation(
        "central_by_place",
        Role.EMPLOYER,
        "③ 中央、省驻泰单位，确需在本市参加继续教育",
        BUREAU,
        "请选择注册地的县（市、区）人社部门。",
        "按照属地原则，由注册地的县（市、区）人社部门审核。",
        county=True,
    ),
    Situation(
        "private",
        Role.EMPLOYER,
        "④ 民营企业等非公有制经济组织",
        BUREAU,
        "请选择企业注册地的县（市、区）、功能区人社部门。",
        "按属地管理。注册地、参保地与实际所在地不一致的，以企业注册地为准。",
        county=True,
    ),
    Situation(
        "community",
        Role.EMPLOYER,
        "⑤ 街道社区、村委会",
        BUREAU,
        "请选择所在县（市、区）的人社部门。",
        "户籍在本地的自由职业者会选择您为用人单位。",
        county=True,
    ),
    Situation(
        "dispatching",
        Role.EMPLOYER,
        "⑥ 劳务派遣单位或其他派出单位",
        BUREAU,
        "请选择单位注册地的人社部门。",
        "派出的人员在您这里注册和审核。您有主管部门或上级单位的，请选前面两项。",
    ),
    Situation(
        "backstop",
        Role.EMPLOYER,
        "没有主管部门，也没有上级单位",
        BUREAU,
        "请选择同级人社部门。",
        "由同级人社部门托底管理。",
    ),
    # --- authorities -----------------------------------------------------------------------------
    Situation(
        "authority",
        Role.AUTHORITY,
        "主管部门",
        BUREAU,
        "市级主管部门选择市人社局，县（市、区）主管部门选择本县（市、区）人社部门。",
        "由同级人社部门审核。例如市住建局选择泰安市人力资源和社会保障局。",
    ),
)
SITUATION_CHOICES = [(one.key, one.label) for one in SITUATIONS]
_BY_KEY = {(one.role, one.key): one for one in SITUATIONS}


def situations_of(role: str) -> list[Situation]:
    """The situations that somebody registering in this role may be in."""
    return [one for one in SITUATIONS if one.role == role]


def situation_of(role: str, key: str) -> Situation | None:
    return _BY_KEY.get((role, key))


def check_choice(situation: Situation, chosen: Organization) -> None:
    """Raise Refused when this organisation cannot be the superior (or the unit) in this situation (F-04, F-156)."""
    if chosen.kind not in situation.choosable_kinds:
        wanted = "或".join(Kind(kind).label for kind in situation.choosable_kinds)
        raise Refused(f"“{chosen.name}”不是{wanted}，请重新选择{situation.noun}。")
    if chosen.status == Status.PENDING:
        raise Refused(f"“{chosen.name}”的注册还没有通过审核，通过后才能选择。")
    if chosen.status != Status.ACTIVE:
        raise Refused(f"“{chosen.name}”现在不能选择，请另选{situation.noun}。")
    if situation.county and not is_county_bureau(chosen):
        raise Refused(f"“{chosen.name}”不是县（市、区）、功能区的人社部门，请重新选择。")


# Which situation the people of a unit are in, by the unit's own; all others are "staff".
_OF_ITS_PEOPLE = {
    "bureau_section": "bureau_staff",
    "under_bureau_section": "bureau_staff",
    "private": "private_staff",
    "dispatching": "private_staff",
}


def situation_of_people(of_unit: str) -> Situation:
    """The situation of whoever works in a unit that registered itself under this one ("" = unknown)."""
    return situation_of(Role.PRACTITIONER, _OF_ITS_PEOPLE.get(of_unit, "staff"))


def is_county_bureau(bureau: Organization) -> bool:
    """Whether its division is a county or a functional zone; one without a division is taken at its word."""
    return not (bureau.division_id or "").endswith("00")


def answers(situation: Situation, chosen: Organization) -> dict[str, str]:
    """The FAQ's three answers, as hidden inputs send them: ids of organisations, 否 or 是."""
    return {
        AUTHORITY: str(chosen.pk) if situation.asks == AUTHORITY else "否",
        "has_superior": "是" if situation.asks == SUPERIOR_UNIT else "否",
        SUPERIOR_UNIT: str(chosen.pk) if situation.asks == SUPERIOR_UNIT else "",
        BUREAU: str(chosen.pk) if situation.asks == BUREAU else "",
    }
