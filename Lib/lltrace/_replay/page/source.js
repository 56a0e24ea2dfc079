// The source: the current line, and the columns that the current instruction was compiled from.

import {element} from './values.js';

// What a statement that contains others starts with.
const BLOCK = /^(async |for|while|if|with|try|def|class)\b/;

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
        const recording = this.recording, code = recording.code(step), at = recording.at(step);
        const lines = recording.files[code.file].lines;
        // RESUME, which starts a function, and instructions of a whole block mark their first line only.
        const whole = at.line === null || at.column === null || at.name === 'RESUME' || at.endLine - at.line > 12;
        const block = at.endLine > at.line && BLOCK.test((lines[at.line - 1] || '').slice(at.column));
        this.mark(code.file, whole ? {line: recording.nearLine(step), endLine: recording.nearLine(step), column: null}
            : block ? {...at, endLine: at.line, endColumn: lines[at.line - 1].length} : at);
    }

    // Mark columns of lines, or a line if column is null.
    mark(file, {line, column, endLine, endColumn}) {
        for (const [row, text] of this.marked) {
            row.classList.remove('now');
            row.removeAttribute('aria-current');
            row.tabIndex = -1;
            row.lastChild.textContent = text || ' ';
        }
        if (file !== this.file) {
            this.open(file);
        }
        this.marked = [];
        this.now = null;
        const lines = this.recording.files[file].lines;
        if (!this.rows[line - 1]) {
            return;
        }
        for (let i = line; i <= endLine; i++) {
            const row = this.rows[i - 1], text = lines[i - 1];
            if (!row) {
                break;
            }
            this.marked.push([row, text]);
            row.classList.add('now');
            row.tabIndex = 0;
            if (column === null) {
                continue;
            }
            const first = i === line ? column : text.length - text.trimStart().length;
            const end = i === endLine ? endColumn : text.length;
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
