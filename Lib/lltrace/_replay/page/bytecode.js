// The instructions of the function, with an arrow for where the current one jumps.

import {element} from './values.js';
import {reveal} from './source.js';

const SVG = 'http://www.w3.org/2000/svg';

export class Bytecode {
    constructor(box, title, recording, goToInstruction) {
        Object.assign(this, {box, title, recording});
        this.code = this.now = null;
        this.opened = new Map();                        // code: what open() made for it
        box.addEventListener('click', event => {
            const row = event.target.closest('.instruction');
            if (row && getSelection().isCollapsed) {
                goToInstruction(this.code, Number(row.dataset.index));
            }
        });
    }

    open(code) {
        this.code = code;
        this.now = null;
        if (!this.opened.has(code)) {
            this.opened.set(code, this.make(code));
        }
        Object.assign(this, this.opened.get(code));
        this.title.textContent = `of ${this.recording.title(code)}`;
        this.box.replaceChildren(this.list);
    }

    make(code) {
        const lines = this.recording.files[code.file].lines;
        const rows = [], parts = [];
        let last = 0;
        const targets = new Set(code.instructions.flatMap(one => [one[4], one[5]]));
        code.instructions.forEach(([offset, name, argument, , , , line], i) => {
            if (line !== last && line !== null) {
                parts.push(element('div', {class: 'heading', 'aria-hidden': 'true'},
                    element('span', {class: 'number'}, String(line)), element('code', {},
                        (lines[line - 1] || '').trim())));
                last = line;
            } else if (line === null && code.handlers.has(offset)) {
                parts.push(element('div', {class: 'heading', 'aria-hidden': 'true'},
                    element('span', {class: 'number'}), 'if an exception is raised'));
                last = null;
            }
            rows.push(element(
                'div', {class: `instruction${code.executed.has(i) ? '' : ' cold'}`, 'data-index': i, role: 'button',
                    tabindex: -1},
                element('span', {class: 'offset'}, targets.has(offset) ? `» ${offset}` : String(offset)), ' ',
                element('span', {class: 'opname'}, name), ' ', element('span', {class: 'argument'}, argument)));
            parts.push(rows[i]);
        });
        const arrows = document.createElementNS(SVG, 'svg');
        arrows.setAttribute('class', 'arrows');
        arrows.setAttribute('aria-hidden', 'true');
        return {rows, arrows, list: element('div', {class: 'list'}, arrows, ...parts), middles: null};
    }

    show(step) {
        const recording = this.recording, code = recording.code(step);
        if (this.now) {
            this.now.classList.remove('now', 'leaving');
            this.now.removeAttribute('aria-current');
            this.now.tabIndex = -1;
        }
        if (code !== this.code) {
            this.open(code);
        }
        const row = this.now = this.rows[recording.instruction[step]];
        row.classList.add('now');
        row.classList.toggle('leaving', recording.kind(step) > 0);
        row.setAttribute('aria-current', 'step');
        row.tabIndex = 0;
        this.step = step;
        this.arrows.replaceChildren();
    }

    // After all panels have changed, so that the browser computes the layout once.
    settle() {
        if (!this.middles) {
            this.middles = this.opened.get(this.code).middles = this.rows.map(row =>
                row.offsetTop + row.offsetHeight / 2);
            this.arrows.setAttribute('height', this.list.scrollHeight);
        }
        reveal(this.box, this.now);
        this.draw(this.step);
    }

    draw(step) {
        const recording = this.recording, at = recording.at(step), after = recording.after[step];
        const next = after >= 0 && !recording.kind(after) ? recording.at(after) : null;
        if (recording.kind(step)) {
            return;
        }
        if (at.target !== null) {
            const taken = next !== null && next.offset === at.target;
            this.arrow(at.offset, at.target, taken ? 'taken' : 'not-taken');
        }
        if (recording.raiseAt.has(step) && next !== null && recording.handles(after)) {
            this.arrow(at.offset, next.offset, 'into-handler');
        }
    }

    arrow(from, to, kind) {
        const middle = offset => this.middles[this.code.index.get(offset)];
        const start = middle(from), end = middle(to), width = 22;
        const out = width - Math.min(width - 4, 6 + Math.abs(end - start) / 24);
        const path = document.createElementNS(SVG, 'path');
        path.setAttribute('d', `M ${width} ${start} C ${out - 6} ${start} ${out - 6} ${end} ${width - 6} ${end}`);
        const head = document.createElementNS(SVG, 'path');
        head.setAttribute('class', 'head');
        head.setAttribute('d', `M ${width} ${end} l -7 -4 v 8 z`);
        const group = document.createElementNS(SVG, 'g');
        group.setAttribute('class', kind);
        group.append(path, head);
        this.arrows.setAttribute('width', width);
        this.arrows.append(group);
    }
}
