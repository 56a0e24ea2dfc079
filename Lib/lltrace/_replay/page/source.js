// The source: the current line, and the columns that the current instruction was compiled from.

import {element} from './values.js';

export class Source {
    constructor(box, title, recording, goToLine) {
        Object.assign(this, {box, title, recording, goToLine});
        this.file = null;
        this.marked = [];
        this.opened = new Map();                        // file: its rows
        box.addEventListener('click', event => {
            const row = event.target.closest('.line');
            if (row && getSelection().isCollapsed) {
                goToLine(this.file, Number(row.dataset.line));
            }
        });
    }

    open(file) {
        this.file = file;
        this.marked = [];
        const {name, lines} = this.recording.files[file];
        this.title.textContent = name;
        if (!this.opened.has(file)) {
            this.opened.set(file, this.make(file, lines));
        }
        this.rows = this.opened.get(file);
        this.box.replaceChildren(...(this.rows.length ? this.rows
            : [element('p', {class: 'note'}, 'The source of this code is not available.')]));
    }

    make(file, lines) {
        const codes = this.recording.codes.filter(code => code.file === file);
        const executed = new Set(codes.flatMap(code => [...code.executed].map(i => code.instructions[i][6])));
        const never = new Set(codes.flatMap(code => code.instructions.map(one => one[6]))
            .filter(line => !executed.has(line)));
        return lines.map((text, i) => element(
            'div', {class: `line${never.has(i + 1) ? ' cold' : ''}`, 'data-line': i + 1, role: 'button', tabindex: -1},
            element('span', {class: 'number'}, String(i + 1)), element('code', {}, text || ' ')));
    }

    show(step) {
        const recording = this.recording, code = recording.code(step);
        for (const [row, text] of this.marked) {
            row.classList.remove('now');
            row.removeAttribute('aria-current');
            row.tabIndex = -1;
            row.lastChild.textContent = text || ' ';
        }
        if (code.file !== this.file) {
            this.open(code.file);
        }
        this.marked = [];
        this.now = null;
        const at = recording.at(step), lines = recording.files[this.file].lines;
        const line = at.line === null ? recording.nearLine(step) : at.line;
        if (line === null || !this.rows[line - 1]) {
            return;
        }
        // RESUME, which starts a function, and instructions of a whole block mark their first line only.
        const whole = at.line === null || at.column === null || at.name === 'RESUME' || at.endLine - at.line > 12;
        for (let i = line; i <= (whole ? line : at.endLine); i++) {
            const row = this.rows[i - 1], text = lines[i - 1];
            if (!row) {
                break;
            }
            this.marked.push([row, text]);
            row.classList.add('now');
            row.tabIndex = 0;
            if (whole) {
                continue;
            }
            const first = i === at.line ? at.column : text.length - text.trimStart().length;
            const end = i === at.endLine ? at.endColumn : text.length;
            row.lastChild.replaceChildren(text.slice(0, first), element('mark', {}, text.slice(first, end)),
                text.slice(end));
        }
        this.rows[line - 1].setAttribute('aria-current', 'true');
        this.now = this.rows[line - 1];
    }

    // After all panels have changed, so that the browser computes the layout once.
    settle() {
        if (this.now) {
            reveal(this.box, this.now);
        }
    }
}

// Scrolls a box, and not the page, to show an element in it.
export function reveal(box, inner) {
    const top = inner.offsetTop, bottom = top + inner.offsetHeight;
    if (top < box.scrollTop + 24 || bottom > box.scrollTop + box.clientHeight - 24) {
        box.scrollTop = top - box.clientHeight / 2;
    }
}
