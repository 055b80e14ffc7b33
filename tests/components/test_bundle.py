"""The archive that Lambda runs: complete, reproducible, for the right processor, and nothing of this machine in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pulumi
import pytest

from components import bundle
from components.bundle import BundleFailed, Target

REPOSITORY = Path(__file__).parents[2]
ARM, INTEL = Target.lambda_runtime("arm64"), Target.lambda_runtime("x86_64")

# What `scripts/bench.py` and the cold start stand on, too.
LARGEST_UNZIPPED = 25_000_000


def contents(archive: pulumi.AssetArchive) -> dict[str, bytes]:
    """Every file of the archive by its name in it, as Lambda would unzip it."""
    return dict(_files(archive))


def _files(archive: pulumi.AssetArchive) -> Iterator[tuple[str, bytes]]:
    for name, entry in archive.assets.items():
        match entry:
            case pulumi.FileArchive():
                folder = Path(entry.path)
                yield from (
                    (path.relative_to(folder).as_posix(), path.read_bytes())
                    for path in folder.rglob("*")
                    if path.is_file()
                )
            case pulumi.FileAsset():
                yield name, Path(entry.path).read_bytes()
            case _:
                raise AssertionError(name)


def content_hash(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{len(files[name])}\0".encode() + files[name])
    return digest.hexdigest()


def folder_contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def lambda_files() -> dict[str, bytes]:
    return contents(bundle.lambda_code(ARM))


class TestWhatIsInIt:
    def test_code_of_the_functions(self, lambda_files: dict[str, bytes]) -> None:
        own = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "functions").rglob("*.py")}

        assert own <= lambda_files.keys()
        assert lambda_files["functions/common/errors.py"] == (REPOSITORY / "functions/common/errors.py").read_bytes()

    def test_templates_of_the_mails(self, lambda_files: dict[str, bytes]) -> None:
        """Without them every rotation fails after the key was made."""
        templates = {name for name in lambda_files if name.startswith("functions/mail/templates/")}

        assert templates == {
            path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "functions/mail/templates").glob("*.j2")
        }
        assert len(templates) > 0

    def test_templates_of_the_stack_take_the_places_of_those(
        self, lambda_files: dict[str, bytes], tmp_path: Path
    ) -> None:
        (tmp_path / "new_key.txt.j2").write_text("of the stack")

        files = contents(bundle.lambda_code(ARM, tmp_path))

        assert files == lambda_files | {"functions/mail/templates/new_key.txt.j2": b"of the stack"}

    @pytest.mark.parametrize("package", ["aws_lambda_powertools", "cryptography", "jinja2", "requests"])
    def test_dependencies(self, package: str, lambda_files: dict[str, bytes]) -> None:
        assert f"{package}/__init__.py" in lambda_files

    def test_licences_of_the_dependencies(self, lambda_files: dict[str, bytes]) -> None:
        assert any(name.startswith("cryptography-") and "LICENSE" in name for name in lambda_files)

    def test_nothing_else(self, lambda_files: dict[str, bytes]) -> None:
        """Tests, caches, notes of the installer and the runtime's own boto3 only cost time at each cold start."""
        unwanted = ("__pycache__", ".pyc", "/RECORD", "/INSTALLER", "/REQUESTED", "direct_url.json", ".lock")

        names = lambda_files.keys()

        assert [name for name in names if any(part in name for part in unwanted)] == []
        assert [name for name in names if name.startswith(("boto", "s3transfer", "bin/", "tests/", "scripts/"))] == []
        assert [name for name in names if name.startswith("functions/") and not name.endswith((".py", ".j2"))] == []

    def test_no_path_of_this_machine(self, lambda_files: dict[str, bytes]) -> None:
        here = str(REPOSITORY).encode()

        assert [name for name, content in lambda_files.items() if here in content] == []

    def test_it_stays_small(self, lambda_files: dict[str, bytes]) -> None:
        assert sum(map(len, lambda_files.values())) < LARGEST_UNZIPPED


