"""The pages of the HTML report in Chromium (Debian's package `chromium`): a script acts as the reader.

The browser has no network here, and the pages are files, as they are for most readers.
"""

import json
import re
import shutil
import subprocess

import pytest

from condcov.report import html
from support import reports

BROWSER = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)

pytestmark = [pytest.mark.slow,
              pytest.mark.skipif(not BROWSER, reason='Chromium is not installed (apt-get install chromium)')]

SCRIPT = '''
const key = (element, name) => element.dispatchEvent(
    new KeyboardEvent('keydown', {key: name, bubbles: true, cancelable: true}));
const part = (decision, at = 0) => document.querySelectorAll(`.c[data-decision="${decision}"]`)[at];
const open = decision => !document.getElementById(decision).hidden;
const said = [];
addEventListener('error', event => said.push(event.message));
addEventListener('load', () => setTimeout(() => {
    let found;
    try {
        found = (() => { %s })();
    } catch (error) {
        said.push(String(error));
    }
    const out = document.createElement('script');
    out.type = 'application/json';
    out.id = 'found';
    out.textContent = JSON.stringify({found, said});
    document.body.append(out);
}, 50));
'''


@pytest.fixture
def act(tmp_path):
    """Opens a page of the report, runs JavaScript in it, and returns the result."""
    html.write(reports.result(), tmp_path / 'html')

    def act(page, script, fragment='', width=1200):
        path = tmp_path / 'html' / page
        acting = f'<script>{SCRIPT % script}</script></body>'
        path.write_text(path.read_text('utf-8').replace('</body>', acting), 'utf-8')
        done = subprocess.run(
            [BROWSER, '--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-quic',
             '--disable-background-networking', '--disable-component-update', '--disable-sync',
             '--proxy-server=127.0.0.1:9',
             f'--user-data-dir={tmp_path / "profile"}', f'--window-size={width},800', '--virtual-time-budget=3000',
             '--dump-dom', f'{path.as_uri()}{fragment}'], capture_output=True, text=True, timeout=900,
            stdin=subprocess.DEVNULL)
        written = re.search(r'<script type="application/json" id="found">(.*?)</script>', done.stdout, re.S)
        assert written, done
        result = json.loads(written[1])
        assert result['said'] == []
        return result.get('found')
    return act


FARES = html.page_name('railway/fares.py')


def test_a_click_opens_the_truth_table_and_closes_it(act):
    assert act(FARES, '''
        const found = [open('d2')];
        part('d2', 1).click();
        found.push(open('d2'), part('d2').getAttribute('aria-expanded'), part('d2', 3).getAttribute('aria-expanded'));
        found.push(getComputedStyle(document.getElementById('d2')).display);
        part('d2').click();
        found.push(open('d2'), part('d2').getAttribute('aria-expanded'));
        return found;
    ''') == [False, True, 'true', 'true', 'table-row', False, 'false']


def test_the_keyboard_opens_and_closes_and_keeps_the_place(act):
    assert act(FARES, '''
        const found = [];
        const second = part('d2', 1);
        second.focus();
        key(second, 'Enter');
        found.push(open('d2'));
        key(second, ' ');
        found.push(open('d2'));
        key(second, 'Enter');
        const close = document.querySelector('#d2 .close');
        close.focus();
        key(close, 'Escape');
        found.push(open('d2'), document.activeElement === second);
        key(second, 'Enter');
        close.click();
        found.push(open('d2'), document.activeElement === second);
        key(second, 'Escape');
        found.push(open('d2'));
        return found;
    ''') == [True, False, False, True, False, True, False]


def test_every_condition_can_be_reached_with_the_tab_key(act):
    assert act(FARES, '''
        const decisions = new Set([...document.querySelectorAll('.c[data-decision]')].map(it => it.dataset.decision));
        const reached = new Set([...document.querySelectorAll('.c[tabindex="0"]')].map(it => it.dataset.decision));
        return [decisions.size, reached.size];
    ''') == [13, 13]


