"""Objects in many photos with Ray Data: a row a photo, written to Parquet.

    pip install "rcnn[ray]"
    python ray_detect.py photos/ found/ --model fod-r18
    python ray_detect.py s3://bucket/photos s3://bucket/found --workers 64
"""

import argparse

import pyarrow
import ray

import rcnn

COLUMNS = pyarrow.schema(
    [
        ("path", pyarrow.string()),
        ("width", pyarrow.int32()),
        ("height", pyarrow.int32()),
        ("boxes", pyarrow.list_(pyarrow.list_(pyarrow.float32()))),
        ("scores", pyarrow.list_(pyarrow.float32())),
        ("category_ids", pyarrow.list_(pyarrow.int64())),
        ("labels", pyarrow.list_(pyarrow.string())),
        ("masks", pyarrow.list_(pyarrow.string())),
        ("error", pyarrow.string()),
    ]
)


class Detect:
    """Loads the model once in each worker, and decodes one photo while another is in the network."""

    def __init__(self, model: str, threads: int) -> None:
        self.detector = rcnn.Detector(model, threads=threads)

    def __call__(self, batch: pyarrow.Table) -> pyarrow.Table:
        photos = batch.column("bytes").to_pylist()
        found = self.detector.stream(photos, errors="return")
        rows = [{"path": path, **rcnn.to_row(each)} for path, each in zip(batch.column("path").to_pylist(), found)]
        return pyarrow.Table.from_pylist(rows, schema=COLUMNS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", help="a folder, here or in a bucket")
    parser.add_argument("out", help="folder for the Parquet files")
    parser.add_argument("--model", default="fod-r18")
    parser.add_argument("--workers", type=int, default=1, help="models at work at once")
    parser.add_argument("--threads", type=int, default=1, help="cores of each")
    options = parser.parse_args()
    photos = ray.data.read_binary_files(options.photos, include_paths=True)
    found = photos.map_batches(
        Detect,
        fn_constructor_args=(options.model, options.threads),
        batch_format="pyarrow",
        batch_size=32,
        concurrency=options.workers,
        num_cpus=options.threads,
    )
    found.write_parquet(options.out)


if __name__ == "__main__":
    main()
