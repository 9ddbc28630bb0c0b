"""Every worked example of FAQ 20 and of the FAQ's end goes to the approver that the FAQ names (F-114 … F-148).

Through the forms, in the order that the FAQ prescribes: who is approved in one line may be chosen in the next.
"""

import pytest

from orgs.models import Kind, Organization
from tests import registering
from tests.registering import register
from workflow import engine

CITY = "泰安市人力资源和社会保障局"
DISTRICT = "泰安市泰山区人力资源和社会保障局"
PROVINCE = "省人力资源和社会保障厅"

# role, situation, chosen in the form, own name -> approver, title of the step
MATRIX = [
    # 示例: authority, unit, second-level unit, practitioner (F-137 … F-140)
    ("authority", "authority", CITY, "市住建局", CITY, "人社部门审核"),
    ("employer", "with_authority", "市住建局", "市房产管理服务中心", "市住建局", "主管部门审核"),
    ("employer", "sub_unit", "市房产管理服务中心", "泰安市保障性住房管理服务中心", "市房产管理服务中心", "上级单位审核"),
    ("practitioner", "staff", "泰安市保障性住房管理服务中心", "", "泰安市保障性住房管理服务中心", "用人单位审核"),
    # any depth of second-level units (F-145)
    ("employer", "sub_unit", "泰安市保障性住房管理服务中心", "测试三级单位", "泰安市保障性住房管理服务中心", "上级单位审核"),
    # a county's authority: the county's bureau, and its units (F-132, F-143, F-144)
    ("authority", "authority", DISTRICT, "泰山区教育局", DISTRICT, "人社部门审核"),
    ("employer", "with_authority", "泰山区教育局", "泰山区测试学校", "泰山区教育局", "主管部门审核"),
    # ① the bureau's own section, its second-level unit, the people there (F-115 … F-121)
    ("employer", "bureau_section", DISTRICT, "泰山区人社局人事科", DISTRICT, "人社部门审核"),
    ("employer", "under_bureau_section", "泰山区人社局人事科", "泰山区社保中心", "泰山区人社局人事科", "上级单位审核"),
    ("practitioner", "bureau_staff", "泰山区社保中心", "", "泰山区社保中心", "用人单位审核"),
    # ② township office (F-122)
    ("employer", "township", DISTRICT, "邱家店镇人社所", DISTRICT, "人社部门审核"),
    # ③ central and provincial units, both ways (F-123, F-124)
    ("authority", "authority", PROVINCE, "省测试厅", PROVINCE, "人社部门审核"),
    ("employer", "with_authority", "省测试厅", "省测试院", "省测试厅", "主管部门审核"),
    ("employer", "central_by_level", "省测试院", "省测试院泰安分院", "省测试院", "上级单位审核"),
    ("employer", "central_by_place", DISTRICT, "省测试所驻泰站", DISTRICT, "人社部门审核"),
    # ④ private firm and its people (F-125, F-126)
    ("employer", "private", DISTRICT, "泰山区测试有限公司", DISTRICT, "人社部门审核"),
    ("practitioner", "private_staff", "泰山区测试有限公司", "", "泰山区测试有限公司", "用人单位审核"),
    # ⑤ community, village, and the freelancers who choose them or the township office (F-127, F-128)
    ("employer", "community", DISTRICT, "测试街道测试社区居委会", DISTRICT, "人社部门审核"),
    ("practitioner", "freelancer", "测试街道测试社区居委会", "", "测试街道测试社区居委会", "用人单位审核"),
    ("practitioner", "freelancer", "邱家店镇人社所", "", "邱家店镇人社所", "用人单位审核"),
    # ⑥ dispatching unit and dispatched people (F-129)
    ("employer", "dispatching", DISTRICT, "测试劳务派遣公司", DISTRICT, "人社部门审核"),
    ("practitioner", "dispatched", "测试劳务派遣公司", "", "测试劳务派遣公司", "用人单位审核"),
    # 托底 (F-134, F-146), at the city and in a county
    ("employer", "backstop", CITY, "市测试协会", CITY, "人社部门审核"),
    ("employer", "backstop", DISTRICT, "区测试协会", DISTRICT, "人社部门审核"),
]  # fmt: skip


@pytest.fixture
def bureaus(town):
    registering.load_lists()
    town.bureau_under(town.platform, PROVINCE)
    town.bureau_under(town.bureau, DISTRICT)
    for name, code in ((CITY, "370900"), (DISTRICT, "370902"), (PROVINCE, "370000")):
        Organization.objects.filter(name=name).update(division=code)
    return town


def organization(name: str) -> Organization:
    return Organization.objects.get(name=name, status="active")


def test_every_example_of_the_faq_goes_to_the_approver_that_it_names(bureaus):
    for role, situation, chosen, name, approver, title in MATRIX:
        changes = {"unit_name": name} if name else {}
        application = register(role, situation, organization(chosen), **changes)
        (step,) = application.steps.all()
        line = f"{role} {situation} {name}"
        assert (step.approver.name, step.title, step.state) == (approver, title, "open"), line
        engine.approve(step.pk, by=bureaus.actor(step.approver))
        if name:
            registered = organization(name)
            assert registered.superior.name == chosen, line
            assert registered.path == f"{registered.superior.path}{registered.pk}/", line


def test_bureaus_do_not_register(bureaus, client):
    """F-114, F-148: their accounts are allotted."""
    for role in ("bureau", "operator"):
        assert client.get(f"/register/{role}/").status_code == 404
        assert client.get(f"/register/{role}/form/").status_code == 404
    assert Organization.objects.filter(kind=Kind.BUREAU, status="pending").count() == 0
