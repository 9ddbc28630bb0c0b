"""The interface for learning platforms × JSON that nobody should send, signed as it should be (trust.md 4.5)."""

import json

import pytest
from django.db import transaction

from credits.models import Provider
from tests.fuzzing import DATES, NUMBERS, PEOPLE, TEXTS, chance
from tests.race import check_invariants
from tests.test_api import CORRECTIONS, HOURS, Partner, event
from tests.tiers import figure, times

pytestmark = pytest.mark.django_db

REQUESTS = times(150, 2_000)
# As they stand in the JSON, most of them beyond what Python would write.
RAW = [
    "1e9999", "-1e9999", "1e-9999", "NaN", "Infinity", "-Infinity", "0.1000000000000000055511151231257827", "1" * 400, "9" * 5_000, "-0", "1E400",
    r'"\ud800"', r'"\udc00\ud800"', r'"甲\u0000乙"', r'"\u202e\ufeff"', '"\\', '"', "[" * 2_000 + "]" * 2_000, '{"a":' * 800 + "1" + "}" * 800, "null", "true",
    "[]", "{}", "[[1]]", '["x"]', '{"event_id":"x"}', "01", "+1", "1.", ".5", "'x'", "undefined", "0x10", "１２", "", " ", "//", '"' + "大" * 340_000 + '"',
]  # fmt: skip


@pytest.fixture
def partner(town):
    provider = Provider.objects.create(code="fuzz", name="示例学习平台", bureau=town.bureau)
    return Partner(town.login(town.bureau), provider)


def body(good: dict, path: str, dice) -> bytes:
    """An event as it should be but for one to three values; now and then the frame around it is wrong."""
    fields = {name: json.dumps(value, ensure_ascii=False) for name, value in good.items()}
    if path == CORRECTIONS or dice.random() < 0.1:
        fields["corrects"] = json.dumps(dice.choice(["known", "E-404", "", "x" * 70]))
    for _ in range(dice.choice([0, 1, 1, 1, 2, 3])):
        name, roll = dice.choice([*fields, "surprise"]), dice.random()
        if roll < 0.45:
            fields[name] = dice.choice(RAW)
        elif roll < 0.9:
            fields[name] = json.dumps(
                dice.choice([*TEXTS, *NUMBERS, *DATES, *PEOPLE]), ensure_ascii=dice.random() < 0.5
            )
        else:
            fields.pop(name, None)
    pairs = [f"{json.dumps(name)}: {value}" for name, value in fields.items()]
    if dice.random() < 0.1:  # the same name twice
        pairs.append(dice.choice(pairs))
    text = "{" + ", ".join(pairs) + "}"
    events = dice.choice([text] * 6 + [f"{text}, {text}", "", text + ","])
    frames = [f'{{"events": [{events}]}}'] * 8 + [
        f'{{"events": {events}}}',
        f"[{events}]",
        events,
        f'{{"events": [{events}], "x": 1}}',
    ]
    written = dice.choice(frames).encode("utf-8", "surrogatepass")
    roll = dice.random()
    if roll < 0.04:
        return dice.choice(
            [
                b"\xef\xbb\xbf" + written,
                written.decode("utf-8", "ignore").encode("utf-16"),
                b"\xff" + written,
                written + b"\x00",
            ]
        )
    return written[: dice.randrange(len(written) + 1)] if roll < 0.08 else written


def test_whatever_json_is_answered(town, partner):
    dice, wrong, entered = chance("api"), [], 0
    person = town.practitioner(at=town.employer())
    assert partner.send(HOURS, event(person, "known")).status_code == 200
    partner.client.raise_request_exception = False
    with figure("fuzz_forms") as counted:
        for number in range(REQUESTS):
            path = dice.choice([HOURS, HOURS, CORRECTIONS])
            sent = body(event(person, f"E-{number}"), path, dice)
            counted.tried += 1
            with transaction.atomic():
                answer = partner.send(path, body=sent)
                if answer.status_code == 200:
                    entered += 1
                    if entered < times(10, 100):
                        check_invariants()
                if answer.status_code >= 500 or not answer.json():
                    counted.failed += 1
                    wrong.append(f"{answer.status_code} {path} {sent[:400]!r}")
                transaction.set_rollback(True)
    assert not wrong, "\n".join(wrong[:10])
    assert entered > REQUESTS / 50, "nearly nothing came through: then it is no test of what lies behind"
