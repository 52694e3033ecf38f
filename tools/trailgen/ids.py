"""Identifiers of every kind, all drawn from one seeded generator."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"  # AWS writes its ids in base 32
_PAIRS = tuple(first + second for first, second in product(_ALPHABET, repeat=2))
_TEN_BITS = 1_023

_FILLER = "this/is/not/a/secret/" * 32


class Ids:
    """A source of ids that look like AWS's own; the same generator gives the same ids."""

    def __init__(self, rng: random.Random) -> None:
        self._bits = rng.getrandbits

    def uuid(self) -> str:
        """Draw an event id, request id or the like."""
        text = f"{self._bits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def base32(self, pairs: int) -> str:
        """Draw twice as many characters as asked for pairs."""
        bits = self._bits(10 * pairs)
        return "".join([_PAIRS[bits >> 10 * place & _TEN_BITS] for place in range(pairs)])

    def hexadecimal(self, length: int) -> str:
        """Draw lower-case hex digits."""
        return f"{self._bits(4 * length):0{length}x}"

    def digits(self, length: int) -> str:
        """Draw decimal digits."""
        return f"{self._bits(64) % 10**length:0{length}}"

    def access_key(self, prefix: str, account_tag: str) -> str:
        """Draw a key id; those of one account share the eight letters after the prefix."""
        return f"{prefix}{account_tag}{self.base32(4)}"

    def principal(self, prefix: str) -> str:
        """Draw a unique id of a user (``AIDA``) or role (``AROA``): 21 characters."""
        return f"{prefix}{self.base32(9)[:17]}"

    def session_token(self) -> str:
        """Give a session token, as long as real ones, that nobody can take for one."""
        return f"FAKE-SESSION-TOKEN-{self.hexadecimal(24)}-{_FILLER}"
