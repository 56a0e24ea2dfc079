"""Take the screenshot of the HTML report in the documentation, with Chromium.

    python screenshot.py FOLDER PAGE#DECISION OUTPUT.png [--width 1200] [--height 800]

FOLDER is a report of `condcov html`, PAGE the name of a file in it, and DECISION the id of the truth table to open
(the end of the address after following a gap in the list).
"""

import argparse
import html
import pathlib
import shutil
import subprocess
import sys
import tempfile


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('folder', type=pathlib.Path)
    parser.add_argument('page')
    parser.add_argument('output', type=pathlib.Path)
    parser.add_argument('--width', type=int, default=1200)
    parser.add_argument('--height', type=int, default=800)
    arguments = parser.parse_args()
    browser = shutil.which('chromium') or shutil.which('google-chrome')
    if not browser:
        sys.exit('screenshot.py: Chromium is not installed (apt-get install chromium)')
    name, _, decision = arguments.page.partition('#')
    page = (arguments.folder / name).resolve()
    if not page.is_file():
        sys.exit(f'screenshot.py: {page} does not exist; give the name of a file in the report')
    address = html.escape(f'{page.as_uri()}{"#" + decision if decision else ""}')
    with tempfile.TemporaryDirectory() as folder:
        # Chromium cannot take a screenshot of a scrolled page, but it can if the page is inside another one.
        outer = pathlib.Path(folder) / 'outer.html'
        outer.write_text('<meta name="color-scheme" content="light dark"><body style="margin: 0"><iframe '
                         f'src="{address}" style="border: 0; width: 100vw; height: 100vh; display: block">')
        subprocess.run(
            [browser, '--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-sync',
             '--disable-background-networking', '--disable-component-update', '--hide-scrollbars',
             f'--user-data-dir={folder}/profile', f'--window-size={arguments.width},{arguments.height}',
             '--force-device-scale-factor=1', '--virtual-time-budget=3000',
             '--blink-settings=preferredColorScheme=1',       # light
             f'--screenshot={arguments.output.resolve()}', outer.as_uri()],
            check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == '__main__':
    main()
