"""What a Colab session runs for the GPU source `colab`: sets Plein Air up and starts a GPU worker in the background.

The lines before this file set the worker's variables. Where the project comes from is `PLEIN_AIR_PROJECT`: an address that
`git clone` takes, or a folder that is there already.
"""

import os
import pathlib
import subprocess
import sys

source = os.environ.get("PLEIN_AIR_PROJECT", "")
folder = pathlib.Path(os.environ.get("PLEIN_AIR_FOLDER", "/content/plein-air"))
if source and pathlib.Path(source).is_dir():
    folder = pathlib.Path(source)
elif not (folder / "package.json").exists():
    if not source:
        sys.exit(
            "Expected PLEIN_AIR_PROJECT in the source's environment: an address for git clone, or a folder; got none"
        )
    subprocess.run(["git", "clone", "--depth", "1", source, str(folder)], check=True)
environment = {**os.environ, "PLEIN_AIR_SETUP_GPU": "1"}
if os.environ.get("PLEIN_AIR_SKIP_SETUP") != "1":
    subprocess.run(["node", "scripts/setup.mjs"], cwd=folder, check=True, env=environment)
with open(folder / "gpu-worker.log", "ab") as log:
    worker = subprocess.Popen(
        ["node", str(folder / "dist" / "workers" / "gpu-worker.js")],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
sys.stdout.write(f"GPU worker {os.environ.get('PLEIN_AIR_IDENTITY', '')} started as process {worker.pid}\n")
