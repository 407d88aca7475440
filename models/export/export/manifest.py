"""Entries of `manifest.json`, the program's list of models, for exported graphs."""

import json
from pathlib import Path

from .graph import files
from .weights import sha256

MANIFEST = "manifest.json"


def entry(id: str, kind: str, family: str, title: str, origin: str, graphs: dict[str, Path], **settings) -> dict:
    """graphs: role -> file. Weights beside a large graph become a file of role `data`, `encoder-data` or `decoder-data`."""
    listed = []
    for role, path in graphs.items():
        data_role = "data" if role == "model" else f"{role}-data"
        for name, file in zip((role, data_role), files(path)):
            listed.append(
                {"role": name, "file": file.name, "sha256": sha256(file), "bytes": file.stat().st_size}
            )
    return {
        "id": id,
        "kind": kind,
        "family": family,
        "title": title,
        "licence": "Apache-2.0",
        "origin": origin,
        **settings,
        "files": listed,
    }


def add(folder: Path, new: dict) -> None:
    """Puts an entry into the folder's manifest, in place of one of the same kind and id."""
    path = folder / MANIFEST
    models = json.loads(path.read_text("utf-8"))["models"] if path.exists() else []
    models = [old for old in models if (old["kind"], old["id"]) != (new["kind"], new["id"])] + [new]
    path.write_text(json.dumps({"version": 1, "models": models}, indent=2) + "\n", "utf-8")


def import_command(folder: Path, made: dict) -> str:
    """The command line that brings an exported model into the program."""
    paths = " ".join(quoted(folder / file["file"]) for file in made["files"])
    options = f"--id {made['id']} --kind {made['kind']} --family {made['family']}"
    return f"ap-medsam models import {paths} {options} --licence {made['licence']}"


def quoted(path: Path) -> str:
    return f'"{path}"' if " " in str(path) else str(path)
