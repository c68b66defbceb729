"""Process groups: a program that is started in a session of its own, and its children, get one signal."""

from __future__ import annotations

import os
import signal


def signal_group(leader: int, number: signal.Signals = signal.SIGKILL) -> bool:
    """Send a signal to the process group of a session's leader.

    The group outlives its leader while a member is left.

    Args:
        leader: The process id of the program that was started with `start_new_session`.
        number: The signal.

    Returns:
        Whether a member is left; False also where none of them may be signalled.
    """
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
