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
    "SELECT id FROM credits_intakerecord WHERE practitioner_id IS NULL AND person_index = step.before",
    # Planned for one person each: all together would be looked for by reading every record there is.
    "SELECT r.id FROM (SELECT p.id FROM accounts_user u JOIN orgs_practitioner p ON p.user_id = u.id"
    " WHERE u.id_index = step.after OFFSET 0) person, LATERAL (SELECT id FROM credits_intakerecord"
    " WHERE practitioner_id = person.id AND person_index = step.before OFFSET 0) r",
)
