"""How clients reach Kafka: the arguments for kafka-python, aiokafka and Faust, and the sentence for what went wrong.

Whatever opens a client of Kafka takes its arguments from here, so that TLS and users hold for all of them.
"""

import logging
import re
import ssl
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import kafka.record.default_records
from aiokafka.record.util import calc_crc32c

from models.settings import Settings, SettingsError

# kafka-python sums every byte that it reads and writes in Python, 110 ms a MB, unless a package under the LGPL is there; aiokafka has the
# same sum compiled, 0.5 ms a MB.
kafka.record.default_records.calc_crc32c = calc_crc32c

# By name, for kafka-python and aiokafka each have classes of their own.
_REFUSED_USER = {"SaslAuthenticationFailedError", "SaslAuthenticationFailed", "AuthenticationFailedError"}
_REFUSED_MECHANISM = {"UnsupportedSaslMechanismError", "IllegalSaslStateError", "IllegalSaslState", "AuthenticationMethodNotSupported"}
_REFUSED_ACTION = {
    "AuthorizationError", "TopicAuthorizationFailedError", "GroupAuthorizationFailedError", "ClusterAuthorizationFailedError",
    "TransactionalIdAuthorizationFailed",
}  # fmt: skip
_WRONG_CERTIFICATE = {"SSLCertVerificationError"}
_TELLING = _REFUSED_USER | _REFUSED_MECHANISM | _WRONG_CERTIFICATE


def servers(settings: Settings) -> list[str]:
    """The bootstrap servers."""
    return [address.strip() for address in settings.broker.split(",")]


def client_arguments(settings: Settings) -> dict[str, Any]:
    """Where the brokers are and how to talk to them, for any client of kafka-python or aiokafka.

    Raises:
        SettingsError: a certificate or key cannot be used.
    """
    arguments: dict[str, Any] = {
        "bootstrap_servers": servers(settings),
        "security_protocol": settings.kafka_security_protocol,
        "ssl_context": ssl_context(settings),
    }
    if settings.kafka_sasl_password is not None:
        arguments["sasl_mechanism"] = settings.kafka_sasl_mechanism
        arguments["sasl_plain_username"] = settings.kafka_sasl_username
        arguments["sasl_plain_password"] = settings.kafka_sasl_password.get_secret_value()
    return arguments


def faust_credentials(settings: Settings) -> Any:
    """The same as Faust's credentials; None for plain text.

    Raises:
        SettingsError: a certificate or key cannot be used.
    """
    import faust  # noqa: PLC0415  # takes 0.7 s to import, and only a worker needs it

    context = ssl_context(settings)
    if settings.kafka_sasl_password is not None:
        return faust.SASLCredentials(
            mechanism=settings.kafka_sasl_mechanism,
            username=settings.kafka_sasl_username,
            password=settings.kafka_sasl_password.get_secret_value(),
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)


def ssl_context(settings: Settings) -> ssl.SSLContext | None:
    """For TLS a context that checks the brokers' certificates and names; else None.

    Raises:
        SettingsError: a certificate or key cannot be used.
    """
    if not settings.kafka_security_protocol.endswith("SSL"):
        return None
    return _ssl_context(settings.kafka_ssl_cafile, settings.kafka_ssl_certfile, settings.kafka_ssl_keyfile)


@lru_cache(maxsize=4)
def _ssl_context(authorities: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=authorities)
    except OSError as error:
        raise _unusable("CAFILE", authorities, error, "the authorities' certificates") from None
    if certificate is not None:
        try:
            # An empty password: a key that needs one must not make a service wait at a prompt.
            context.load_cert_chain(certificate, key, password="")
        except OSError as error:
            name, path = ("CERTFILE", certificate) if key is None or not certificate.is_file() else ("KEYFILE", key)
            raise _unusable(name, path, error, "certificate and key that belong together, the key without a password") from None
    return context


def _unusable(name: str, path: Path | None, error: OSError, wanted: str) -> SettingsError:
    return SettingsError(f"ONESTOP_KAFKA_SSL_{name}={path}: {error.strerror or error}; name a PEM file with {wanted}")


