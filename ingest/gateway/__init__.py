"""The door for HJ 212 devices: TCP in, Kafka out, answers only for what is durable (guarantee G1)."""

from ingest.gateway.limits import Limits
from ingest.gateway.server import Gateway

__all__ = ["Gateway", "Limits"]
