"""Drives the unmodified huggingface_hub client against a local Hub; run by python-clients.test.ts.

Usage: python_client.py [CASE...], with HF_ENDPOINT, HF_TOKEN and HF_HOME set.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from cases import run_cases

import huggingface_hub as hh
from huggingface_hub import errors

api = hh.HfApi()
rng_bytes = os.urandom


def fresh(name: str, kind: str = "model", **options: object) -> str:
    """Creates a repo for one case."""
    repo = f"painter/{name}"
    api.create_repo(repo, repo_type=kind, **options)  # pyright: ignore[reportArgumentType]
    return repo


def upload_folder_and_snapshot() -> None:
    repo = fresh("folder")
    with tempfile.TemporaryDirectory() as folder:
        big = rng_bytes(3_000_000) + bytes(2_000_000) + b"colour " * 300_000
        Path(folder, "sub").mkdir()
        Path(folder, "sub", "weights.safetensors").write_bytes(big)
        Path(folder, "small.bin").write_bytes(b"tiny")
        Path(folder, "notes.md").write_text("a note")
        Path(folder, "empty.txt").write_text("")
        info = api.upload_folder(repo_id=repo, folder_path=folder, commit_message="folder")
        assert len(info.oid) == 40, info
        with tempfile.TemporaryDirectory() as back:
            path = hh.snapshot_download(repo, cache_dir=back)
            assert Path(path, "sub", "weights.safetensors").read_bytes() == big
            assert Path(path, "small.bin").read_bytes() == b"tiny"
            assert Path(path, "notes.md").read_text() == "a note"
            assert Path(path, "empty.txt").read_text() == ""
            assert Path(path).name == info.oid


def bytes_and_buffers() -> None:
    repo = fresh("buffers")
    data = rng_bytes(2_500_000)
    api.upload_file(repo_id=repo, path_or_fileobj=data, path_in_repo="a.bin")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "b.bin")
        source.write_bytes(data[::-1])
        with source.open("rb") as handle:
            api.upload_file(repo_id=repo, path_or_fileobj=handle, path_in_repo="b.bin")
        assert Path(api.hf_hub_download(repo, "a.bin", local_dir=folder)).read_bytes() == data
    assert api.file_exists(repo, "b.bin")


def same_upload_twice_makes_one_commit() -> None:
    repo = fresh("twice")
    data = rng_bytes(1_500_000)
    for _ in range(2):
        api.upload_file(repo_id=repo, path_or_fileobj=data, path_in_repo="a.bin")
        api.upload_file(repo_id=repo, path_or_fileobj=b"text", path_in_repo="a.txt")
    assert len(api.list_repo_commits(repo)) == 3


def tags_and_branches() -> None:
    repo = fresh("refs")
    first = api.upload_file(repo_id=repo, path_or_fileobj=b"1", path_in_repo="v.txt").oid
    api.create_tag(repo, tag="v1", tag_message="one")
    api.upload_file(repo_id=repo, path_or_fileobj=b"2", path_in_repo="v.txt")
    api.create_tag(repo, tag="production")
    api.delete_tag(repo, tag="production")
    api.create_tag(repo, tag="production", revision=first)
    api.create_branch(repo, branch="trial/one", revision="v1")
    refs = api.list_repo_refs(repo)
    assert {tag.name: tag.target_commit for tag in refs.tags} == {"v1": first, "production": first}
    assert {branch.name for branch in refs.branches} == {"main", "trial/one"}
    assert Path(api.hf_hub_download(repo, "v.txt", revision="v1")).read_text() == "1"
    assert Path(api.hf_hub_download(repo, "v.txt", revision="trial/one")).read_text() == "1"
    assert Path(api.hf_hub_download(repo, "v.txt")).read_text() == "2"
    expect(errors.HfHubHTTPError, lambda: api.create_tag(repo, tag="v1"), 409)
    api.create_tag(repo, tag="v1", exist_ok=True)
    api.delete_branch(repo, branch="trial/one")
    expect(errors.RevisionNotFoundError, lambda: api.repo_info(repo, revision="trial/one"))


def paths_that_need_quoting() -> None:
    repo = fresh("names")
    names = ["a b.txt", "per%cent.txt", "hash#tag.txt", "ask?.txt", "plus+&=.txt", "ünï/cödé 🎨.txt", "[x]/{y}.txt"]
    adds = [hh.CommitOperationAdd(name, name.encode()) for name in names]
    api.create_commit(repo, adds, commit_message="names")
    assert sorted(api.list_repo_files(repo)) == sorted([".gitattributes", *names])
    for name in names:
        assert Path(api.hf_hub_download(repo, name)).read_bytes() == name.encode(), name
        assert api.file_exists(repo, name), name


def file_system_interface() -> None:
    repo = fresh("fs", "dataset")
    fs = hh.HfFileSystem()
    with fs.open(f"datasets/{repo}/d/x.txt", "w") as handle:
        handle.write("written through fsspec")
    assert fs.cat_file(f"datasets/{repo}/d/x.txt", start=8, end=15) == b"through"
    assert fs.glob(f"datasets/{repo}/**/*.txt") == [f"datasets/{repo}/d/x.txt"]
    fs.rm(f"datasets/{repo}/d/x.txt")
    assert not fs.exists(f"datasets/{repo}/d/x.txt")


def command_line() -> None:
    hf = str(Path(sys.executable).with_name("hf"))
    if not Path(hf).exists():
        return
    run = lambda *words: subprocess.run([hf, *words], check=True, capture_output=True, text=True).stdout  # noqa: E731
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "c.bin").write_bytes(rng_bytes(1_000_001))
        run("repos", "create", "painter/cli")
        run("upload", "painter/cli", folder, ".")
        run("download", "painter/cli", "--local-dir", f"{folder}/back")
        assert Path(folder, "back", "c.bin").read_bytes() == Path(folder, "c.bin").read_bytes()
        assert "plein-air" in run("auth", "whoami")


def expect(kind: type[Exception], call, status: int | None = None) -> None:
    """Insists that a call raises."""
    try:
        call()
    except kind as error:
        if status is not None:
            assert error.response.status_code == status, error  # pyright: ignore[reportAttributeAccessIssue]
        return
    raise AssertionError(f"Expected {kind.__name__}, got no error")


def deletes_and_copies() -> None:
    repo = fresh("edits")
    data = rng_bytes(1_200_000)
    api.create_commit(
        repo,
        [
            hh.CommitOperationAdd("d/one.bin", data),
            hh.CommitOperationAdd("d/two.txt", b"two"),
            hh.CommitOperationAdd("keep.txt", b"keep"),
        ],
        commit_message="add",
    )
    api.create_commit(
        repo,
        [
            hh.CommitOperationCopy("d/one.bin", "copy.bin"),
            hh.CommitOperationCopy("d/two.txt", "copy.txt"),
            hh.CommitOperationDelete("d/", is_folder=True),
        ],
        commit_message="copy and delete",
    )
    assert sorted(api.list_repo_files(repo)) == [".gitattributes", "copy.bin", "copy.txt", "keep.txt"]
    assert Path(api.hf_hub_download(repo, "copy.bin")).read_bytes() == data
    api.delete_file("copy.txt", repo)
    expect(errors.EntryNotFoundError, lambda: api.delete_file("copy.txt", repo))
    api.delete_files(repo, ["*.bin"])
    assert sorted(api.list_repo_files(repo)) == [".gitattributes", "keep.txt"]


def stale_parent_is_refused() -> None:
    repo = fresh("parent")
    head = api.repo_info(repo).sha
    api.upload_file(repo_id=repo, path_or_fileobj=b"1", path_in_repo="a.txt", parent_commit=head)
    again = lambda: api.upload_file(repo_id=repo, path_or_fileobj=b"2", path_in_repo="a.txt", parent_commit=head)  # noqa: E731
    expect(errors.HfHubHTTPError, again, 412)


def listings() -> None:
    repo = fresh("listing")
    api.create_commit(
        repo,
        [hh.CommitOperationAdd(f"f/{index:04d}.txt", str(index).encode()) for index in range(60)],
        commit_message="sixty",
    )
    tree = list(api.list_repo_tree(repo, recursive=True, expand=True))
    assert len(tree) == 62, len(tree)
    assert all(entry.last_commit is not None for entry in tree)
    assert [entry.path for entry in api.list_repo_tree(repo)] == [".gitattributes", "f"]
    expect(errors.EntryNotFoundError, lambda: list(api.list_repo_tree(repo, "missing")))
    infos = api.get_paths_info(repo, ["f/0001.txt", "f", "none"], expand=True)
    assert [info.path for info in infos] == ["f/0001.txt", "f"]
    assert [commit.title for commit in api.list_repo_commits(repo)] == ["sixty", "initial commit"]
    info = api.model_info(repo, files_metadata=True)
    assert info.siblings is not None
    assert len(info.siblings) == 61
    assert info.siblings[1].size == 1


def typed_errors() -> None:
    expect(errors.RepositoryNotFoundError, lambda: api.model_info("painter/none"))
    expect(errors.RepositoryNotFoundError, lambda: api.model_info("painter/none", token=False))
    repo = fresh("errors")
    expect(errors.RevisionNotFoundError, lambda: api.model_info(repo, revision="none"))
    expect(errors.RemoteEntryNotFoundError, lambda: api.hf_hub_download(repo, "none.txt"))
    expect(errors.HfHubHTTPError, lambda: api.create_repo(repo), 409)
    assert api.create_repo(repo, exist_ok=True).repo_id == repo
    expect(errors.HfHubHTTPError, lambda: hh.HfApi(token="hf_wrong").whoami(), 401)


def private_and_gated() -> None:
    repo = fresh("hidden", private=True)
    api.upload_file(repo_id=repo, path_or_fileobj=b"s", path_in_repo="s.txt")
    expect(errors.RepositoryNotFoundError, lambda: hh.hf_hub_download(repo, "s.txt", token=False))
    api.update_repo_settings(repo, private=False)
    api.upload_file(repo_id=repo, path_or_fileobj=b"t", path_in_repo="t.txt")
    assert hh.hf_hub_download(repo, "t.txt", token=False)
    api.update_repo_settings(repo, gated="auto")
    expect(errors.GatedRepoError, lambda: api.auth_check(repo, token=False))
    expect(errors.GatedRepoError, lambda: hh.hf_hub_download(repo, "s.txt", token=False))
    assert hh.hf_hub_download(repo, "s.txt")


def squash_and_lfs_files() -> None:
    repo = fresh("squash")
    for step in range(3):
        api.upload_file(
            repo_id=repo, path_or_fileobj=rng_bytes(1_100_000), path_in_repo="w.bin", commit_message=str(step)
        )
    assert len(api.list_repo_commits(repo)) == 4
    api.super_squash_history(repo)
    assert len(api.list_repo_commits(repo)) == 1
    current = api.get_paths_info(repo, ["w.bin"])[0].lfs.sha256
    files = list(api.list_lfs_files(repo))
    assert len(files) == 3
    api.permanently_delete_lfs_files(repo, [file for file in files if file.oid != current])
    assert [file.oid for file in api.list_lfs_files(repo)] == [current]
    assert Path(api.hf_hub_download(repo, "w.bin")).stat().st_size == 1_100_000
    api.permanently_delete_lfs_files(repo, list(api.list_lfs_files(repo)))
    assert api.list_repo_files(repo) == [".gitattributes"]


def move_and_delete() -> None:
    repo = fresh("before")
    api.upload_file(repo_id=repo, path_or_fileobj=b"m", path_in_repo="m.txt")
    api.move_repo(repo, "painter/after")
    assert Path(api.hf_hub_download("painter/after", "m.txt")).read_text() == "m"
    api.delete_repo("painter/after")
    assert not api.repo_exists("painter/after")
    api.delete_repo("painter/after", missing_ok=True)


def spaces() -> None:
    repo = fresh("app", "space", space_sdk="gradio", space_secrets=[{"key": "S", "value": "hidden"}])
    api.add_space_variable(repo, "MODEL", "painter/sky", description="what to load")
    assert api.get_space_variables(repo)["MODEL"].value == "painter/sky"
    api.add_space_secret(repo, "T", "x")
    api.delete_space_secret(repo, "T")
    api.delete_space_variable(repo, "MODEL")
    assert api.get_space_variables(repo) == {}
    runtime = api.get_space_runtime(repo)  # nothing runs, so there is no current hardware
    assert (runtime.hardware, str(runtime.requested_hardware)) == (None, "cpu-basic")
    assert str(api.request_space_hardware(repo, "zero-a10g").requested_hardware) == "zero-a10g"
    assert api.set_space_sleep_time(repo, 300).sleep_time == 300
    assert api.pause_space(repo).stage == "PAUSED"
    assert api.restart_space(repo).stage != "PAUSED"
    assert api.space_info(repo).sdk == "gradio"


CASES = [
    upload_folder_and_snapshot,
    bytes_and_buffers,
    same_upload_twice_makes_one_commit,
    tags_and_branches,
    deletes_and_copies,
    stale_parent_is_refused,
    listings,
    typed_errors,
    private_and_gated,
    squash_and_lfs_files,
    move_and_delete,
    spaces,
    paths_that_need_quoting,
    file_system_interface,
    command_line,
]

if __name__ == "__main__":
    run_cases(CASES)
