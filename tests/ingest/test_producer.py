"""Records: packed by partition and kind, refused beyond the bound, announced only when durable."""

from __future__ import annotations

import asyncio

import pytest
from kafka import KafkaAdminClient

from ingest.errors import BrokerError, Refused
from ingest.producer import PackingProducer, all_durable, ensure_topics
from ingest.records import PACK_BYTES, Item, Kind
from ingest.topics import PARTITIONS, Topic, partition_of
from mingcha.stack.ports import free_port
from tests.ingest.doors import kept

pytestmark = pytest.mark.stack


def test_items_of_one_partition_share_a_record_until_it_is_full(kafka: str) -> None:
    body = b"packing" + bytes(993)

    async def scenario() -> int:
        async with PackingProducer(kafka, linger_seconds=0.5) as producer:
            futures = [
                producer.submit(Topic.CEMS, Kind.HJ212, "packing-site", Item(body, n, "peer"))
                for n in range(200)
            ]
            await all_durable(futures)
            return len(set(futures))

    records = asyncio.run(scenario())

    assert records == -(-200 * (len(body) + 14) // PACK_BYTES)
    items = kept(kafka, Topic.CEMS, "packing")
    assert len(items) == 200
    assert {item.partition for item in items} == {partition_of("packing-site")}


def test_beyond_its_bound_the_producer_refuses_and_takes_again_once_there_is_room(kafka: str) -> None:
    async def scenario() -> None:
        async with PackingProducer(kafka, bound_bytes=PACK_BYTES, linger_seconds=0.05) as producer:
            item = Item(b"bounded" * 4000, 0, "peer")
            first = [producer.submit(Topic.CEMS, Kind.HJ212, "s", item) for _ in range(2)]
            with pytest.raises(Refused):
                producer.submit(Topic.CEMS, Kind.HJ212, "s", item)
            await producer.room()
            assert all(future.done() for future in first)
            await producer.submit(Topic.CEMS, Kind.HJ212, "s", item)
            assert producer.waiting_bytes == 0

    asyncio.run(scenario())

    assert len(kept(kafka, Topic.CEMS, "boundedbounded")) == 3


def test_leaving_the_producer_makes_what_it_holds_durable(kafka: str) -> None:
    async def scenario() -> None:
        async with PackingProducer(kafka, linger_seconds=60) as producer:
            producer.submit(Topic.GATE, Kind.PASSAGE_LINE, "s", Item(b"left-behind", 0, "peer"))

    asyncio.run(scenario())

    assert len(kept(kafka, Topic.GATE, "left-behind")) == 1


def test_every_topic_has_the_same_number_of_partitions(kafka: str) -> None:
    ensure_topics(kafka)
    ensure_topics(kafka)  # a second time changes nothing

    admin = KafkaAdminClient(bootstrap_servers=kafka)
    described = admin.describe_topics([topic.value for topic in Topic])
    admin.close()

    assert [len(topic["partitions"]) for topic in described] == [PARTITIONS] * len(Topic)


def test_without_a_broker_the_producer_does_not_start_and_says_where_it_looked() -> None:
    port = free_port()

    async def scenario() -> None:
        async with PackingProducer(f"127.0.0.1:{port}"):
            pass

    with pytest.raises(BrokerError, match=str(port)):
        asyncio.run(scenario())
