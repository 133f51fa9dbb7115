"""Parquet files as other tools write them: `write-parquet.py OUT PICTURES`; one folder a case."""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

out, pictures = Path(sys.argv[1]), sorted(Path(sys.argv[2]).glob("*.jpg"))
images = [{"bytes": path.read_bytes(), "path": path.name} for path in pictures]
count = len(images)
labels = {"style": ["Impressionism"] * count, "artist": ["monet"] * count, "genre": ["landscape"] * count}
image_type = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write(name: str, columns: dict[str, list[object]], file: str = "train.parquet", **options: object) -> None:
    (out / name).mkdir(parents=True)
    types = {"image": image_type} if columns["image"] and isinstance(columns["image"][0], dict) else {}
    table = pa.table({name: pa.array(values, types.get(name)) for name, values in columns.items()})
    pq.write_table(table, out / name / file, **options)


for codec in ("gzip", "zstd", "brotli", "lz4"):
    write(codec, {"image": images, **labels}, compression=codec)
write("upper-case", {"image": images, **labels}, file="TRAIN.PARQUET")
write("binary", {"image": [image["bytes"] for image in images], **labels})
write("image-text", {"image": images, "text": [f"a river with {at} boats" for at in range(count)]})
write("style-only", {"image": images, "style": labels["style"]})
write("null-labels", {"image": images, **labels, "style": [None, *labels["style"][1:]]})
write("several-styles", {"image": images, **labels, "style": ["Cubism", "Realism", *labels["style"][2:]]})
write("paths-only", {"image": [{**image, "bytes": None} for image in images], **labels})
write("lists", {"image": [[image] for image in images], **labels})
write("other-names", {"picture": images, "image": [1] * count, **labels})
(out / "no-rows").mkdir()
schema = pa.schema([("image", image_type), *((name, pa.string()) for name in labels)])
pq.write_table(schema.empty_table(), out / "no-rows" / "train.parquet")
