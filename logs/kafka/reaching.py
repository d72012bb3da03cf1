"""Why Kafka cannot be reached, in the words of the connection that failed."""

from typing import Any

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError

from logs.kafka.settings import KafkaLogSettings
from logs.log import LogOutage


async def not_reached(settings: KafkaLogSettings, error: Exception) -> LogOutage:
    """Return the outage after a client could not be started with these settings.

    The client library keeps to itself why: a wrong password and a broker that is away are the
    same error of it. So the brokers are tried once more.
    """
    arguments: dict[str, Any] = settings.connection()
    reasons = []
    for server in arguments.pop("bootstrap_servers"):
        host, _, port = server.rpartition(":")
        try:
            connection = await create_conn(host.strip("[]"), int(port), **arguments)
        except (KafkaError, OSError, TimeoutError, ValueError) as reason:
            reasons.append(f"{server}: {reason or type(reason).__name__}")
        else:
            connection.close()
    return LogOutage(f"Kafka cannot be reached: {'; '.join(reasons) or repr(error)}")
