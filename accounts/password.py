"""Rules for passwords beyond Django's own."""

from django.core.exceptions import ValidationError


class NotFromIdNumber:
    """Refuses a password that holds six characters in a row of the person's own ID number."""

    def validate(self, password, user=None):
        if user is None or not getattr(user, "id_sealed", None):
            return
        number = user.id_number.reveal()
        if any(number[start : start + 6] in password.upper() for start in range(len(number) - 5)):
            raise ValidationError("密码不能包含身份证号中连续的 6 位。", code="password_from_id_number")

    def get_help_text(self):
        return "不能包含身份证号中连续的 6 位。"
