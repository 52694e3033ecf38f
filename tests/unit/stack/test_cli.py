"""``enricher stack``: sizes, exit statuses, and what is said when nothing runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from enricher.cli.stack import app, parse_size

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1g", 1 << 30),
        ("512m", 512 << 20),
        ("512 MiB", 512 << 20),
        ("2GB", 2 << 30),
        ("1024k", 1 << 20),
        ("1073741824", 1 << 30),
    ],
)
def test_a_size_is_read_as_java_reads_it(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "g", "1.5g", "-1g", "1t"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_size(text)


def test_the_status_of_nothing_is_down_and_exits_with_1(tmp_path: Path) -> None:
    result = _run("status", "--data-dir", str(tmp_path))
    assert result.exit_code == 1
    assert result.stdout.count(" down ") == 2
    assert "enricher stack up" in result.stdout


def test_down_where_nothing_runs_is_no_error(tmp_path: Path) -> None:
    result = _run("down", "--data-dir", str(tmp_path / "none"))
    assert result.exit_code == 0
    assert "No stack was running there." in result.stdout


def test_logs_give_the_last_lines_of_one_server(tmp_path: Path) -> None:
    (tmp_path / "valkey").mkdir()
    (tmp_path / "valkey" / "valkey.log").write_text("first\nsecond [bold]\nthird\n")
    result = _run("logs", "valkey", "-n", "2", "--data-dir", str(tmp_path))
    assert result.exit_code == 0
    assert result.stdout == "second [bold]\nthird\n"


def test_an_error_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    result = _run("up", "--data-dir", str(tmp_path), "--heap", "1m")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: a heap of 1048576 bytes is too small")


def test_an_open_stack_is_not_made_secure(tmp_path: Path) -> None:
    (tmp_path / "valkey").mkdir()
    result = _run("up", "--secure", "--data-dir", str(tmp_path))
    assert result.exit_code == 1
    assert "was made without --secure and stays so" in result.stderr
    assert not (tmp_path / "secrets").exists()


def test_the_status_says_where_the_secrets_of_a_secure_stack_are(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "admin.password").write_text("never shown")
    result = _run("status", "--data-dir", str(tmp_path))
    assert f"{tmp_path}/secrets" in result.stdout
    assert "never shown" not in result.stdout
