"""Trees of control groups, made up as the kernel makes them."""

from __future__ import annotations

from pathlib import Path

V2_MOUNT = "31 23 0:28 {top} {mount} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"
V1_MOUNT = "35 31 0:32 {top} {mount} rw,relatime shared:9 - cgroup cgroup rw,{controllers}"
NO_LIMIT_V1 = "9223372036854771712"


def tree(root: Path, membership: str, mounts: list[str], files: dict[str, str]) -> Path:
    write(root, {"proc/self/cgroup": membership, "proc/self/mountinfo": "\n".join(mounts)})
    write(root, files)
    return root


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def v2(root: Path, files: dict[str, str], membership: str = "0::/a/b\n", top: str = "/") -> Path:
    mount = V2_MOUNT.format(top=top, mount="/sys/fs/cgroup")
    return tree(root, membership, [mount], {f"sys/fs/cgroup/{k}": v for k, v in files.items()})


def v1(
    root: Path, files: dict[str, str], membership: str = "4:memory:/a\n2:cpuacct,cpu:/a\n"
) -> Path:
    mounts = [
        V1_MOUNT.format(top="/", mount="/cg/memory", controllers="memory"),
        V1_MOUNT.format(top="/", mount="/cg/cpu", controllers="cpu,cpuacct"),
    ]
    return tree(root, membership, mounts, {f"cg/{k}": v for k, v in files.items()})
