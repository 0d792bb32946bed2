"""An intake finds every photo of a folder when it is whole, and nothing else."""

import os
from pathlib import Path

import pytest
from PIL import Image
from watchfiles import Change

from stages.common.errors import InputError
from tests.watch.stand_in import Time
from tools.watch import intake
from tools.watch.intake import LAYOUT, PATIENCE, REST, RETRY, SETTLE, File, Intake, cut, read_layout


class Folder:
    """An intake on a folder, a clock, and what is known."""

    def __init__(self, path: Path) -> None:
        self.path, self.time = path, Time()
        self.known: set[tuple[str, int, int]] = set()
        self.intake = Intake(path, lambda *file: file in self.known, self.time.clock())

    def put(self, name: str, content: bytes = b"whole") -> Path:
        """Write a file and notice it."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.intake.notice([(Change.modified, str(path))])
        return path

    def ready(self, seconds: float = SETTLE) -> list[str]:
        """Return what is ready after a while."""
        self.time.go(seconds)
        return [file.name for file in self.intake.ready(100)]

    def sweep(self) -> None:
        """Look at all there is."""
        self.time.go(REST)
        for _ in range(50):
            self.intake.sweep()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    path = tmp_path / "photos"
    path.mkdir()
    return Folder(path)


def test_a_photo_is_ready_when_it_did_not_change_for_a_while(folder: Folder) -> None:
    folder.put("table/1/a.jpg", b"ha")
    assert folder.ready(SETTLE / 2) == []
    folder.put("table/1/a.jpg", b"half")
    assert folder.ready(SETTLE / 2) == []
    assert folder.ready(SETTLE / 2) == ["table/1/a.jpg"]


def test_a_change_of_which_no_notice_came_is_seen(folder: Folder) -> None:
    path = folder.put("a.jpg", b"ha")
    path.write_bytes(b"whole")
    assert folder.ready() == []
    assert folder.ready() == ["a.jpg"]


def test_a_sweep_finds_what_was_there_before_and_below(folder: Folder) -> None:
    for name in ("a.jpg", "deep/er/b.PNG"):
        (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
        (folder.path / name).write_bytes(b"whole")
    folder.sweep()
    assert sorted(folder.ready()) == ["a.jpg", "deep/er/b.PNG"]


def test_between_sweeps_it_rests(folder: Folder) -> None:
    folder.sweep()
    (folder.path / "a.jpg").write_bytes(b"whole")
    folder.intake.sweep()
    assert folder.intake.waiting == {}
    folder.time.go(REST)
    folder.intake.sweep()
    assert list(folder.intake.waiting) == ["a.jpg"]


def test_what_a_new_folder_holds_already_is_found_at_once(folder: Folder) -> None:
    (folder.path / "new/er").mkdir(parents=True)
    (folder.path / "new/er/a.jpg").write_bytes(b"whole")
    folder.intake.notice([(Change.added, str(folder.path / "new"))])
    assert folder.ready() == ["new/er/a.jpg"]


def test_only_photos_are_found(folder: Folder) -> None:
    for name in ("a.txt", ".a.jpg", ".hidden/a.jpg", "__MACOSX/a.jpg", "a.jpg.part"):
        folder.put(name)
    (folder.path / "folder.jpg").mkdir()
    os.mkfifo(folder.path / "pipe.jpg")
    folder.intake.notice([(Change.added, str(folder.path / "pipe.jpg"))])
    folder.sweep()
    assert folder.ready() == []


def test_no_link_is_followed(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret.jpg").write_bytes(b"secret")
    (folder.path / "link.jpg").symlink_to(tmp_path / "outside/secret.jpg")
    (folder.path / "linked").symlink_to(tmp_path / "outside")
    (folder.path / "round").symlink_to(folder.path)
    changed = ["link.jpg", "linked/secret.jpg", "round/link.jpg"]
    folder.intake.notice([(Change.added, str(folder.path / name)) for name in changed])
    folder.sweep()
    assert folder.ready() == []


def test_the_folder_itself_may_be_a_link(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder.path)
    linked = Folder(tmp_path / "link")
    folder.put("a.jpg")
    linked.sweep()
    assert linked.ready() == ["a.jpg"]


def test_removed_photos_are_forgotten(folder: Folder) -> None:
    folder.put("a.jpg").unlink()
    folder.put("b.jpg").unlink()
    folder.intake.notice([(Change.deleted, str(folder.path / "b.jpg"))])
    assert folder.ready() == []
    assert folder.intake.waiting == {}


def test_what_is_known_does_not_wait(folder: Folder) -> None:
    found = folder.put("a.jpg").stat()
    (folder.path / "b.jpg").write_bytes(b"whole")
    folder.known = {("a.jpg", found.st_mtime_ns, found.st_size)}
    folder.sweep()
    assert "b.jpg" in folder.ready()
    again = Folder(folder.path)
    again.known = folder.known
    again.sweep()
    assert again.ready() == ["b.jpg"]


def test_the_oldest_come_first_so_many_at_once(folder: Folder) -> None:
    for age, name in enumerate(("c.jpg", "a.jpg", "b.jpg")):
        path = folder.put(name)
        os.utime(path, (1000 - age, 1000 - age))
    folder.ready()
    folder.time.go(SETTLE)
    assert [file.name for file in folder.intake.ready(2)] == ["b.jpg", "a.jpg"]


def test_no_more_wait_than_there_is_room_for_and_the_others_come_later(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "ROOM", 5)
    for number in range(12):
        folder.put(f"{number}.jpg")
    found: set[str] = set()
    for _ in range(4):
        folder.sweep()
        assert len(folder.intake.waiting) <= 5
        folder.time.go(SETTLE)
        for file in folder.intake.ready(100):
            folder.known.add((file.name, file.stamp, file.size))
            folder.intake.done(file)
            found.add(file.name)
    assert len(found) == 12


def failing(folder: Folder) -> bool:
    """Let the file that waits fail once more, and return whether it is given up."""
    folder.time.go(RETRY)
    (file,) = folder.intake.ready(9)
    return folder.intake.retry(file)


def test_a_photo_that_cannot_be_read_is_tried_again_until_it_is_given_up(folder: Folder) -> None:
    folder.put("a.jpg", b"half")
    folder.time.go(5 * PATIENCE)
    assert not failing(folder)
    assert folder.ready(RETRY / 2) == []
    assert folder.ready(RETRY / 2) == ["a.jpg"]
    assert not failing(folder)
    folder.time.go(PATIENCE)
    assert failing(folder)


def test_a_photo_that_grew_has_all_the_patience_again(folder: Folder) -> None:
    folder.put("a.jpg", b"half")
    assert not failing(folder)
    folder.time.go(PATIENCE)
    folder.put("a.jpg", b"whole")
    assert not failing(folder)


def test_a_photo_that_changes_while_it_is_judged_is_judged_again(folder: Folder) -> None:
    folder.put("a.jpg")
    folder.time.go(SETTLE)
    (file,) = folder.intake.ready(9)
    folder.put("a.jpg", b"another photo")
    folder.intake.done(file)
    assert folder.ready() == ["a.jpg"]


def test_a_file_is_read_only_as_it_was_found(folder: Folder) -> None:
    folder.put("a.jpg")
    folder.time.go(SETTLE)
    (file,) = folder.intake.ready(9)
    assert file.read() == b"whole"
    folder.put("a.jpg", b"longer than it was")
    with pytest.raises(ValueError, match="another"):
        file.read()


def test_a_file_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.touch()
    os.truncate(path, 200 * 2**20)
    with pytest.raises(ValueError, match="larger than 104,857,600 bytes"):
        File("a.jpg", path, path.stat().st_mtime_ns, path.stat().st_size).read()


def test_a_name_that_is_not_utf8_can_be_logged(folder: Folder) -> None:
    folder.put(os.fsdecode(b"\xff.jpg"))
    assert folder.ready() == ["\\xff.jpg"]


def test_time_counts_from_a_photos_last_byte_as_far_as_clocks_agree(folder: Folder) -> None:
    path = folder.path / "a.jpg"
    for age, since in ((0.5, 99.5), (-5.0, 100.0), (5000.0, 100.0)):
        path.write_bytes(b"whole")
        os.utime(path, (folder.time.wall - age,) * 2)
        folder.intake.notice([(Change.added, str(path))])
        assert folder.intake.waiting["a.jpg"].since == pytest.approx(since)


def test_a_folder_that_is_gone_is_told_until_it_is_there_again(folder: Folder) -> None:
    folder.path.rmdir()
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            folder.intake.sweep()
    folder.put("a.jpg")
    folder.sweep()
    assert folder.ready() == ["a.jpg"]


def layout_of(folder: Path, text: str) -> intake.Layout:
    (folder / LAYOUT).write_text(text)
    return read_layout(folder)


def test_without_a_layout_a_photo_is_a_well_named_as_its_folder(tmp_path: Path) -> None:
    image = Image.new("RGB", (9, 6))
    assert read_layout(tmp_path) == {}
    assert cut({}, tmp_path, "table/1/a.jpg", image) == {"table/1": image}
    assert cut({}, tmp_path, "a.jpg", image) == {tmp_path.name: image}


def test_a_layout_cuts_the_wells_of_a_camera(tmp_path: Path) -> None:
    layout = layout_of(tmp_path, "table/: {1: [0, 0, 4, 6], right: [4, 1, 5, 5]}")
    image = Image.new("RGB", (9, 6))
    image.putpixel((4, 1), (255, 0, 0))
    wells = cut(layout, tmp_path, "table/a.jpg", image)
    assert {name: well.size for name, well in wells.items()} == {
        "table/1": (4, 6),
        "table/right": (5, 5),
    }
    assert wells["table/right"].getpixel((0, 0)) == (255, 0, 0)
    assert list(cut(layout, tmp_path, "other/a.jpg", image)) == ["other"]


def test_a_well_that_leaves_the_photo_is_refused(tmp_path: Path) -> None:
    layout = layout_of(tmp_path, "table: {1: [0, 0, 10, 6]}")
    with pytest.raises(ValueError, match=r"table/1 of wells.yaml leaves it: 9 x 6 pixels"):
        cut(layout, tmp_path, "table/a.jpg", Image.new("RGB", (9, 6)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("table: {1: [0, 0, 4]}", r"table\.1"),
        ("table: {1: [0, -1, 4, 6]}", r"table\.1\.1: .*greater than or equal to 0"),
        ("table: {1: [0, 0, 0, 6]}", r"table\.1\.2"),
        ("table: {}", "table: .*at least 1"),
        ("[1, 2]", "must hold CAMERA"),
        ("", "must hold CAMERA"),
        ("table: {1: [", "can't be read as YAML"),
    ],
)
def test_a_wrong_layout_is_told(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        layout_of(tmp_path, text)
