"""What must always be true of the tree and of who administers it (trust.md 4.2). Floor 1."""

from accounts.consistency import invariant
from orgs.models import Duty

DEEPEST = 8  # the platform, province, city, county, authority, unit, sub-unit, and one more

# --- I5: one tree ----------------------------------------------------------------------------------------

_FROM_THE_ROOT = """
WITH RECURSIVE reached(id, depth) AS (
    SELECT id, 1 FROM orgs_organization WHERE superior_id IS NULL AND kind = 'operator'
    UNION ALL
    SELECT below.id, above.depth + 1 FROM orgs_organization below JOIN reached above ON below.superior_id = above.id
)
"""
invariant(
    "I5",
    "每个机构都能沿上级走到平台，没有环",
    f"{_FROM_THE_ROOT} SELECT id AS 机构, superior_id AS 上级 FROM orgs_organization"  # noqa: S608
    " WHERE id NOT IN (SELECT id FROM reached)",
)
invariant(
    "I5",
    f"机构树不超过 {DEEPEST} 层",
    f"{_FROM_THE_ROOT} SELECT id AS 机构, depth AS 层 FROM reached WHERE depth > {DEEPEST}",  # noqa: S608
)
invariant(
    "I5",
    "每个机构的路径是上级的路径加上自己",
    "SELECT below.id AS 机构, below.path AS 路径 FROM orgs_organization below"
    " LEFT JOIN orgs_organization above ON above.id = below.superior_id"
    " WHERE below.path <> coalesce(above.path, '/') || below.id || '/'",
)
invariant(
    "I5",
    "每个人的路径是用人单位的路径",
    "SELECT person.id AS 人员, person.employer_id AS 用人单位 FROM orgs_practitioner person"
    " JOIN orgs_organization employer ON employer.id = person.employer_id WHERE person.path <> employer.path",
)
invariant(
    "I5",
    "正常机构的上级也正常",
    "SELECT below.id AS 机构, above.id AS 上级, above.status AS 上级状态 FROM orgs_organization below"
    " JOIN orgs_organization above ON above.id = below.superior_id"
    " WHERE below.status = 'active' AND above.status <> 'active'",
)

# --- I6: one super admin ---------------------------------------------------------------------------------

# A unit without any admin is looked after by its superior (托底, decision 12): allowed, and listed for the bureaus.
invariant(
    "I6",
    "有管理员的正常机构恰有一名超级管理员",
    "SELECT admin.organization_id AS 机构, count(*) FILTER (WHERE admin.is_super) AS 超级管理员"
    " FROM orgs_orgadmin admin JOIN orgs_organization unit ON unit.id = admin.organization_id"
    " WHERE unit.status = 'active' GROUP BY admin.organization_id HAVING count(*) FILTER (WHERE admin.is_super) <> 1",
)

# --- I14: one account per person, role and unit ----------------------------------------------------------

invariant(
    "I14",
    "一人在一个机构只有一个管理员身份",
    "SELECT organization_id AS 机构, user_id AS 用户 FROM orgs_orgadmin"
    " GROUP BY organization_id, user_id HAVING count(*) > 1",
)
invariant(
    "I14",
    "管理员身份与登录角色是同一人、同一种机构",
    "SELECT admin.id AS 管理员, account.id AS 登录角色 FROM orgs_orgadmin admin"
    " JOIN accounts_roleaccount account ON account.id = admin.account_id"
    " JOIN orgs_organization unit ON unit.id = admin.organization_id"
    " WHERE account.user_id <> admin.user_id OR account.role <> unit.kind",
)
# Who registered a unit in vain keeps the row with a closed account: the unit is void.
invariant(
    "I14",
    "管理员的登录角色未注销",
    "SELECT admin.id AS 管理员, account.id AS 登录角色 FROM orgs_orgadmin admin"
    " JOIN accounts_roleaccount account ON account.id = admin.account_id"
    " JOIN orgs_organization unit ON unit.id = admin.organization_id"
    " WHERE account.status = 'closed' AND unit.status IN ('pending', 'active')",
)
invariant(
    "I14",
    "专业技术人员与其登录角色是同一人，状态相符",
    "SELECT person.id AS 人员, person.status AS 状态, account.status AS 登录角色状态 FROM orgs_practitioner person"
    " JOIN accounts_roleaccount account ON account.id = person.account_id"
    " WHERE account.user_id <> person.user_id OR account.role <> 'practitioner' OR NOT CASE person.status"
    " WHEN 'pending' THEN account.status = 'pending' WHEN 'active' THEN account.status IN ('active', 'suspended')"
    " ELSE account.status = 'closed' END",
)

# --- I20: nobody gives more than they have ---------------------------------------------------------------

invariant(
    "I20",
    "管理员的权限就是其角色的权限，角色属于本机构或是通用角色",
    "SELECT admin.id AS 管理员, role.id AS 角色 FROM orgs_orgadmin admin JOIN orgs_adminrole role ON role.id = admin.role_id"
    " WHERE admin.is_super OR admin.duties <> role.duties OR role.organization_id <> admin.organization_id",
)
invariant(
    "I20",
    "管理员只有规定的权限",
    "SELECT id AS 管理员 FROM orgs_orgadmin WHERE NOT duties <@ %s::varchar[]",
    lambda: [list(Duty.values)],
)
invariant(
    "I20",
    "角色只有规定的权限",
    "SELECT id AS 角色 FROM orgs_adminrole WHERE NOT duties <@ %s::varchar[]",
    lambda: [list(Duty.values)],
)
# Where nobody was logged in (load_bureaus, registration, an approval's effect) there is nobody to compare with.
invariant(
    "I20",
    "授予权限的人当时是该机构的超级管理员",
    """
    SELECT given.id AS 管理员, given.history_id AS 变更, given.history_user_id AS 授予人
      FROM orgs_historicalorgadmin given
     WHERE given.history_type IN ('+', '~') AND NOT given.is_super AND given.history_user_id IS NOT NULL
       AND coalesce((SELECT boss.is_super AND boss.history_type <> '-' FROM orgs_historicalorgadmin boss
                      WHERE boss.organization_id = given.organization_id AND boss.user_id = given.history_user_id
                        AND boss.history_id < given.history_id
                      ORDER BY boss.history_id DESC LIMIT 1), false) IS FALSE
       AND given.duties <> '{}'
    """,
)
invariant(
    "I20",
    "接任的超级管理员都经本人接受更换",
    """
    SELECT raised.id AS 管理员, raised.history_id AS 变更
      FROM orgs_historicalorgadmin raised
     WHERE raised.history_type = '~' AND raised.is_super
       AND (SELECT NOT before.is_super FROM orgs_historicalorgadmin before
             WHERE before.id = raised.id AND before.history_id < raised.history_id
             ORDER BY before.history_id DESC LIMIT 1)
       AND NOT EXISTS (SELECT FROM orgs_superswap swap
                        WHERE swap.organization_id = raised.organization_id AND swap.successor_id = raised.user_id
                          AND swap.state = 'accepted')
    """,
)
