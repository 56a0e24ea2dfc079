"""Make the pictures of lltrace's replay in the documentation, with Chromium.

    python3 build-aux/pictures.py [PYTHON]

PYTHON is the fork's interpreter, ./python by default.  The program is the one in the tutorial.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'tests'))

from support import browser  # noqa: E402
from test_howto import PAGE, blocks  # noqa: E402

# name: the keys or clicks that lead to the step
PICTURES = {
    'replay-else.png': lambda chromium: chromium.click('[data-line="5"]'),
    'replay-exception.png': lambda chromium: chromium.press('E'),
}


def main():
    python = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / 'python').resolve()
    if not browser.PATH:
        sys.exit('pictures.py: Chromium is not installed (apt-get install chromium)')
    program = next(text for _, name, text in blocks((ROOT / PAGE).read_text()) if name == 'grades.py')
    with tempfile.TemporaryDirectory() as folder, browser.Browser() as chromium:
        (Path(folder) / 'grades.py').write_text(program)
        subprocess.run([python, '-m', 'lltrace', '--replay', 'grades.html', 'grades.py'], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL)
        chromium.resize(1120, 640)
        chromium.scheme('light')
        chromium.open((Path(folder) / 'grades.html').as_uri())
        chromium.run('while (!document.body.page) { await new Promise(go => setTimeout(go, 10)); }')
        for name, reach in PICTURES.items():
            reach(chromium)
            chromium.run('document.activeElement.blur(); await new Promise(go => setTimeout(go, 300));')
            chromium.picture(ROOT / 'Doc/howto' / name)
            print(f'Doc/howto/{name}')


if __name__ == '__main__':
    main()
