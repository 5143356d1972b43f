"""Objects in many photos with Daft: a row a photo, written to Parquet.

    pip install "rcnn[daft]"
    python daft_detect.py 'photos/*.jpg' found/ --model fod-r18
    python daft_detect.py 's3://bucket/photos/**' s3://bucket/found --workers 16
"""

import argparse

import daft
from daft import DataType

import rcnn

FOUND = DataType.struct(
    {
        "width": DataType.int32(),
        "height": DataType.int32(),
        "boxes": DataType.list(DataType.list(DataType.float32())),
        "scores": DataType.list(DataType.float32()),
        "category_ids": DataType.list(DataType.int64()),
        "labels": DataType.list(DataType.string()),
        "masks": DataType.list(DataType.string()),
        "error": DataType.string(),
    }
)


class Detect:
    """Loads the model once in each worker, and decodes one photo while another is in the network."""

    def __init__(self, model: str, threads: int) -> None:
        self.detector = rcnn.Detector(model, threads=threads)

    @daft.method.batch(return_dtype=FOUND, batch_size=32)
    def found(self, photos: daft.Series) -> list[dict]:
        # A photo that could not be fetched is null: no bytes.
        contents = (photo or b"" for photo in photos.to_pylist())
        return [rcnn.to_row(each) for each in self.detector.stream(contents, errors="return")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", help="a pattern, here or in a bucket")
    parser.add_argument("out", help="folder for the Parquet files")
    parser.add_argument("--model", default="fod-r18")
    parser.add_argument("--workers", type=int, default=1, help="models at work at once")
    parser.add_argument("--threads", type=int, default=1, help="cores of each")
    options = parser.parse_args()
    detect = daft.cls(Detect, max_concurrency=options.workers)(options.model, options.threads)
    photos = daft.from_glob_path(options.photos).select("path")
    content = photos["path"].download(on_error="null")
    found = photos.with_column("found", detect.found(content))
    columns = [daft.col("found")[name].alias(name) for name in FOUND.fields]
    found.select("path", *columns).write_parquet(options.out)


if __name__ == "__main__":
    main()
