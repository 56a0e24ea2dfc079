// What the program has printed so far: the end of it, until the reader asks for all.

import {element} from './values.js';
import {lastAtMost} from './recording.js';

const MOST = 8000;                                      // characters; more take too long to lay out at each step

export class Printed {
    constructor(box, recording) {
        Object.assign(this, {box, recording, all: false});
        this.pieces = recording.head.printed;           // [when, stream, text]
        this.when = Int32Array.from(this.pieces, ([when]) => when);
        this.ends = new Float64Array(this.pieces.length);   // the number of characters up to the end of each piece
        this.pieces.reduce((sum, [, , text], i) => this.ends[i] = sum + text.length, 0);
    }

    show(step) {
        // What is printed after the last step belongs to it.
        const last = step >= this.recording.length - 1;
        const count = last ? this.pieces.length : lastAtMost(this.when, step) + 1;
        const fresh = step > 0 ? lastAtMost(this.when, step - 1, 0, count) + 1 : count;
        const shown = `${count} ${fresh} ${this.all}`;
        if (shown === this.shown) {
            return;
        }
        this.shown = shown;
        this.step = step;
        const total = count ? this.ends[count - 1] : 0, skipped = this.all ? 0 : Math.max(total - MOST, 0);
        const parts = [];
        for (let i = lastAtMost(this.ends, skipped, 0, count) + 1; i < count;) {
            const [, stream] = this.pieces[i], isNew = i >= fresh;
            const begin = this.ends[i] - this.pieces[i][2].length, texts = [];
            for (; i < count && this.pieces[i][1] === stream && i >= fresh === isNew; i++) {
                texts.push(this.pieces[i][2]);
            }
            parts.push(element('span', {class: `${stream === 2 ? 'error' : ''}${isNew ? ' new' : ''}`},
                texts.join('').slice(Math.max(skipped - begin, 0))));
        }
        if (skipped) {
            parts.unshift(element('button', {type: 'button', onclick: () => {
                this.all = true;
                this.show(this.step);
            }}, `Show the first ${skipped.toLocaleString('en')} characters too`), '\n');
        }
        this.box.replaceChildren(...(parts.length ? parts : [element('span', {class: 'note'}, 'Nothing yet.')]));
        this.grown = true;
    }

    settle() {
        if (this.grown) {
            this.grown = false;
            this.box.scrollTop = this.box.scrollHeight;
        }
    }
}