class TestForWhomItIsBuilt:
    """A wheel for another processor, C library or Python fails at import, in Lambda alone."""

    @pytest.mark.parametrize(("target", "machine"), [(ARM, 0xB7), (INTEL, 0x3E)])
    def test_libraries_are_for_the_processor(self, target: Target, machine: int) -> None:
        libraries = {name: content for name, content in contents(bundle.lambda_code(target)).items() if ".so" in name}

        # An ELF file's header names the processor in the two bytes at 18.
        machines = {int.from_bytes(content[18:20], "little") for content in libraries.values()}

        assert machines == {machine}
        assert {name for name in libraries if "cpython-31" in name and "cpython-313" not in name} == set()
        assert any("_cffi_backend.cpython-313" in name for name in libraries)

    def test_host_can_load_its_own(self) -> None:
        """The embedded cloud runs functions with this interpreter."""
        folder = bundle.dependencies(Target.host())

        assert any(path.suffix in {".so", ".pyd"} for path in folder.glob("_cffi_backend*"))
        assert folder != bundle.dependencies(ARM)


class TestItIsReproducible:
    """An archive that changes by itself makes every ``pulumi up`` an update of both functions."""

    def test_two_builds_have_one_hash(self, tmp_path: Path) -> None:
        one = bundle.dependencies(ARM, tmp_path / "one")
        other = bundle.dependencies(ARM, tmp_path / "other")

        assert one != other
        assert content_hash(folder_contents(one)) == content_hash(folder_contents(other))

    def test_two_archives_have_one_order(self) -> None:
        assert list(bundle.lambda_code(ARM).assets) == list(bundle.lambda_code(ARM).assets)
        assert list(bundle.lambda_code(ARM).assets)[1:] == sorted(list(bundle.lambda_code(ARM).assets)[1:])

    def test_a_bundle_is_built_once(self, tmp_path: Path) -> None:
        folder = bundle.dependencies(ARM, tmp_path)
        (folder / "left-by-the-first-build").touch()

        again = bundle.dependencies(ARM, tmp_path)

        assert again == folder
        assert (again / "left-by-the-first-build").exists()

    def test_a_new_lock_makes_a_new_bundle(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        lock = tmp_path / "requirements.txt"
        lock.write_bytes((REPOSITORY / "functions/requirements.txt").read_bytes())
        monkeypatch.setattr(bundle, "_LOCK", lock)
        before = bundle.dependencies(ARM, tmp_path)

        lock.write_bytes(lock.read_bytes() + b"# a newer one\n")

        assert bundle.dependencies(ARM, tmp_path) != before


class TestWhenItCannotBeBuilt:
    @pytest.fixture
    def tampered_lock(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A lock whose hash no wheel has: what a tampered package looks like."""
        lock = tmp_path / "requirements.txt"
        lock.write_text(f"idna==3.10 --hash=sha256:{'0' * 64}\n")
        monkeypatch.setattr(bundle, "_LOCK", lock)
        return lock

    @pytest.mark.usefixtures("tampered_lock")
    def test_says_what_failed_and_what_to_do(self, tmp_path: Path) -> None:
        with pytest.raises(BundleFailed) as failed:
            bundle.dependencies(ARM, tmp_path / "bundles")

        message = str(failed.value)
        assert "functions/requirements.txt" in message
        assert "idna" in message
        assert message.endswith("try again.")
        assert issubclass(BundleFailed, pulumi.RunError)

    @pytest.mark.usefixtures("tampered_lock")
    def test_leaves_nothing_half_built(self, tmp_path: Path) -> None:
        """A half-built folder would be taken for a whole one by the next run."""
        with pytest.raises(BundleFailed):
            bundle.dependencies(ARM, tmp_path / "bundles")

        assert list((tmp_path / "bundles").iterdir()) == []

    def test_another_build_may_win_the_race(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two tests, or a preview and an update, may need the same bundle at once."""
        install = bundle._install

        def install_slowly(target: Target, folder: Path) -> None:
            install(target, folder)
            monkeypatch.setattr(bundle, "_install", install)
            assert bundle.dependencies(target, tmp_path).exists()

        monkeypatch.setattr(bundle, "_install", install_slowly)

        folder = bundle.dependencies(ARM, tmp_path)

        assert (folder / "jinja2" / "__init__.py").is_file()
        assert [path.name for path in tmp_path.iterdir()] == [folder.name]
