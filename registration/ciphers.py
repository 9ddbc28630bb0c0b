"""Columns of ciphertext and blind indexes in registration (accounts/ciphered.py)."""

from accounts.ciphered import indexed, sealed
from accounts.id_number import PURPOSE
from registration.models import IdentityCorrection

sealed(IdentityCorrection, "old_id_sealed", PURPOSE)
sealed(IdentityCorrection, "new_id_sealed", PURPOSE)
indexed(IdentityCorrection, "new_id_index", PURPOSE)
