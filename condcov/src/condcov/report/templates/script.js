// The index sorts and filters its files; a file's page opens truth tables and goes from gap to gap.
'use strict';

function sortable(table) {
    const body = table.tBodies[0];
    const value = (row, column) => row.cells[column].dataset.value;
    table.querySelectorAll('thead button').forEach(button => button.addEventListener('click', () => {
        const head = button.closest('th');
        const column = head.cellIndex;
        // What a reader wants first: names from A, and percentages from the lowest.
        const down = head.getAttribute('aria-sort') === 'ascending';
        table.querySelectorAll('thead th').forEach(other => other.setAttribute('aria-sort', 'none'));
        head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
        const sign = down ? -1 : 1;
        [...body.rows].sort((one, two) => {
            const a = value(one, column), b = value(two, column);
            if (column === 0) {
                return sign * a.localeCompare(b);
            }
            if (a === '' || b === '') {                 // nothing to cover: last both ways
                return (a === '') - (b === '') || one.cells[0].dataset.value.localeCompare(two.cells[0].dataset.value);
            }
            return sign * (a - b) || one.cells[0].dataset.value.localeCompare(two.cells[0].dataset.value);
        }).forEach(row => body.append(row));
    }));
}

function filterable(input, hide, table, said) {
    const rows = [...table.tBodies[0].rows];
    const update = () => {
        const words = input.value.toLowerCase().split(/\s+/);
        let shown = 0;
        for (const row of rows) {
            const name = row.cells[0].dataset.value.toLowerCase();
            row.hidden = !words.every(word => name.includes(word)) || hide.checked && 'covered' in row.dataset;
            shown += !row.hidden;
        }
        said.textContent = `${shown} of ${rows.length} ${said.dataset.unit}`;
    };
    input.addEventListener('input', update);
    hide.addEventListener('change', update);
}

function conditions(source) {
    const parts = decision => source.querySelectorAll(`.c[data-decision="${decision}"]`);
    const open = (decision, opened) => {
        const table = document.getElementById(decision);
        if (!table) {
            return;
        }
        table.hidden = !opened;
        source.querySelectorAll(`[aria-controls="${decision}"]`).forEach(part => part.setAttribute('aria-expanded', opened));
    };
    const opened = decision => !document.getElementById(decision).hidden;
    let last = null;                                    // where the focus returns to when a truth table is closed

    const toggle = part => {
        const decision = part.dataset.decision;
        last = part;
        open(decision, !opened(decision));
    };
    const close = table => {
        open(table.id, false);
        const back = last && last.dataset.decision === table.id ? last
            : source.querySelector(`.c[data-decision="${table.id}"][tabindex]`);
        if (back) {
            back.focus();
        }
    };
    source.addEventListener('click', event => {
        const part = event.target.closest('.c');
        if (part && getSelection().isCollapsed) {
            toggle(part);
        } else if (event.target.closest('.close')) {
            close(event.target.closest('.truth'));
        } else if (event.target.closest('.part-of')) {
            event.preventDefault();
            const outer = event.target.closest('.part-of').dataset.decision;
            open(outer, true);
            document.getElementById(outer).scrollIntoView({block: 'nearest'});
        }
    });
    source.addEventListener('keydown', event => {
        const part = event.target.closest('.c');
        if (part && (event.key === 'Enter' || event.key === ' ')) {
            event.preventDefault();
            toggle(part);
        } else if (event.key === 'Escape') {
            const table = event.target.closest('.truth')
                || (part && opened(part.dataset.decision) && document.getElementById(part.dataset.decision));
            if (table) {
                last = part || last;
                close(table);
            }
        }
    });
    for (const [name, on] of [['mouseover', true], ['mouseout', false], ['focusin', true], ['focusout', false]]) {
        source.addEventListener(name, event => {
            const part = event.target.closest('.c');
            if (part) {
                parts(part.dataset.decision).forEach(other => other.classList.toggle('same', on));
            }
            const verdict = event.target.closest('[data-rows]');
            if (verdict) {
                const rows = verdict.closest('.truth').querySelectorAll(':scope table > tbody > tr');
                verdict.dataset.rows.split(' ').forEach(row => rows[row - 1].classList.toggle('pair', on));
            }
        });
    }

    const gaps = [...source.querySelectorAll('tr.gap')];
    let at = -1;
    const go = step => {
        if (!gaps.length) {
            return;
        }
        gaps.forEach(row => row.classList.remove('here'));
        at = (at + step + gaps.length + (at < 0 && step < 0)) % gaps.length;
        gaps[at].classList.add('here');
        gaps[at].scrollIntoView({block: 'center'});
        (gaps[at].querySelector('.c[tabindex]') || gaps[at].querySelector('a')).focus({preventScroll: true});
    };
    document.addEventListener('keydown', event => {
        if (!event.ctrlKey && !event.metaKey && !event.altKey && (event.key === 'n' || event.key === 'p')) {
            go(event.key === 'n' ? 1 : -1);
        }
    });

    const wanted = () => {                              // #d3, from the list of gaps or from elsewhere
        const decision = location.hash.slice(1);
        if (/^d\d+$/.test(decision) && document.getElementById(decision)) {
            open(decision, true);
            (parts(decision)[0] || document.getElementById(decision)).scrollIntoView({block: 'center'});
        }
    };
    addEventListener('hashchange', wanted);
    wanted();
}

const files = document.querySelector('table.files');
if (files) {
    sortable(files);
    filterable(document.querySelector('.tools [type=search]'), document.querySelector('.tools .hide'), files,
        document.querySelector('.tools [role=status]'));
}
const source = document.querySelector('.source');
if (source) {
    conditions(source);
}
