"""One annotation of Pascal VOC: its boxes, and XML that cannot be used."""

from __future__ import annotations

import pytest

from beam_jobs.sources.source import SourceBox
from beam_jobs.sources.voc.xml_file import parse_voc

BOX = SourceBox(5, 10, 25, 40, "cat")


def parsed(inside: str) -> tuple[SourceBox, ...]:
    return parse_voc(f"<annotation>{inside}</annotation>".encode()).boxes


def box_text(xmin: object, ymin: object, xmax: object, ymax: object, more: str = "<name>cat</name>") -> str:
    sides = f"<xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax>"
    return f"<object>{more}<bndbox>{sides}</bndbox></object>"


def test_pixels_count_from_one_and_the_last_belongs_to_the_box() -> None:
    assert parsed(box_text(11, 6, 40, 25)) == (BOX,)
    assert parsed(box_text(" 11.5\n", "6.25", 40.0, "2.5e1")) == (SourceBox(5.25, 10.5, 25, 40, "cat"),)
    assert parsed(box_text(7, 7, 7, 9)) == (SourceBox(6, 6, 9, 7, "cat"),)


def test_difficult_objects_are_marked() -> None:
    texts = {"1": True, "0": False, "": False, "Unspecified": False, "true": True}
    for text, difficult in texts.items():
        (box,) = parsed(box_text(11, 6, 40, 25, f"<name> cat </name><difficult>{text}</difficult>"))
        assert box == BOX._replace(difficult=difficult)


def test_parts_of_objects_are_left_out() -> None:
    part = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></part>"
    assert parsed(box_text(11, 6, 40, 25, f"<name>cat</name>{part}")) == (BOX,)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (box_text(5, 5, 5, 5), "must have an area, got ymin, xmin, ymax, xmax [5.0, 5.0, 5.0, 5.0]"),
        (box_text("a", 5, 9, 9), "must have numbers as ymin, xmin, ymax, xmax, got ['5', 'a', '9', '9']"),
        (box_text("nan", 5, 9, 9), "must have numbers as"),
        (box_text("1e999", 5, 9, 9), "must have numbers as"),
        ("<object><name>cat</name></object>", "must have numbers as"),
        ("<object><name>cat</name><bndbox/></object>", "must have numbers as"),
        (box_text(1, 1, 9, 9, "<name> </name>"), "must have a printable `name`, got ''"),
        (box_text(1, 1, 9, 9, ""), "must have a printable `name`, got ''"),
        (box_text(1, 1, 9, 9, f"<name>{'x' * 300}</name>"), "must have a printable `name`"),
    ],
)
def test_a_broken_object_has_its_reason(text: str, fault: str) -> None:
    (box,) = parsed(text)
    assert (box.fault or "").startswith(fault)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is not XML that can be used: no element found"),
        (b"<annotation>", "is not XML that can be used"),
        (b"<html/>", "must have the root element `annotation`, got 'html'"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>', "it declares entities"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation/>'.encode("utf-16"), "it declares entities"),
        ("<annotation/>".encode("utf-16-le"), "it declares entities, or is in an encoding that may hide them"),
        (b'<?xml version="1.0" encoding="none"?><annotation/>', "unknown encoding"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd" []><annotation>&a;</annotation>', "is not XML that can be used"),
        (b"<a>" * 200_000, "is not XML that can be used"),
    ],
)
def test_xml_that_cannot_be_used(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_voc(data)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
def test_encodings(encoding: str) -> None:
    declared = "" if encoding == "utf-8-sig" else f'<?xml version="1.0" encoding="{encoding}"?>'
    data = f"{declared}<annotation>{box_text(11, 6, 40, 25, '<name>Käfer</name>')}</annotation>".encode(encoding)
    assert parse_voc(data).boxes == (BOX._replace(class_name="Käfer"),)
