"""Tokens: long and random, so that a plain SHA-256 of one tells nothing; compared in constant time."""

import hashlib
import hmac
import secrets

from pydantic import SecretStr

TOKEN_BYTES = 32


def new_token() -> str:
    """A token that nobody guesses: 256 bits."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_of(token: str) -> str:
    """The SHA-256 of a token, in hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()


def has_hash(token: str, wanted: str) -> bool:
    """Whether a token has a hash; how long the answer takes says nothing about either."""
    return hmac.compare_digest(hash_of(token), wanted)


def bears(authorization: str | None, wanted: SecretStr) -> bool:
    """Whether an `Authorization` header bears a token: `Bearer …`."""
    given = bearer_of(authorization)
    return given is not None and has_hash(given, hash_of(wanted.get_secret_value()))


def bearer_of(authorization: str | None) -> str | None:
    """The token of an `Authorization` header; None where it has another scheme or there is none."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
