"""kafka-python clients that leave nothing behind when the broker is not there."""

from __future__ import annotations

import socket
from typing import Any

from kafka.errors import KafkaConnectionError

_LISTENING_SECONDS = 2.0


def open_client(kind: Any, **settings: Any) -> Any:
    """A KafkaAdminClient, KafkaConsumer or KafkaProducer. Raises KafkaError when no broker answers.

    kafka-python 3.0 starts an I/O thread before it looks for the broker and forgets it when there is none:
    a process that waits for its broker would gather a thread and sockets with every attempt.
    """
    _require_listener(settings["bootstrap_servers"])
    networks: list[Any] = []

    def recorded(*arguments: Any, **options: Any) -> Any:
        network = kind.DEFAULT_CONFIG["kafka_client"](*arguments, **options)
        networks.append(network)
        return network

    try:
        return kind(kafka_client=recorded, **settings)
    except BaseException:
        for network in networks:
            network.close()
            network._manager._net.stop()
        raise


def _require_listener(bootstrap: str) -> None:
    reason: OSError | None = None
    for server in bootstrap.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            socket.create_connection((host, int(port)), _LISTENING_SECONDS).close()
        except OSError as error:
            reason = error
        except ValueError:
            raise KafkaConnectionError(f"{server!r} is no address; write host:port") from None
        else:
            return
    raise KafkaConnectionError(f"nothing listens at {bootstrap}: {reason}")
