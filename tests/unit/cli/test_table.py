"""Tables are laid out as kubectl lays them out."""

from __future__ import annotations

from typing import Any

from cli.output.table import TableOptions, TableWriter, columns


def table(*names: str) -> dict[str, Any]:
    return {
        "columnDefinitions": [
            {"name": "Name", "format": "name", "priority": 0},
            {"name": "Ready", "priority": 0},
            {"name": "IP", "priority": 1},
        ],
        "rows": [
            {
                "cells": [name, "1/1", None],
                "object": {"metadata": {"namespace": "default", "labels": {"app": "a", "example.com/tier": "b"}}},
            }
            for name in names
        ],
    }


def test_columns_are_the_widest_cell_and_three_spaces() -> None:
    assert TableWriter(TableOptions()).lines(table("web", "a-long-name")) == [
        "NAME          READY",
        "web           1/1",
        "a-long-name   1/1",
    ]


def test_wide_namespace_labels_and_kind() -> None:
    options = TableOptions(wide=True, namespace=True, labels=True, label_columns=["example.com/tier"], kind="pod")
    assert TableWriter(options).lines(table("web")) == [
        "NAMESPACE   NAME      READY   IP      TIER   LABELS",
        "default     pod/web   1/1     <nil>   b      app=a,example.com/tier=b",
    ]


def test_later_tables_have_no_second_header_and_keep_the_columns() -> None:
    writer = TableWriter(TableOptions())
    writer.lines(table("a-long-name"))
    assert writer.lines({"rows": table("web")["rows"]}) == ["web           1/1"]


def test_without_headers() -> None:
    assert TableWriter(TableOptions(headers=False)).lines(table("web")) == ["web   1/1"]


def test_plain_columns() -> None:
    assert columns([["a", "b"]], header=["LEFT", "RIGHT"]) == ["LEFT   RIGHT", "a      b"]
