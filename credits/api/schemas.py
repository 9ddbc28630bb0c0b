"""What requests and answers look like. What a value must be is said once, by credits/intake/columns.py."""

from decimal import Decimal
from typing import Annotated, Literal

from ninja import Field, Schema
from pydantic import ConfigDict

MOST_EVENTS = 500
Text = Annotated[str, Field(max_length=1000)]


class Event(Schema):
    """一条学时记录。"""

    model_config = ConfigDict(extra="forbid")

    event_id: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        description="贵平台给这条记录的编号，不重复；文字、数字和 . _ : -", examples=["2026-000123"]
    )
    id_number: Text = Field(description="证件号码", examples=["370902199001010008"])
    name: Text = Field(description="姓名，与证件一致", examples=["张三"])
    year: int = Field(description="学时计入的年度", examples=[2026])
    subject: Text = Field(
        description="科目：public（公需科目）、professional（专业科目）或 elective（选修科目）",
        examples=["professional"],
    )
    hours: Decimal = Field(description="学时，最多一位小数，0.1 至 200", examples=[12.5])
    title: Text = Field(description="课程名称，最多 120 个字", examples=["大数据技术应用"])
    completed_on: Text = Field(description="完成日期", examples=["2026-11-08"])
    started_on: Text = Field("", description="开始日期，可以不填", examples=["2026-11-01"])
    certificate_number: Text = Field("", description="证书编号，可以不填", examples=["JX-2026-0001"])


class Correction(Event):
    """更正一条已报送的记录：内容是更正后的；hours 为 0 时是撤回。"""

    corrects: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        description="被更正的事件编号", examples=["2026-000123"]
    )


class Events(Schema):
    """1 至 500 条；有一条不符合要求，整个请求都不入账。"""

    model_config = ConfigDict(extra="forbid")

    events: Annotated[list[Event], Field(min_length=1, max_length=MOST_EVENTS)]


class Corrections(Schema):
    """1 至 500 条；有一条不符合要求，整个请求都不入账。"""

    model_config = ConfigDict(extra="forbid")

    events: Annotated[list[Correction], Field(min_length=1, max_length=MOST_EVENTS)]


State = Literal["posted", "waiting", "corrected"]


class Result(Schema):
    """posted 已计入；waiting 人员还没有注册，注册后自动计入；corrected 已被后来的事件更正。"""

    event_id: str
    state: State
    known: bool = Field(description="以前已经收到过同样的事件，这次没有再入账")


class Accepted(Schema):
    results: list[Result]
    new: int
    known: int
    waiting: int


class EventState(Schema):
    """一条事件现在的状态。"""

    event_id: str
    state: State
    year: int
    subject: str
    hours: Decimal
    received_at: str
    corrects: str | None = None
    corrected_by: str | None = None


class Problem(Schema):
    """errors 中的一条：第几个事件（从 0 数起）、哪个字段、为什么。"""

    index: int
    field: str = ""
    code: str
    message: str


class Error(Schema):
    """每个错误答复都是这样。"""

    code: str
    message: str
    errors: list[Problem] = []
