"""Spark Structured Streaming over the orders: Kafka JSON -> typed, renamed, filtered -> zstd Parquet by date.

Speaks in lines on stdout, each one JSON object: the session is up, a batch is done, the query is done. Whoever started it
takes the time.
"""

import argparse
import json
import os
import time

arguments = argparse.ArgumentParser()
for name in ("brokers", "topic", "size", "out", "work", "jars", "memory", "batch"):
    arguments.add_argument(f"--{name}", required=True)
given = arguments.parse_args()

jars = ",".join(os.path.join(given.jars, jar) for jar in sorted(os.listdir(given.jars)) if jar.endswith(".jar"))
os.environ["PYSPARK_SUBMIT_ARGS"] = (
    f"--driver-memory {given.memory} --driver-java-options -XX:+UseParallelGC --jars {jars} pyspark-shell"
)

from pyspark.sql import SparkSession, functions as F  # noqa: E402 - reads the variable above


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


SCHEMA = (
    "order_id long, customer_id string, sku string, quantity int, price string, status string, ts string, region string"
)
COLUMNS = [
    "order_id as id",
    "customer_id as customer_ref",
    "sku",
    "cast(quantity as smallint) as qty",
    "cast(price as double) as unit_price",
    "status",
    "cast(ts as timestamp) as event_time",
    "region",
]
if given.size == "big":
    SCHEMA += (
        ", customer struct<name:string,email:string,tier:int,address:struct<street:string,city:string,zip:string>>"
        ", trace string"
    )
    COLUMNS += [
        "customer.name as customer_name",
        "customer.email as customer_email",
        "customer.tier as tier",
        "customer.address.city as city",
        "customer.address.zip as zip",
        "trace",
    ]

session = (
    SparkSession.builder.master("local[*]")
    .config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    .config("spark.sql.shuffle.partitions", "2")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.adaptive.enabled", "true")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.local.dir", os.path.join(given.work, "local"))
    .config("spark.sql.warehouse.dir", os.path.join(given.work, "warehouse"))
    .config("spark.sql.parquet.compression.codec", "zstd")
    .getOrCreate()
)
session.sparkContext.setLogLevel("ERROR")

records = (
    session.readStream.format("kafka")
    .option("kafka.bootstrap.servers", given.brokers)
    .option("subscribe", given.topic)
    .option("startingOffsets", "earliest")
    .option("failOnDataLoss", "true")
    .option("kafka.isolation.level", "read_committed")
    .option("kafka.max.poll.records", "20000")
    .option("kafka.max.partition.fetch.bytes", str(8 << 20))
    .option("kafka.fetch.max.bytes", str(64 << 20))
    .option("kafka.receive.buffer.bytes", str(1 << 20))
    .option("maxOffsetsPerTrigger", given.batch)
    .load()
)
rows = (
    records.select(F.from_json(F.col("value").cast("string"), SCHEMA).alias("r"))
    .select("r.*")
    .where("status <> 'void'")
    .selectExpr(*COLUMNS)
    .withColumn("dt", F.date_format("event_time", "yyyy-MM-dd"))
)
writer = (
    rows.writeStream.format("parquet")
    .option("path", given.out)
    .option("checkpointLocation", os.path.join(given.work, "checkpoint"))
    .partitionBy("dt")
    .trigger(availableNow=True)
)

say("up")
query = writer.start()
told = set()


def tell_batches():
    for progress in query.recentProgress:
        if progress["batchId"] not in told and progress["numInputRows"] > 0:
            told.add(progress["batchId"])
            say("batch", rows=progress["numInputRows"], seconds=progress["durationMs"]["triggerExecution"] / 1000)


while query.isActive:
    time.sleep(0.05)
    tell_batches()
query.awaitTermination()
tell_batches()
say("done")
session.stop()
