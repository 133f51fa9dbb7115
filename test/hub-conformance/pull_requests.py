"""Pull requests by the unmodified client: prints one line of JSON with what it saw."""

import json

from huggingface_hub import HfApi, ModelCard
from huggingface_hub.utils import HfHubHTTPError

api = HfApi()
repo = "plein-air/pulls"
api.create_repo(repo)
api.upload_file(path_or_fileobj=b"one", path_in_repo="a.txt", repo_id=repo)
seen: dict[str, object] = {}

first = api.upload_file(
    path_or_fileobj=b"two", path_in_repo="a.txt", repo_id=repo, create_pr=True
)
seen["url"] = first.pr_url
seen["revision"] = first.pr_revision
seen["before"] = api.hf_hub_download(repo, "a.txt", revision="main")
with open(api.hf_hub_download(repo, "a.txt", revision="refs/pr/1")) as file:
    seen["proposed"] = file.read()
api.upload_file(
    path_or_fileobj=b"more", path_in_repo="b.txt", repo_id=repo, revision="refs/pr/1"
)
details = api.get_discussion_details(repo, 1)
seen["details"] = [
    details.status,
    details.is_pull_request,
    details.conflicting_files,
    details.target_branch,
]

second = api.upload_file(
    path_or_fileobj=b"three", path_in_repo="a.txt", repo_id=repo, create_pr=True
)
api.comment_discussion(repo, 1, comment="Looks right")
api.rename_discussion(repo, 1, new_title="Two and more")
api.merge_pull_request(repo, 1)
merged = api.get_discussion_details(repo, 1)
seen["merged"] = [
    merged.status,
    merged.title,
    merged.merge_commit_oid == api.repo_info(repo).sha,
]
seen["events"] = [event.type for event in merged.events]
seen["files"] = sorted(api.list_repo_files(repo))
with open(api.hf_hub_download(repo, "a.txt")) as file:
    seen["after"] = file.read()
try:
    api.merge_pull_request(repo, 2)
    seen["conflict"] = None
except HfHubHTTPError as error:
    seen["conflict"] = error.response.status_code
seen["conflicting"] = api.get_discussion_details(repo, 2).conflicting_files
api.change_discussion_status(repo, 2, new_status="closed")

ModelCard("---\nlicense: mit\n---\n# Card").push_to_hub(repo, create_pr=True)
with open("only.txt", "w") as file:
    file.write("only")
api.upload_folder(repo_id=repo, folder_path=".", allow_patterns="only.txt", create_pr=True)
seen["list"] = [[d.num, d.status] for d in api.get_repo_discussions(repo)]
seen["refs"] = [
    ref.ref
    for ref in api.list_repo_refs(repo, include_pull_requests=True).pull_requests
]
print(json.dumps(seen))
