#!/usr/bin/env python3
"""Goal: what `meson install` puts down is enough to build and run a program with.

Method: install into an empty directory, ask each installed .pc file for the flags, build a program
against the shared libraries and against the static ones, run both, and look at which of them needs
libweft.so. The source tree's headers are nowhere on the compiler's path. What is beside libweft is also
preloaded into a program that knows of neither.
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


def pkg_config(prefix, libdir, module, *arguments):
    # The prefix written in a .pc file is where a packager would install; here it lies below DESTDIR.
    env = {**os.environ, "PKG_CONFIG_PATH": str(libdir / "pkgconfig")}
    command = ["pkg-config", f"--define-variable=prefix={prefix}", *arguments, module]
    return shlex.split(run(command, env=env))


def check_headers(source, prefix, left_out):
    wanted = {path.relative_to(source) for path in source.rglob("*.h")}
    wanted = {path for path in wanted if path.name not in left_out}
    found = {path.relative_to(prefix / "include") for path in (prefix / "include").rglob("*.h")}
    if wanted != found:
        sys.exit(f"headers missing: {wanted - found}, headers too many: {found - wanted}")


def build_and_run(compiler, flags, source, program, libdir, needs_shared):
    source = pathlib.Path(__file__).with_name(source)
    run([*compiler, "-std=c++20", "-Wall", "-Werror", source, "-o", program, *flags])
    run([program], env={**os.environ, "LD_LIBRARY_PATH": str(libdir)}, timeout=30)
    dynamic = subprocess.check_output(["readelf", "--dynamic", program], text=True)
    if ("libweft.so" in dynamic) != needs_shared:
        sys.exit(f"{program.name}: linked with the wrong library")


def check_library(compiler, prefix, libdir, module, source, scratch):
    shared = pkg_config(prefix, libdir, module, "--cflags", "--libs")
    build_and_run(compiler, shared, source, scratch / f"{module}_shared", libdir, needs_shared=True)

    static = pkg_config(prefix, libdir, module, "--static", "--cflags", "--libs")
    # Nobody asks for the hooks by a name that only they have.
    archives = {"-lweft": ["-l:libweft.a"], "-lweft_tls": ["-l:libweft_tls.a"],
                "-lweft_hook": ["-Wl,--whole-archive", "-l:libweft_hook.a", "-Wl,--no-whole-archive"]}
    static = [given for flag in static for given in archives.get(flag, [flag])]
    build_and_run(compiler, static, source, scratch / f"{module}_static", libdir, needs_shared=False)


def check_preload(libdir, module):
    """As for the children of a program with the hooks preloaded: nobody tells them where libweft is."""
    env = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    said = run(["echo", "hi"], env={**env, "LD_PRELOAD": str(libdir / f"lib{module}.so.0")})
    if said != "hi\n":
        sys.exit(f"{module}: cannot be preloaded into a program that has no weft")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--headers", type=pathlib.Path, required=True)
    parser.add_argument("--compiler", nargs="+", required=True)
    parser.add_argument("--without", nargs="*", default=[], help="headers of what is not built")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="weft-install-") as scratch:
        scratch = pathlib.Path(scratch)
        prefix, libdir = install(args.build, scratch / "root")
        check_headers(args.headers, prefix, args.without)
        check_library(args.compiler, prefix, libdir, "weft", "program.cc", scratch)
        check_library(args.compiler, prefix, libdir, "weft_hook", "hook_program.cc", scratch)
        check_preload(libdir, "weft_hook")
        if (libdir / "pkgconfig/weft_tls.pc").exists() != ("tls.h" not in args.without):
            sys.exit("weft_tls.pc: installed without its headers, or the other way round")
        if "tls.h" not in args.without:
            check_library(args.compiler, prefix, libdir, "weft_tls", "tls_program.cc", scratch)
            check_preload(libdir, "weft_tls")


if __name__ == "__main__":
    main()
