"""
Makes or mends a virtual environment from a lock file: ``environment.py FOLDER LOCK``.

With ``--clients`` before the two the program itself stays outside, and ``--modules FOLDER``
installs the Node packages that FOLDER's own lock file names. Both are of clients that are not
ours, and big: they are made from nothing when their lock has changed, and never mended.

Also runs a command that must be alone at its work: ``environment.py --alone FILE COMMAND...``,
and undoes what root's run means to others: ``environment.py --give-back``.

What was done is stamped into the environment, last of all. With the stamp there and true nothing
is done; without it (an earlier run was interrupted, or this is the first) the environment is made
from nothing. One process at a time: a lock that the system drops with the process that holds it.

Only the standard library: this runs before anything is installed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
BUILD_LOCK = ROOT / "requirements" / "build.txt"

# Settings of a person's own pip that would lead an install out of the environment.
DISTRACTIONS = ("PIP_PREFIX", "PIP_REQUIRE_HASHES", "PIP_ROOT", "PIP_TARGET", "PIP_USER")


def main() -> int:
    """Do what the command line says; say on stderr what went wrong."""
    try:
        if sys.argv[1] == "--alone":
            return alone(Path(sys.argv[2]), sys.argv[3:])
        if sys.argv[1] == "--give-back":
            give_back()
            return 0
        if sys.argv[1] == "--clients":
            ensure_clients(ROOT / sys.argv[2], ROOT / sys.argv[3])
        elif sys.argv[1] == "--modules":
            ensure_modules(ROOT / sys.argv[2])
        else:
            ensure(ROOT / sys.argv[1], ROOT / sys.argv[2])
    except PermissionError as error:
        return failed(
            f"{error.filename}: not yours to write to: remove what another user's run left behind, "
            "or work in a clone of yours"
        )
    except subprocess.CalledProcessError as error:
        return failed(f"{' '.join(map(str, error.cmd))}\n{error.output}")
    except KeyboardInterrupt:
        return 130
    return 0


def alone(path: Path, command: list[str]) -> int:
    """Run *command* while no other holds *path*; its exit code."""
    with locked(path):
        return subprocess.run(command, check=False).returncode


def give_back() -> None:
    """Let what root has made in another's checkout be that other's, who could else not go on."""
    owner = ROOT.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    for folder, _, files in os.walk(ROOT):
        for path in [folder, *(os.path.join(folder, file) for file in files)]:  # noqa: PTH118 - many
            if os.lstat(path).st_uid == 0:
                os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def ensure(folder: Path, lock: Path) -> None:
    """Make the environment, unless it is there."""
    once(folder, lambda: is_made(folder, lock, wanted(lock)), lambda: make(folder, lock))


def ensure_clients(folder: Path, lock: Path) -> None:
    """Make the environment of clients, unless it is there."""
    says = stamped(lock)
    once(folder, lambda: is_made(folder, lock, says), lambda: make_clients(folder, lock, says))


def ensure_modules(folder: Path) -> None:
    """Install the Node packages that are locked in *folder*, unless they are there."""
    made = folder / "node_modules" / ".made-of-package-lock"
    says = stamped(*(folder / name for name in ("package-lock.json", "package.json", ".npmrc")))

    def is_there() -> bool:
        return made.exists() and made.read_text() == says

    def install() -> None:
        announce(made.parent)
        # Nothing that comes from elsewhere is run at its installation.
        run([shutil.which("npm") or "npm", "ci", "--ignore-scripts"], folder)
        made.write_text(says)

    # Beside it the lock would be a file that nobody ignores.
    once(ROOT / ".venv-sdks-node", is_there, install)


def once(folder: Path, is_there: Callable[[], bool], work: Callable[[], None]) -> None:
    """Do *work* unless it is done, and while no other process does."""
    if is_there():
        return
    with locked(folder.with_name(folder.name + ".lock")):
        # Whoever held the lock before may have done it.
        if not is_there():
            work()


def failed(why: str) -> int:
    """Report the failure, as an exit code."""
    sys.stderr.write(f"scripts/environment: {why.rstrip()}\n")
    return 1


def is_made(folder: Path, lock: Path, says: str) -> bool:
    """Whether the environment is whole, by a stamp that *says* so, and of a wanted Python."""
    try:
        if stamp(folder, lock).read_text() != says:
            return False
        version = subprocess.run(
            [folder / "bin" / "python", "-I", "-c", "import sys; print(*sys.version_info[:2])"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return False
    # Any supported Python will do, unless one was asked for.
    return "PYTHON" not in os.environ or version.split() == [*map(str, sys.version_info[:2])]


def stamp(folder: Path, lock: Path) -> Path:
    """The file that tells that *lock* was installed."""
    return folder / f"made-of-{lock.stem}"


def wanted(lock: Path) -> str:
    """What the stamp must say: where the checkout lies, and the sums of what an install reads."""
    return stamped(lock, BUILD_LOCK, ROOT / "pyproject.toml")


def stamped(*files: Path) -> str:
    """The same of *files* alone."""
    sources = [*files, Path(__file__)]
    sums = [hashlib.sha256(source.read_bytes()).hexdigest() for source in sources]
    return "\n".join([str(ROOT), *sums, ""])


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone among the processes that ask for *path*."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write("waiting for another run that sets up the environment ...\n")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def make(folder: Path, lock: Path) -> None:
    """
    Make *folder* hold what *lock* names, and the program itself.

    A whole environment of the same Python gets what has changed; any other is made anew.
    """
    announce(folder)
    if not reusable(folder):
        venv.EnvBuilder(clear=True, symlinks=True, with_pip=True).create(folder)
    stamps = {stamp(folder, lock): wanted(lock)} | withdrawn(folder)
    pip = pip_of(folder)
    requirements = [word for file in (BUILD_LOCK, lock) for word in ("--requirement", file)]
    run([*pip, "--require-hashes", "--no-deps", *requirements])
    run([*pip, "--no-deps", "--no-build-isolation", "--editable", ROOT])
    for path, text in stamps.items():
        path.write_text(text)


def make_clients(folder: Path, lock: Path, says: str) -> None:
    """Make *folder* hold what *lock* names, and nothing else."""
    announce(folder)
    venv.EnvBuilder(clear=True, symlinks=True, with_pip=True).create(folder)
    # Compiled, it would be several times as big, of which a client needs a hundredth.
    run([*pip_of(folder), "--no-compile", "--require-hashes", "--no-deps", "--requirement", lock])
    stamp(folder, lock).write_text(says)


def announce(folder: Path) -> None:
    """Say why nothing else happens for a while."""
    sys.stderr.write(f"setting up {folder.name} (once; what it installs is locked) ...\n")


def pip_of(folder: Path) -> list[str | Path]:
    """The beginning of a line that installs into *folder*."""
    python = folder / "bin" / "python"
    return [python, "-I", "-m", "pip", "--disable-pip-version-check", "install"]


def withdrawn(folder: Path) -> dict[Path, str]:
    """The stamps that will hold again when the work is done; none holds while it is under way."""
    stamps = {}
    for path in folder.glob("made-of-*"):
        lock = ROOT / "requirements" / f"{path.name.removeprefix('made-of-')}.txt"
        if lock.exists() and path.read_text() == wanted(lock):
            stamps[path] = wanted(lock)
        path.unlink()
    return stamps


def reusable(folder: Path) -> bool:
    """Whether *folder* was once finished in this place, by the Python that runs this."""
    finished = any(made.read_text().startswith(f"{ROOT}\n") for made in folder.glob("made-of-*"))
    # What venv writes down: the interpreter behind this one, where this one is an environment's.
    interpreter: str = getattr(sys, "_base_executable", sys.executable)
    home = f"home = {Path(interpreter).parent}\n"
    try:
        return finished and home in (folder / "pyvenv.cfg").read_text()
    except OSError:
        return False


def run(command: list[str | Path], folder: Path | None = None) -> None:
    """
    Run *command* in silence, in *folder* or far from everything.

    Raises:
        subprocess.CalledProcessError: It failed; its words are in ``output``.
    """
    surroundings = {name: value for name, value in os.environ.items() if name not in DISTRACTIONS}
    with tempfile.TemporaryDirectory() as elsewhere:
        subprocess.run(
            command,
            check=True,
            cwd=folder or elsewhere,
            env=surroundings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


if __name__ == "__main__":
    sys.exit(main())
