#!/usr/bin/env python3
"""Goal: what `meson install` puts down is enough to build and run a program with.

Method: install into an empty directory, ask the installed weft.pc for the flags, build program.cc
against the shared library and against the static one, run both, and look at which of them needs
libweft.so. The source tree's headers are nowhere on the compiler's path.
"""

import argparse
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile


def run(command, **kwargs):
    print("+", shlex.join(map(str, command)), flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kwargs)
    print(done.stdout, end="", flush=True)
    if done.returncode != 0:
        sys.exit(f"failed with {done.returncode}: {command[0]}")
    return done.stdout


def install(build, destination):
    run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", destination])
    options = json.loads(subprocess.check_output(["meson", "introspect", "--buildoptions", build]))
    value = {option["name"]: option["value"] for option in options}
    prefix = destination / value["prefix"].lstrip("/")
    return prefix, prefix / value["libdir"]


def pkg_config(prefix, libdir, *arguments):
    # The prefix written in weft.pc is where a packager would install; here it lies below DESTDIR.
    env = {**os.environ, "PKG_CONFIG_PATH": str(libdir / "pkgconfig")}
    command = ["pkg-config", f"--define-variable=prefix={prefix}", *arguments, "weft"]
    return shlex.split(run(command, env=env))


def check_headers(source, prefix):
    wanted = {path.relative_to(source) for path in source.rglob("*.h")}
    found = {path.relative_to(prefix / "include") for path in (prefix / "include").rglob("*.h")}
    if wanted != found:
        sys.exit(f"headers missing: {wanted - found}, headers too many: {found - wanted}")


def build_and_run(compiler, flags, program, libdir, needs_shared):
    source = pathlib.Path(__file__).with_name("program.cc")
    run([*compiler, "-std=c++20", "-Wall", "-Werror", source, "-o", program, *flags])
    run([program], env={**os.environ, "LD_LIBRARY_PATH": str(libdir)}, timeout=30)
    dynamic = subprocess.check_output(["readelf", "--dynamic", program], text=True)
    if ("libweft.so" in dynamic) != needs_shared:
        sys.exit(f"{program.name}: linked with the wrong library")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--headers", type=pathlib.Path, required=True)
    parser.add_argument("--compiler", nargs="+", required=True)
    args = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="weft-install-") as scratch:
        scratch = pathlib.Path(scratch)
        prefix, libdir = install(args.build, scratch / "root")
        check_headers(args.headers, prefix)

        shared = pkg_config(prefix, libdir, "--cflags", "--libs")
        build_and_run(args.compiler, shared, scratch / "with_shared", libdir, needs_shared=True)

        static = pkg_config(prefix, libdir, "--static", "--cflags", "--libs")
        static = ["-l:libweft.a" if flag == "-lweft" else flag for flag in static]
        build_and_run(args.compiler, static, scratch / "with_static", libdir, needs_shared=False)


if __name__ == "__main__":
    main()
