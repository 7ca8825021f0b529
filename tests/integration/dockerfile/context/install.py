"""Changes an image: adds files, changes a mode, removes one."""

import os
import shutil
import sys

target = os.environ["TARGET"]
os.makedirs(target)
shutil.copyfile(sys.argv[1], f"{target}/built.txt")
os.chmod(f"{target}/built.txt", 0o640)
os.chmod("/usr/local/bin/greet", 0o700)
os.remove("/usr/share/greeting")
