"""Drives the unmodified huggingface_hub client against a local Hub; run by python-clients.test.ts.

Usage: python_client.py [CASE...], with HF_ENDPOINT, HF_TOKEN and HF_HOME set.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cases import run_cases

import huggingface_hub as hh
from huggingface_hub import errors
from huggingface_hub.utils import get_session, parse_ratelimit_headers

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
        big = rng_bytes(3_000_000) + bytes(2_000_000) + b"color " * 300_000
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
    run = lambda *words: subprocess.run([hf, *words], check=True, capture_output=True, text=True).stdout  # noqa: E731
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "c.bin").write_bytes(rng_bytes(1_000_001))
        run("repos", "create", "painter/cli")
        run("upload", "painter/cli", folder, ".")
        run("download", "painter/cli", "--local-dir", f"{folder}/back")
        assert Path(folder, "back", "c.bin").read_bytes() == Path(folder, "c.bin").read_bytes()
        assert "plein-air" in run("auth", "whoami")
        run("repos", "tag", "create", "painter/cli", "v1")
        assert "v1" in run("repos", "tag", "list", "painter/cli")
        run("repos", "delete-files", "painter/cli", "c.bin")
        assert not api.file_exists("painter/cli", "c.bin")
        assert api.file_exists("painter/cli", "c.bin", revision="v1")


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


def gates_that_open_for_some() -> None:
    repo = fresh("gate")
    api.upload_file(repo_id=repo, path_or_fileobj=b"inside", path_in_repo="in.txt")
    api.update_repo_settings(repo, gated="manual")
    reader = hh.HfApi(token="hf_reader")

    def read() -> str:
        with tempfile.TemporaryDirectory() as folder:
            return Path(reader.hf_hub_download(repo, "in.txt", local_dir=folder)).read_text()

    expect(errors.GatedRepoError, read, 403)
    assert [entry.path for entry in reader.list_repo_tree(repo)] == [".gitattributes", "in.txt"]
    ask = lambda: get_session().post(f"{api.endpoint}/{repo}/ask-access", headers={"Authorization": "Bearer hf_reader"})  # noqa: E731
    assert ask().status_code == 200
    expect(errors.GatedRepoError, read, 403)
    assert [request.username for request in api.list_pending_access_requests(repo)] == ["critic"]
    api.accept_access_request(repo, "critic")
    assert read() == "inside"
    api.reject_access_request(repo, "critic", rejection_reason=None)
    expect(errors.GatedRepoError, read, 403)
    api.grant_access(repo, "critic")
    assert [request.username for request in api.list_accepted_access_requests(repo)] == ["critic"]
    assert read() == "inside"
    expect(errors.HfHubHTTPError, lambda: reader.grant_access(repo, "somebody"), 403)


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


def deletion_for_good_without_new_history() -> None:
    repo = fresh("forgood")
    head = api.upload_file(repo_id=repo, path_or_fileobj=rng_bytes(1_100_000), path_in_repo="w.bin").oid
    api.permanently_delete_lfs_files(repo, list(api.list_lfs_files(repo)), rewrite_history=False)
    assert api.repo_info(repo).sha == head
    expect(errors.EntryNotFoundError, lambda: api.hf_hub_download(repo, "w.bin", revision=head))


def move_and_delete() -> None:
    repo = fresh("before")
    api.upload_file(repo_id=repo, path_or_fileobj=b"m", path_in_repo="m.txt")
    api.move_repo(repo, "painter/after")
    assert Path(api.hf_hub_download("painter/after", "m.txt")).read_text() == "m"
    assert Path(api.hf_hub_download(repo, "m.txt", force_download=True)).read_text() == "m"
    assert api.repo_info(repo).id == "painter/after"
    expect(errors.HfHubHTTPError, lambda: api.move_repo("painter/after", fresh("taken")), 409)
    api.delete_repo("painter/after")
    assert not api.repo_exists("painter/after")
    api.delete_repo("painter/after", missing_ok=True)


def large_file_in_parts() -> None:
    repo = fresh("parts")
    piece = rng_bytes(1 << 20)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "parts.bin")
        with source.open("wb") as handle:
            for index in range(130):
                handle.write(index.to_bytes(4, "little") + piece[4:])
        with source.open("rb") as handle:  # an open file goes through LFS: three parts of 64 MiB
            api.upload_file(repo_id=repo, path_or_fileobj=handle, path_in_repo="parts.bin")
        back = Path(api.hf_hub_download(repo, "parts.bin", local_dir=f"{folder}/back"))
        assert back.read_bytes() == source.read_bytes()
        api.upload_file(repo_id=repo, path_or_fileobj=str(source), path_in_repo="again.bin")
        assert api.get_paths_info(repo, ["again.bin"])[0].size == source.stat().st_size


def a_large_file_through_xet() -> None:
    repo = fresh("xet", "dataset")
    piece = rng_bytes(3 << 20)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "large.bin")
        with source.open("wb") as handle:
            for index in range(50):  # repeats, zeros and text beside noise: all three chunk schemes, several xorbs
                handle.write(index.to_bytes(4, "little") + piece[: len(piece) - index] + bytes(200_000) + b"sky " * 50_000)
        api.upload_file(repo_id=repo, repo_type="dataset", path_or_fileobj=source, path_in_repo="large.bin")
        back = Path(api.hf_hub_download(repo, "large.bin", repo_type="dataset", local_dir=f"{folder}/back"))
        assert back.read_bytes() == source.read_bytes()


def trees_of_more_than_a_page() -> None:
    repo = fresh("pages")
    adds = [hh.CommitOperationAdd(f"many/{index:05d}.txt", str(index).encode()) for index in range(1001)]
    api.create_commit(repo, adds, commit_message="many")
    assert len(list(api.list_repo_tree(repo, "many"))) == 1001
    names = [entry.path for entry in api.list_repo_tree(repo, recursive=True)]
    assert len(names) == len(set(names)) == 1003
    assert len([entry for entry in api.list_repo_tree(repo, "many", expand=True) if entry.last_commit]) == 1001
    for index in range(50):
        api.upload_file(repo_id=repo, path_or_fileobj=str(index).encode(), path_in_repo="counter.txt")
    assert len(api.list_repo_commits(repo)) == 52


def waits_out_a_rate_limit() -> None:
    limited = hh.HfApi(endpoint=os.environ["HF_LIMITED_ENDPOINT"])
    limited.create_repo("painter/limited")
    for index in range(3):
        limited.upload_file(repo_id="painter/limited", path_or_fileobj=str(index).encode(), path_in_repo="n.txt")
    while True:  # the listing below is what the limit must stop: use up what is left of it
        try:
            limited.whoami()
        except errors.HfHubHTTPError as error:
            assert error.response.status_code == 429, error
            assert "rate limit" in str(error).lower(), error
            break
    with tempfile.TemporaryDirectory() as folder:
        path = limited.hf_hub_download("painter/limited", "n.txt", local_dir=folder)
        assert Path(path).read_text() == "2"
    for _ in range(5):
        try:  # 2.x waits by itself; 1.x says for how long, and leaves the waiting to its caller
            assert "n.txt" in limited.list_repo_files("painter/limited")
            return
        except errors.HfHubHTTPError as error:
            info = parse_ratelimit_headers(error.response.headers)
            assert info is not None
            assert (info.remaining, info.limit, info.window_seconds) == (0, 20, 2), info
            time.sleep(info.reset_in_seconds)
    raise AssertionError("Expected the rate limit to pass")


def tokens_that_may_only_read() -> None:
    reader = hh.HfApi(token="hf_reader")
    assert reader.whoami()["auth"]["accessToken"]["role"] == "read"
    repo = fresh("readonly")
    expect(errors.HfHubHTTPError, lambda: reader.create_repo("critic/mine"), 403)
    for size in (10, 2_000_000):
        upload = lambda size=size: reader.upload_file(repo_id=repo, path_or_fileobj=bytes(size), path_in_repo="x.bin")  # noqa: E731
        expect(errors.HfHubHTTPError, upload, 403)
    expect(errors.HfHubHTTPError, lambda: reader.delete_repo(repo), 403)
    assert reader.model_info(repo).id == repo


def spaces() -> None:
    repo = fresh("app", "space", space_sdk="gradio", space_secrets=[{"key": "S", "value": "hidden"}])
    api.add_space_variable(repo, "MODEL", "painter/sky", description="what to load")
    assert api.get_space_variables(repo)["MODEL"].value == "painter/sky"
    api.add_space_secret(repo, "T", "x")
    api.delete_space_secret(repo, "T")
    api.delete_space_variable(repo, "MODEL")
    assert api.get_space_variables(repo) == {}
    runtime = api.get_space_runtime(repo)  # nothing runs Spaces here, so there is no hardware unless somebody asks
    assert (runtime.hardware, runtime.requested_hardware) == (None, None)
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
    gates_that_open_for_some,
    squash_and_lfs_files,
    move_and_delete,
    spaces,
    deletion_for_good_without_new_history,
    large_file_in_parts,
    a_large_file_through_xet,
    trees_of_more_than_a_page,
    waits_out_a_rate_limit,
    tokens_that_may_only_read,
    paths_that_need_quoting,
    file_system_interface,
    command_line,
]

if __name__ == "__main__":
    run_cases(CASES)