def test_n_and_p_go_from_gap_to_gap_and_around(act):
    found = act(FARES, '''
        const rows = [];
        const go = name => {
            key(document.body, name);
            rows.push(document.querySelector('tr.here').id);
        };
        const gaps = [...document.querySelectorAll('tr.gap')].map(row => row.id);
        go('n'); go('n'); go('p'); go('p'); go('n');
        return [gaps, rows, document.activeElement.closest('tr').id];
    ''')
    gaps, rows, focused = found
    assert rows == [gaps[0], gaps[1], gaps[0], gaps[-1], gaps[0]]
    assert focused == gaps[0]


def test_an_address_with_a_decision_opens_it(act):
    assert act(FARES, '''
        return [open("d3"), open("d2"), document.getElementById("d3").getBoundingClientRect().top < 800];
    ''', '#d3') == [True, False, True]


def test_a_decision_within_leads_to_the_one_around_it(act):
    assert act(FARES, '''
        part('d9').click();
        document.querySelector('#d9 .part-of').click();
        return [open('d8'), open('d9'), location.hash];
    ''') == [True, True, '']


def test_pointing_at_a_verdict_shows_its_paths(act):
    assert act(FARES, '''
        part('d2').click();
        const verdict = document.querySelector('#d2 [data-rows="2 5"]');
        verdict.dispatchEvent(new MouseEvent('mouseover', {bubbles: true}));
        const rows = [...document.querySelectorAll('#d2 tbody tr')].map(row => row.classList.contains('pair'));
        verdict.dispatchEvent(new MouseEvent('mouseout', {bubbles: true}));
        return [rows, document.querySelectorAll('.pair').length];
    ''') == [[False, True, False, False, True], 0]


def test_the_index_sorts_both_ways_with_nothing_to_cover_last(act):
    found = act('index.html', '''
        const names = () => [...document.querySelectorAll('.files tbody th')].map(it => it.dataset.value.slice(8));
        const heads = [...document.querySelectorAll('.files thead th')];
        const found = [names()];
        for (const column of [2, 2, 0, 0]) {
            heads[column].querySelector('button').click();
            found.push([heads.map(head => head.getAttribute('aria-sort')[0]).join(''), ...names()]);
        }
        return found;
    ''')
    first, *sorted_ = found
    assert first == ['__init__.py', 'empty.py', 'fares.py']
    assert sorted_ == [
        ['nnannn', 'fares.py', '__init__.py', 'empty.py'], ['nndnnn', '__init__.py', 'fares.py', 'empty.py'],
        ['annnnn', '__init__.py', 'empty.py', 'fares.py'], ['dnnnnn', 'fares.py', 'empty.py', '__init__.py']]


def test_the_index_filters_by_words(act):
    assert act('index.html', '''
        const input = document.querySelector('.tools [type=search]');
        const shown = text => {
            input.value = text;
            input.dispatchEvent(new Event('input', {bubbles: true}));
            return [[...document.querySelectorAll('.files tbody tr')].filter(row => !row.hidden).length,
                    document.querySelector('.tools [role=status]').textContent];
        };
        return [shown('RAIL fares'), shown('nowhere'), shown('')];
    ''') == [[1, '1 of 3 files'], [0, '0 of 3 files'], [3, '3 of 3 files']]


@pytest.mark.parametrize('width', [500, 1400])
@pytest.mark.parametrize('page', ['index.html', FARES])
def test_nothing_sticks_out_of_the_window(act, page, width):
    """Wide content scrolls in a separate box."""
    assert act(page, '''
        document.querySelectorAll('.truth').forEach(row => { row.hidden = false; });
        const boxes = [...document.querySelectorAll('.truth .box')].map(box => box.getBoundingClientRect().right);
        return [document.documentElement.scrollWidth <= innerWidth, Math.max(0, ...boxes) <= innerWidth];
    ''', width=width) == [True, True]
