"""Flags that say which records to make, and of what: shared by the commands that read a source."""

from __future__ import annotations

import dataclasses
from itertools import islice

from absl import flags

from beam_jobs.sources import SOURCES
from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.source import Source
from configs import config_names, load_config
from pipeline.compositions.collage import make_collage
from pipeline.config.records_config import RecordsConfig, parse_image_size
from pipeline.errors import UserError

FLAGS = flags.FLAGS
flags.DEFINE_string("config", "cifar10_improved", f"One of {', '.join(config_names())}.")
flags.DEFINE_string("source", None, f"One of {', '.join(SOURCES)}. Default: the configuration's.")
flags.DEFINE_string("data_dir", None, "The source's data: a folder or an archive. CIFAR-10's is downloaded by default.")
flags.DEFINE_string("annotations", None, "Annotations of the training images: a file, or a folder of VOC's XML.")
flags.DEFINE_string("images", None, "Folder of the images. Default: where their annotations are.")
for _split in ("val", "test"):
    flags.DEFINE_string(f"{_split}_annotations", None, f"Annotations of a {_split} split of your own.")
    flags.DEFINE_string(f"{_split}_images", None, f"Folder of the {_split} images. Default: --images.")
flags.DEFINE_float(
    "test_fraction", None, "Share of the images that becomes the test split if the source has none. Default: 0.1."
)
flags.DEFINE_string("image_size", None, "Pixels of the canvases: 320, or height x width such as 288x512.")
flags.DEFINE_integer("views", None, "Views of each training record, instead of the configuration's.")
flags.DEFINE_integer("limit", None, "Only the first n images of each split of the source.")


def records_config() -> RecordsConfig:
    """The records part of the configuration, with the flags' changes."""
    config = load_config(FLAGS.config).records
    if FLAGS.image_size is not None:
        config = config.on_canvas(parse_image_size(FLAGS.image_size))
    views = config.views if FLAGS.views is None else FLAGS.views
    return dataclasses.replace(config, source=FLAGS.source or config.source, views=views, limit=FLAGS.limit)


def data_paths() -> DataPaths:
    """Where the data are, according to the flags."""
    return DataPaths(**{field.name: FLAGS[field.name].value for field in dataclasses.fields(DataPaths)})


def choose_composition(config: RecordsConfig, source: Source) -> RecordsConfig:
    """The configuration with a composition that the source's images can have.

    Images of single objects are placed on canvases even if the configuration has a composition for images with boxes.
    Raises `UserError` if the images have boxes, which its composition cannot use.
    """
    has_boxes = any(item.boxes is not None for item in islice(source.items(), 1))
    if config.composition.takes_boxes == has_boxes:
        return config
    if not has_boxes:
        return dataclasses.replace(config, composition=make_collage(config.canvas))
    raise UserError(
        f"{FLAGS.config} places images of single objects, and these have boxes: choose another --config, such as "
        "detection"
    )
