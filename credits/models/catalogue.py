"""The words of hours: subjects, levels, kinds of activity."""

from django.db import models


class Subject(models.TextChoices):
    """科目 of the national frame (F-95); a policy pack may name further ones, no column depends on this list."""

    PUBLIC = "public", "公需科目"
    PROFESSIONAL = "professional", "专业科目"
    ELECTIVE = "elective", "选修科目"


class Level(models.TextChoices):
    """级别 of an activity: of the organiser, the journal, the project."""

    INTERNATIONAL = "international", "国际"
    NATIONAL = "national", "国家级"
    PROVINCE = "province", "省（部）级"
    CITY = "city", "市级"
    COUNTY = "county", "县级"
    UNIT = "unit", "本单位"


class ActivityKind(models.Model):
    """申报形式 of F-98: the name behind a code, filled by the policy packs that know the activity.

    What it is worth, which papers prove it and whether it may be declared today is said by the pack that holds
    for the person (credits/required.py), never here.
    """

    code = models.SlugField("代码", max_length=40, unique=True)
    name = models.CharField("名称", max_length=60)
    order = models.PositiveSmallIntegerField("次序", default=0)

    class Meta:
        verbose_name = verbose_name_plural = "申报形式"
        ordering = ["order", "pk"]

    def __str__(self) -> str:
        return self.name
