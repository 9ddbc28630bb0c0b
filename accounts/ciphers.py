"""Columns of ciphertext and blind indexes in accounts (accounts/ciphered.py)."""

from accounts import id_number, second_factor
from accounts.ciphered import indexed, sealed
from accounts.models import Authenticator, RecoveryCode, User

sealed(User, "id_sealed", id_number.PURPOSE)
indexed(User, "id_index", id_number.PURPOSE)
sealed(Authenticator, "key_sealed", second_factor.PURPOSE)
indexed(RecoveryCode, "code", second_factor.RECOVERY)
