"""A process that another one started ends with it, however that one ends (the demo sets CPE_PARENT_PID)."""

import os
import threading
import time


def end_with_parent(sign: int) -> None:
    """Send this process the signal once the process that CPE_PARENT_PID names is no longer its parent."""
    parent = int(os.environ.get("CPE_PARENT_PID", "0"))
    if not parent:
        return

    def follow():
        while os.getppid() == parent:
            time.sleep(0.2)
        os.kill(os.getpid(), sign)

    threading.Thread(target=follow, daemon=True).start()
