"""Trees of control groups, made up as the kernel makes them."""

from pathlib import Path

from tests.kit.projects import write


def v2(
    root: Path,
    files: dict[str, str],
    membership: str = "0::/a/b\n",
    top: str = "/",
    mount: str = "/sys/fs/cgroup",
) -> Path:
    """Make a mount of version 2 with `files`, by their paths below it; return `root`."""
    mounts = f"31 23 0:28 {top} {mount} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"
    write(root, {"proc/self/cgroup": membership, "proc/self/mountinfo": mounts})
    write(root / mount.replace("\\040", " ").lstrip("/"), files)
    return root


def v1(root: Path, files: dict[str, str]) -> Path:
    """Make the mounts `memory` and `cpu` of version 1, in which the process is in group /a."""
    membership = "4:memory:/a\n2:cpuacct,cpu:/a\n"
    line = "35 31 0:32 / /cg/{} rw,relatime shared:9 - cgroup cgroup rw,{}"
    mounts = f"{line.format('memory', 'memory')}\n{line.format('cpu', 'cpu,cpuacct')}"
    write(root, {"proc/self/cgroup": membership, "proc/self/mountinfo": mounts})
    write(root / "cg", files)
    return root
