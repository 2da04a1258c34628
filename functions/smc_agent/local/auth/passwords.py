"""Password hashing: Argon2id, in threads, a few at a time (each takes 64 MiB)."""

from __future__ import annotations

import asyncio

import argon2

_hasher = argon2.PasswordHasher()
# What an unknown user's password is compared with, so that the answer takes as long as for a known one.
_NOBODY = _hasher.hash("nobody has this password")


class Passwords:
    """Hashes and checks passwords, at most `at_once` at the same time."""

    def __init__(self, at_once: int = 2) -> None:
        self._room = asyncio.Semaphore(at_once)

    async def hash(self, password: str) -> str:
        """The encoded hash, with its parameters and salt."""
        async with self._room:
            return await asyncio.to_thread(_hasher.hash, password)

    async def matches(self, encoded: str | None, password: str) -> bool:
        """Whether `password` made `encoded`; None, an unknown user's, takes the same time and never matches."""
        async with self._room:
            return await asyncio.to_thread(_matches, encoded, password)


def _matches(encoded: str | None, password: str) -> bool:
    try:
        return _hasher.verify(encoded or _NOBODY, password) and encoded is not None
    except argon2.exceptions.VerificationError:
        return False
