"""The dashboard in a real browser, before a real aimeter and a real Redis: what somebody sees who opens it.

    dashboard_test.py [-v] [CLASS[.TEST]...]    the tests: Login, Figures, Drill, Changes, Told
    dashboard_test.py --screenshots DIR         pictures of each page instead, for docs/screenshots

AIMETER_TEST_BINARY is the program under test (build/release/aimeter). The rules of axe-core are checked when it is in
build/axe, where ./test puts it.
"""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
SKIPPED = 77  # for ctest

try:
    import browser
except ImportError as absent:
    print(f"skipped: {absent} (Debian: python3-selenium)")
    sys.exit(SKIPPED)
if browser.missing():
    print(f"skipped: {browser.missing()}")
    sys.exit(SKIPPED)

from changes_test import Changes, Told  # noqa: F401 (found by unittest)
from drill_test import Drill  # noqa: F401
from figures_test import Figures  # noqa: F401
from login_test import Login  # noqa: F401

if __name__ == "__main__":
    if "--screenshots" in sys.argv:
        import screenshots
        screenshots.make(sys.argv[sys.argv.index("--screenshots") + 1])
    else:
        unittest.main(verbosity=2)
