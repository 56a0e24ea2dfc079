"""Chromium (Debian's package `chromium`), controlled as a reader does: keys, clicks, and what the page then shows.

It is driven through a pipe by the Chrome DevTools Protocol, and has no network.
"""

import base64
import json
import os
import shutil
import subprocess
import tempfile

PATH = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)


class Browser:
    """A headless browser with one page.  Use it as a context manager."""

    def __init__(self, width=1280, height=720):
        self._folder = tempfile.TemporaryDirectory()
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()

        def pipes():                        # the browser reads descriptor 3 and writes descriptor 4
            one, two = os.dup(to_browser), os.dup(from_browser)
            os.dup2(one, 3)
            os.dup2(two, 4)

        self._process = subprocess.Popen(
            [PATH, '--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-quic',
             '--disable-background-networking', '--disable-component-update', '--disable-sync', '--hide-scrollbars',
             '--proxy-server=127.0.0.1:9', '--force-device-scale-factor=1', f'--user-data-dir={self._folder.name}',
             f'--window-size={width},{height}', '--remote-debugging-pipe', 'about:blank'],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=pipes,
            close_fds=False)
        os.close(to_browser)
        os.close(from_browser)
        self._buffer, self._number, self._session, self.loaded = b'', 0, None, False
        self.problems = []                  # exceptions of scripts, and violations of the page's policy
        target = next(one for one in self.call('Target.getTargets')['targetInfos'] if one['type'] == 'page')
        self._session = self.call('Target.attachToTarget', targetId=target['targetId'], flatten=True)['sessionId']
        for domain in 'Page', 'Runtime', 'Log':
            self.call(f'{domain}.enable')
        self.resize(width, height)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        try:
            self._session = None
            self.call('Browser.close')
        except (OSError, EOFError):
            pass
        self._process.wait(60)
        os.close(self._out)
        os.close(self._in)
        self._folder.cleanup()

    def call(self, method, **parameters):
        """Call a method of the protocol, and return its result."""
        self._number += 1
        message = {'id': self._number, 'method': method, 'params': parameters}
        if self._session is not None:
            message['sessionId'] = self._session
        os.write(self._out, json.dumps(message).encode() + b'\0')
        while True:
            answer = self._read()
            if answer.get('id') == self._number:
                if 'error' in answer:
                    raise RuntimeError(answer['error'])
                return answer['result']
            self._event(answer)

    def _read(self):
        while b'\0' not in self._buffer:
            data = os.read(self._in, 1 << 20)
            if not data:
                raise EOFError('the browser has ended')
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b'\0')
        return json.loads(message)

    def _event(self, message):
        parameters = message.get('params', {})
        if message.get('method') == 'Runtime.exceptionThrown':
            self.problems.append(parameters['exceptionDetails'])
        elif message.get('method') == 'Log.entryAdded' and parameters['entry']['level'] == 'error':
            self.problems.append(parameters['entry'])
        elif message.get('method') == 'Page.loadEventFired':
            self.loaded = True

    def open(self, address):
        """Open a page, and wait until it is loaded."""
        for url in 'about:blank', address:      # a new fragment alone would not load the page again
            self.loaded = False
            self.call('Page.navigate', url=url)
            while not self.loaded:
                self._event(self._read())

    def run(self, script):
        """Run JavaScript, the body of an async function, in the page, and return what it returns."""
        result = self.call('Runtime.evaluate', expression=f'(async () => {{ {script} }})()', awaitPromise=True,
                           returnByValue=True)
        if 'exceptionDetails' in result:
            raise RuntimeError(result['exceptionDetails'])
        return result['result'].get('value')

    KEYS = {'Enter': ('\r', 13), 'Tab': (None, 9), ' ': (' ', 32), 'ArrowLeft': (None, 37), 'ArrowUp': (None, 38),
            'ArrowRight': (None, 39), 'ArrowDown': (None, 40), 'Home': (None, 36), 'End': (None, 35)}

    def press(self, key, modifiers=0):
        text, code = self.KEYS.get(key, (key, ord(key[0].upper())))
        more = {'text': text} if text else {}
        self.call('Input.dispatchKeyEvent', type='keyDown', key=key, windowsVirtualKeyCode=code, modifiers=modifiers, **more)
        self.call('Input.dispatchKeyEvent', type='keyUp', key=key, windowsVirtualKeyCode=code, modifiers=modifiers)

    def click(self, selector, number=0, at=(.5, .5)):
        """Click an element, at a part of its width and height."""
        x, y = self.run(f'''
            const element = document.querySelectorAll({json.dumps(selector)})[{number}];
            element.scrollIntoView({{block: 'nearest'}});
            const box = element.getBoundingClientRect();
            return [box.left + box.width * {at[0]}, box.top + box.height * {at[1]}];''')
        for kind in 'mousePressed', 'mouseReleased':
            self.call('Input.dispatchMouseEvent', type=kind, x=x, y=y, button='left', clickCount=1)

    def resize(self, width, height, mobile=False):
        self.call('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def scheme(self, name):
        """Choose the color scheme: 'light' or 'dark'."""
        self.call('Emulation.setEmulatedMedia', features=[{'name': 'prefers-color-scheme', 'value': name}])

    def picture(self, path, **clip):
        """Write a PNG of the window, or of a part: x, y, width, height."""
        how = {'clip': clip | {'scale': 1}} if clip else {}
        data = self.call('Page.captureScreenshot', format='png', **how)['data']
        with open(path, 'wb') as file:
            file.write(base64.b64decode(data))
