"""Builds the programs of Tokio with Debian's Rust and Debian's crates; nothing is fetched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from .model import BenchError
from .programs import BENCH, program_path

CRATES = Path("/usr/share/cargo/registry")  # where Debian's librust-*-dev put their sources

# `[workspace]`: a Cargo.toml somewhere above the build directory is none of ours.
PACKAGE = """\
[package]
name = "bench"
version = "0.0.0"
edition = "2021"

[workspace]

[dependencies]
async-channel = "1"
libc = "0.2"

[dependencies.tokio]
version = "1"
features = ["io-util", "net", "parking_lot", "rt-multi-thread", "sync", "time"]

[profile.release]
opt-level = 3
lto = "thin"
codegen-units = 1
"""


def manifest() -> str:
    """A package of all there is, whatever is asked for, so that Tokio itself is built only once."""
    support = BENCH / "support/tokio.rs"
    parts = [PACKAGE, _target("[lib]", "support", support)]
    for source in sorted(BENCH.glob("*/tokio.rs")):
        if source != support:
            parts.append(_target("[[bin]]", f"{source.parent.name}-tokio", source))
    return "\n".join(parts)


def _target(kind: str, name: str, source: Path) -> str:
    path = json.dumps(str(source), ensure_ascii=False)  # TOML's strings are written alike
    return f'{kind}\nname = "{name}"\npath = {path}\n'


def build_tokio(build: Path, workloads: list[str]) -> None:
    """Compiles BENCH/WORKLOAD/tokio.rs of each; what that leaves is below the build directory."""
    # Crates and compiler belong together, so another Rust that comes first in PATH does not count.
    search = os.pathsep.join(("/usr/bin", os.environ.get("PATH", os.defpath)))
    cargo = shutil.which("cargo", path=search)
    if cargo is None or not any(CRATES.glob("tokio-1.*")):
        raise BenchError(
            f"the Tokio peers need Cargo and the crate tokio in {CRATES} "
            "(Debian: cargo rustc librust-tokio-dev librust-async-channel-dev)"
        )
    package = build.resolve() / "cargo"
    package.mkdir(parents=True, exist_ok=True)
    (package / "Cargo.toml").write_text(manifest())
    home = {"CARGO_HOME": str(package / "home"), "CARGO_TARGET_DIR": str(package / "target")}
    environment = {**os.environ, **home, "PATH": search, "RUSTFLAGS": ""}
    targets = [program_path(build, workload, "tokio") for workload in workloads]
    command = [cargo, "build", "--offline", "--release"]
    command += ["--config", 'source.crates-io.replace-with = "debian"']
    command += ["--config", f'source.debian.directory = "{CRATES}"']
    for target in targets:
        command += ["--bin", target.name]
    done = subprocess.run(command, cwd=package, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchError(f"cargo build of {', '.join(workloads)} failed:\n{done.stderr.strip()}")
    for target in targets:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(package / "target/release" / target.name, target)
