"""Announces a protocol that no worker knows yet."""

import json
import os
import sys

print(json.dumps(dict(event="ready", protocol=2, pid=os.getpid())), flush=True)
sys.stdin.read()