class _Refusals(logging.Handler):
    """Remembers why the clients last could not connect: both say so in their logs only, and raise that nothing could be reached."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._held: tuple[float, BaseException] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the exception that a record is about, if it tells more than that there was no connection."""
        for argument in record.args if isinstance(record.args, tuple) else ():
            if isinstance(argument, BaseException) and any(_is(cause, _TELLING) for cause in _causes(argument)):
                self._held = (time.monotonic(), argument)

    def last(self) -> BaseException | None:
        """The last one, unless it is long ago."""
        if self._held is None or time.monotonic() - self._held[0] > _REMEMBERED_SECONDS:
            return None
        return self._held[1]


_REMEMBERED_SECONDS = 30.0
_refusals = _Refusals()
for _library in ("kafka", "aiokafka"):
    logging.getLogger(_library).addHandler(_refusals)


def kafka_fault(settings: Settings, error: BaseException) -> tuple[str, str]:
    """What went wrong with Kafka and what to do, in Chinese and in English; no secret is in it."""
    address, user = settings.broker, settings.kafka_sasl_username or "ANONYMOUS"
    causes = _causes(error)
    if (refusal := _refusals.last()) is not None and not _is(error, _REFUSED_ACTION):
        causes += _causes(refusal)

    def first(names: set[str]) -> str | None:
        return next((_shown(cause) for cause in causes if _is(cause, names)), None)

    if shown := first(_REFUSED_ACTION):
        return (
            f"Kafka {address} 不允许用户 {user} 这样做（{shown}）；请换用有权限的用户，或由管理员用 `onestop topics create --acls` 授权",
            (
                f"Kafka at {address} does not allow user {user} to do this ({shown}): use one that may, or grant it with "
                "`onestop topics create --acls`"
            ),
        )
    if shown := first(_REFUSED_USER):
        return (
            f"Kafka {address} 拒绝用户 {user}（{shown}）；请检查 ONESTOP_KAFKA_SASL_USERNAME 与 ONESTOP_KAFKA_SASL_PASSWORD",
            f"Kafka at {address} refuses user {user} ({shown}); check ONESTOP_KAFKA_SASL_USERNAME and ONESTOP_KAFKA_SASL_PASSWORD",
        )
    if shown := first(_REFUSED_MECHANISM):
        return (
            f"Kafka {address} 不接受 {settings.kafka_sasl_mechanism}（{shown}）；请检查 ONESTOP_KAFKA_SASL_MECHANISM",
            f"Kafka at {address} does not take {settings.kafka_sasl_mechanism} ({shown}); check ONESTOP_KAFKA_SASL_MECHANISM",
        )
    if shown := first(_WRONG_CERTIFICATE):
        return (
            f"Kafka {address} 的证书不可信（{shown}）；请用 ONESTOP_KAFKA_SSL_CAFILE 指明签发机构，并使用证书中的主机名",
            (
                f"the certificate of Kafka at {address} is not trusted ({shown}); name its authority with "
                "ONESTOP_KAFKA_SSL_CAFILE, and use the host name that the certificate is for"
            ),
        )
    shown, protocol = _shown(error), str(settings.kafka_security_protocol)
    if settings.kafka_sasl_password is not None:
        protocol += f" {settings.kafka_sasl_mechanism}"
    return (
        f"无法连接 Kafka {address}（{shown}；{protocol}）；请启动它，或检查 ONESTOP_BROKER 与 ONESTOP_KAFKA_SECURITY_PROTOCOL",
        (
            f"Kafka at {address} cannot be reached ({shown}; {protocol}); start it, or check ONESTOP_BROKER and "
            "ONESTOP_KAFKA_SECURITY_PROTOCOL"
        ),
    )


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _is(error: BaseException, names: set[str]) -> bool:
    return not names.isdisjoint(kind.__name__ for kind in type(error).__mro__)


def _shown(error: BaseException) -> str:
    name = type(error).__name__
    text = " ".join(re.sub(rf"\[Error \d+\]|\b{name}\b:?", "", str(error)).split())  # kafka-python says its own name, even twice
    return (f"{name}: {text}" if text else name)[:120]
