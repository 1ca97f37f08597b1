"""What large answers took of memory is the system's again, whatever else is still in use."""

import subprocess
import sys
from pathlib import Path

import pytest

# Every other of many blocks is freed: in a heap they would leave holes.
SCRIPT = """
import re
from pathlib import Path
from lse_dagster.steps.fetch.day import return_large_blocks

def megabytes():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

return_large_blocks()
b"x" * (8 << 20)
blocks = [b"x" * (3 << 20) for _ in range(40)]
held = megabytes()
del blocks[::2]
print(held - megabytes())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells, and only glibc keeps")
def test_large_blocks_are_returned_when_they_are_freed() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)

    assert 55 <= float(done.stdout) <= 65
