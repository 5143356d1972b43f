"""Objects in many photos with Spark 4: a row a photo, written to Parquet.

    pip install "rcnn[spark]"
    spark-submit spark_detect.py photos/ found/ --model fod-r18
    spark-submit spark_detect.py s3a://bucket/photos s3a://bucket/found --threads 4
"""

import argparse
import os
import sys
from collections.abc import Iterator

import pandas
from pyspark.sql import SparkSession

import rcnn

COLUMNS = (
    "path string, width int, height int, boxes array<array<float>>, scores array<float>, "
    "category_ids array<bigint>, labels array<string>, masks array<string>, error string"
)


class Detect:
    """Travels to the executors as its arguments; each task there loads the model once for all its photos."""

    def __init__(self, model: str, threads: int) -> None:
        self.model, self.threads = model, threads

    def __call__(self, batches: Iterator[pandas.DataFrame]) -> Iterator[pandas.DataFrame]:
        detector = rcnn.Detector(self.model, threads=self.threads)
        for batch in batches:
            found = detector.stream(batch["content"], errors="return")
            rows = [{"path": path, **rcnn.to_row(each)} for path, each in zip(batch["path"], found)]
            frame = pandas.DataFrame(rows, columns=[column.split()[0] for column in COLUMNS.split(", ")])
            yield frame.astype({"width": "Int32", "height": "Int32"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", help="a folder, here or in a bucket")
    parser.add_argument("out", help="folder for the Parquet files")
    parser.add_argument("--model", default="fod-r18")
    parser.add_argument("--threads", type=int, default=1, help="cores of a task, as spark.task.cpus has it")
    options = parser.parse_args()
    # Executors on this machine run the Python that has rcnn; a cluster's are told by its settings.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    spark = SparkSession.builder.appName("rcnn").getOrCreate()
    # Photos are large rows: a few at a time are enough to keep the decoders busy.
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "32")
    photos = spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(options.photos)
    found = photos.select("path", "content").mapInPandas(Detect(options.model, options.threads), COLUMNS)
    found.write.mode("overwrite").parquet(options.out)


if __name__ == "__main__":
    main()
