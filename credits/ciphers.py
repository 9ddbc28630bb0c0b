"""Columns of ciphertext and blind indexes in credits (accounts/ciphered.py)."""

from accounts.ciphered import indexed, sealed
from accounts.id_number import PURPOSE
from credits.api import keys
from credits.models import CheckedRow, IntakeRecord, ProviderKey

sealed(ProviderKey, "secret", keys.PURPOSE)
indexed(CheckedRow, "person_index", PURPOSE)
indexed(
    IntakeRecord,
    "person_index",
    PURPOSE,
    "t.practitioner_id IS NULL",
    "t.practitioner_id IN (SELECT p.id FROM orgs_practitioner p JOIN accounts_user u ON u.id = p.user_id"
    " WHERE u.id_index = step.before OR u.id_index = step.after)",
)
