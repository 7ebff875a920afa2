"""The views that the job makes: how many, of what, and that each stands for itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.digits import Digits
from beam_jobs.sources.source import Source, SourceBox
from pipeline.config.records_config import RecordsConfig
from pipeline.errors import UserError
from pipeline.records.manifest import load_manifest
from pipeline.records.packed_view import pack_view
from pipeline.records.record import Record
from tests.beam_jobs.image_source import write_images
from tests.beam_jobs.record_job import IMAGES, VIEWS, findings, make_set, read_shards


@pytest.fixture(scope="module", params=["collage", "letterbox"])
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[RecordsConfig, Source]:
    """A configuration with four views, and its source."""
    if request.param == "collage":
        return VIEWS, Digits.prepare(DataPaths())
    return IMAGES, write_images(tmp_path_factory.mktemp("images"), 40)


def made(records: Path, config: RecordsConfig, source: Source) -> dict[str, Record]:
    """The records of a set that is made and verified here, by key."""
    make_set(records, config, source=source)
    assert findings(records) == []
    return {record.key: record for _, _, record in read_shards(records)}


def test_a_view_does_not_depend_on_how_many_there_are(kind: tuple[RecordsConfig, Source], tmp_path: Path) -> None:
    config, source = kind
    records = {views: made(tmp_path / str(views), replace(config, views=views), source) for views in (1, 2, 4)}
    assert records[1].keys() == records[2].keys() == records[4].keys()
    for key, record in records[4].items():
        packed = [pack_view(view) for view in record.views]
        assert len(packed) == (4 if key.startswith("train/") else 1)
        for views in (1, 2):
            other = records[views][key]
            assert [pack_view(view) for view in other.views] == packed[:views]
            assert (other.encoded, other.height, other.width) == (record.encoded, record.height, record.width)


def test_views_of_an_image_are_many(kind: tuple[RecordsConfig, Source], tmp_path: Path) -> None:
    config, source = kind
    training = [record for key, record in made(tmp_path, config, source).items() if key.startswith("train/")]
    others = [view.view for record in training for view in record.views[1:]]
    assert len(training) > 20 and len(others) == 3 * len(training)
    assert 0.3 < np.mean([view.mirrored for view in others]) < 0.7
    assert not any(record.views[0].view.mirrored for record in training)
    assert np.mean([len({view.view for view in record.views}) for record in training]) > 3.5
    whole = [
        view.shown.height * view.shown.width == record.height * record.width
        for record in training
        for view in (v.view for v in record.views[1:])
    ]
    moved_only = not config.composition.scales
    assert np.mean(whole) == 1.0 if moved_only else 0.2 < np.mean(whole) < 0.8
    if moved_only:  # all objects stay, at the same distances
        for record in training:
            first, *rest = record.views
            sizes = first.boxes[:, 2:] - first.boxes[:, :2]
            for view in rest:
                assert view.labels.tolist() == first.labels.tolist()
                np.testing.assert_allclose(view.boxes[:, 2:] - view.boxes[:, :2], sizes, rtol=0, atol=1e-6)


def test_rejected_boxes_are_a_share_of_objects_and_not_of_views(tmp_path: Path) -> None:
    source = write_images(tmp_path / "images", 10, split="train")
    first = source.listed[0]
    source.listed[0] = first._replace(boxes=(*(first.boxes or ()), SourceBox(3, 3, 3, 9, "square")))
    config = replace(IMAGES, val_fraction=0.0, views=20)
    with pytest.raises(UserError, match=r"^1 of 21 boxes .* were rejected, and --max_rejected allows "):
        make_set(tmp_path / "records", config, source=source, max_rejected=1 / 21 - 1e-6)
    make_set(tmp_path / "records", config, source=source, max_rejected=1 / 21)
    manifest = load_manifest(str(tmp_path / "records"))
    assert (manifest.rejected.boxes, manifest.rejected.boxes_seen) == (1, 21)
    assert manifest.statistics.train.objects == 20 and manifest.statistics.train.boxes > 100
    assert findings(tmp_path / "records") == []
